"""Grids: networks of equal layers by width, depth, batch and dtype."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from formulations.backends import integers, precisions
from formulations.data import Problem, make_problem
from formulations.display import counted

__all__ = ["Grid", "GridPoint"]


@dataclass(frozen=True, order=True)
class GridPoint:
    """One cell's place in a grid.

    Attributes
    ----------
    dtype : str
        Of the network and its examples.
    batch_size : int
        m.
    width : int
        Neurons of every layer.
    depth : int
        Layers of weights, L − 1.
    """

    dtype: str
    batch_size: int
    width: int
    depth: int

    @property
    def forward_multiplications(self) -> int:
        """Multiplications of one forward pass, m·P."""
        return self.batch_size * self.depth * self.width**2

    @property
    def parameters(self) -> int:
        """Weights and biases, P + N."""
        return self.depth * self.width * (self.width + 1)

    def __str__(self) -> str:
        layers = f"{counted(self.depth, 'layer')} of {self.width} × {self.width} weights"
        return f"{layers}, {counted(self.batch_size, 'example')}, {self.dtype}"

    def problem(self) -> Problem:
        """Return a sigmoid network of this shape with the quadratic cost and random examples."""
        return make_problem([self.width] * (self.depth + 1), dtype=self.dtype, count=self.batch_size)


@dataclass(frozen=True)
class Grid:
    """What to combine.

    Attributes
    ----------
    widths, depths, batches : tuple of int
        Ascending.
    dtypes : tuple of str
        In the order in which they are measured.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    batches: tuple[int, ...]
    dtypes: tuple[str, ...]

    @classmethod
    def of(cls, widths: Any, depths: Any, batches: Any, dtypes: Any) -> Grid:
        """Return the grid of what was asked for: numbers in ascending order, each once.

        Raises
        ------
        InvalidInput
            Where an axis is empty, or holds a number below 1.
        WrongType
            Where one is not a list, or holds what is no integer, or no dtype of a network.
        """
        axes = integers(widths, "widths"), integers(depths, "depths"), integers(batches, "batches")
        return cls(*axes, tuple(precisions(dtypes)))

    def __iter__(self) -> Iterator[GridPoint]:
        """Yield all places, batches innermost and ascending."""
        for dtype in self.dtypes:
            for width in self.widths:
                for depth in self.depths:
                    for m in self.batches:
                        yield GridPoint(dtype, m, width, depth)
