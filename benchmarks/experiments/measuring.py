"""What experiments share: rows of rivals that may be refused, fits of estimators, and examples on disk."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.comparison.race.contestant import Ready
from formulations.exceptions import FormulationsException
from formulations.network import Network

__all__ = ["fitted", "mapped_examples", "prepare_rows"]

WRITTEN = 2**16
"""Examples written at a time."""


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


def fitted(kind: Any, X: Array, y: Array, **settings: Any) -> Any:
    """Return a new estimator of a kind, fitted for a fixed number of epochs, converged or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(**settings).fit(X, y)


@contextmanager
def mapped_examples(
    m: int, network: Network, generator: np.random.Generator, folder: str | None = None
) -> Iterator[tuple[Array, Array]]:
    """Write m random examples to a temporary folder, yield X and Y mapped from their files, and remove them.

    Parameters
    ----------
    m : int
        Number of examples.
    network : Network
        Gives the examples their widths and their dtype.
    generator : numpy.random.Generator
        Draws them uniformly from [0, 1).
    folder : str, optional
        Where to make the temporary folder; by default the system's.
    """
    with TemporaryDirectory(dir=folder) as directory:
        files = []
        for name, width in (("X", network.sizes[0]), ("Y", network.sizes[-1])):
            path = Path(directory) / name
            with path.open("wb") as file:
                for start in range(0, m, WRITTEN):
                    generator.random((min(WRITTEN, m - start), width)).astype(network.dtype).tofile(file)
            files.append(np.memmap(path, network.dtype, "r", shape=(m, width)))
        # Windows cannot remove a file while it is mapped: nothing here keeps X and Y, and the caller deletes its own.
        yield files.pop(0), files.pop(0)
