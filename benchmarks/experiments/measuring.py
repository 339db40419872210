"""What experiments with rivals share: preparing rows that may be refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from formulations.comparison.race.contestant import Ready
from formulations.exceptions import FormulationsException

__all__ = ["prepare_rows"]


def prepare_rows(
    rows: Mapping[str, Callable[[], Ready]], where: str, progress: Callable[[str], object]
) -> tuple[dict[str, Callable[[], object]], list[str]]:
    """Prepare the rows of a cell.

    Parameters
    ----------
    rows : mapping of str to callable
        What prepares each row; it raises one of the library's exceptions if the row is not to be timed.
    where : str
        The cell, in words.
    progress : callable
        Called with each step before it begins.

    Returns
    -------
    calls : dict of str to callable
        Those that can be timed.
    refused : list of str
        The others, with the reason.
    """
    calls: dict[str, Callable[[], object]] = {}
    refused = []
    for name, prepare in rows.items():
        progress(f"{where}: {name}")
        try:
            calls[name] = prepare().call
        except FormulationsException as caught:
            refused.append(f"{where}: {name}: {caught}")
    return calls, refused
