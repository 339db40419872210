"""The cells of the race: the sizes of a network and of its batch, by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.arrays import SINGLE_AND_DOUBLE, by_name, format_dtype, items
from formulations.data import Problem, make_problem
from formulations.exceptions import InvalidInput

__all__ = ["CELLS", "RACE_DTYPES", "Cell", "read_cells", "read_dtypes"]

RACE_DTYPES = tuple(map(format_dtype, SINGLE_AND_DOUBLE))
"""The names of the dtypes that all peers have."""


@dataclass(frozen=True)
class Cell:
    """A network with sigmoid neurons, the quadratic cost, and the size of a batch.

    Attributes
    ----------
    name : str
        Its name in flags and tables.
    sizes : tuple of int
        n₁, …, n_L.
    m : int
        Examples in the batch.
    """

    name: str
    sizes: tuple[int, ...]
    m: int

    def problem(self, dtype: Any) -> Problem:
        """Return the network and its batch, in newly allocated memory."""
        whole = make_problem(self.sizes, dtype=dtype, count=self.m).first(self.m)
        return Problem(whole.network, np.ascontiguousarray(whole.X), np.ascontiguousarray(whole.Y), whole.cost)

    @property
    def steps(self) -> int:
        """A call computes one gradient."""
        return 1

    def to_dict(self) -> dict[str, Any]:
        """Return name, sizes and batch as plain Python values."""
        return {"cell": self.name, "sizes": list(self.sizes), "examples": self.m}

    @property
    def title(self) -> str:
        """Name, sizes and batch; runs of equal sizes are counted."""
        runs: list[tuple[int, int]] = []
        for n in self.sizes:
            runs = [*runs[:-1], (n, runs[-1][1] + 1)] if runs and runs[-1][0] == n else [*runs, (n, 1)]
        layers = "-".join(f"{n}" if count == 1 else f"({n}×{count})" for n, count in runs)
        return f"{self.name}: {layers}, m = {self.m}"


CELLS = {
    cell.name: cell
    for cell in (
        Cell("book", (784, 30, 10), 10),
        Cell("digits", (64, 30, 10), 10),
        Cell("medium", (784, 100, 10), 100),
        Cell("deep", (64, *[64] * 20, 10), 32),
        Cell("wide", (784, 1024, 1024, 10), 256),
    )
}


def read_cells(names: Iterable[str] | None) -> list[Cell]:
    """Return the cells of these names; all of them for None.

    Raises
    ------
    UnknownName
        If a cell does not exist.
    InvalidInput, WrongType
        If no cell is named, or the names are not a list.
    """
    return list(by_name(CELLS, names, "cell", "cells").values())


def read_dtypes(names: Iterable[str] | None) -> list[str]:
    """Return the dtypes of these names; both for None.

    Raises
    ------
    InvalidInput
        If one is neither float32 nor float64, or none is named.
    WrongType
        If they are not a list.
    """
    chosen = list(RACE_DTYPES) if names is None else items(names, "dtypes", "['float32']", one=str)
    for name in chosen:
        if not isinstance(name, str) or name not in RACE_DTYPES:
            raise InvalidInput(
                f"the dtype of a race must be {' or '.join(RACE_DTYPES)}, which all peers have, got {name!r}."
            )
    return list(dict.fromkeys(chosen))
