"""Grids: networks of equal layers by width, depth, batch and dtype, and the checks of what is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from formulations.contract import Backend
from formulations.dtypes import as_dtype, format_dtype
from formulations.exceptions import InvalidInput, WrongType
from formulations.inputs import positive_integer
from formulations.problem import Problem, make_problem
from formulations.registry import get_backend

__all__ = ["Grid", "Place", "chosen_backends", "integers", "items"]


@dataclass(frozen=True, order=True)
class Place:
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
        layers = f"{self.depth} layer{'s' if self.depth > 1 else ''} of {self.width} × {self.width} weights"
        return f"{layers}, {self.batch_size} example{'s' if self.batch_size > 1 else ''}, {self.dtype}"

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
        asked = [dtypes] if isinstance(dtypes, str) else items(dtypes, "dtypes", "['float32']")
        names = dict.fromkeys(format_dtype(as_dtype(dtype)) for dtype in asked)
        axes = integers(widths, "widths"), integers(depths, "depths"), integers(batches, "batches")
        return cls(*axes, tuple(names))

    def __iter__(self) -> Iterator[Place]:
        """Yield all places, batches innermost and ascending."""
        for dtype in self.dtypes:
            for width in self.widths:
                for depth in self.depths:
                    for m in self.batches:
                        yield Place(dtype, m, width, depth)


def integers(values: Any, name: str) -> tuple[int, ...]:
    """Return positive integers in ascending order, each once.

    Raises
    ------
    InvalidInput
        Where there is none, or one is below 1.
    WrongType
        Where they are not iterable, or one is not an integer.
    """
    return tuple(sorted({positive_integer(value, name) for value in items(values, name, "[10, 100]")}))


def chosen_backends(backends: Any) -> dict[str, Backend]:
    """Return backends by their labels, from one or several of them or their flags.

    Raises
    ------
    InvalidInput
        Where there is none.
    WrongType
        Where they are no list.
    UnknownName
        Where one does not exist.
    """
    asked = [backends] if isinstance(backends, str | Backend) else items(backends, "backends", "['hadamard']")
    return {backend.label: backend for backend in map(get_backend, asked)}


def items(values: Any, name: str, example: str) -> list[Any]:
    """Return a list of what was given as one.

    Raises
    ------
    InvalidInput
        Where it is empty.
    WrongType
        Where it is no list.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise WrongType(f"{name} must be a list, got {values!r}; pass one such as {example}.")
    items = list(values)
    if not items:
        raise InvalidInput(f"{name} must not be empty; pass a list such as {example}.")
    return items
