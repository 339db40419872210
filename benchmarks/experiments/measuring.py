"""What experiments with rivals share: preparing rows that may be refused, and the time of the processor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import process_time

from formulations.comparison.race.contestant import Ready
from formulations.exceptions import FormulationsException

__all__ = ["ProcessorTime", "prepare_rows"]


@dataclass(frozen=True)
class ProcessorTime:
    """A call that is timed by the processor's time of this process, of which other programs take nothing.

    Attributes
    ----------
    call : callable () -> object
        The call.
    """

    call: Callable[[], object]

    def __call__(self) -> object:
        """Call it once."""
        return self.call()

    def timed(self, repeats: int) -> float:
        """Return the seconds per call, over this many calls."""
        start = process_time()
        for _ in range(repeats):
            self.call()
        return (process_time() - start) / repeats

    def settle(self, seconds: float) -> float:
        """Call for at least this many seconds, and return the seconds that it took."""
        start = process_time()
        while process_time() - start < seconds:
            self.call()
        return process_time() - start


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
