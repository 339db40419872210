"""A function with its gradient by hand, and the points where the gradient is judged."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["FUNCTIONS", "Function", "flatten", "function", "least_squares", "leaves", "mapping", "rebuild"]

FUNCTIONS: dict[str, Function] = {}
"""Every function by its name; the modules of this package fill it."""


@dataclass(frozen=True)
class Function:
    """A function, its gradient or Jacobian matrix by hand, and points.

    Attributes
    ----------
    name, kind : str
        Its name, and its group in the table.
    f : callable (x) -> float or ndarray of shape (k,)
        What a checker is given.
    gradient : callable (x) -> ndarray
        Of the structure of x; the Jacobian matrix (k, n) for a function with k values.
    points : tuple
        Where the gradient is judged: each an array, or a dict, list or tuple of arrays.
    exact : callable (x) -> float or ndarray
        The function that ``gradient`` belongs to, on numbers of any precision: ``f`` itself, or what is left of it
        without its noise and steps.
    typical : float or None
        The scale of x, for checkers that take one.
    """

    name: str
    kind: str
    f: Callable[[Any], Any]
    gradient: Callable[[Any], Any]
    points: tuple[Any, ...]
    exact: Callable[[Any], Any]
    typical: float | None = None

    @property
    def size(self) -> int:
        """n, the number of coordinates."""
        return sum(leaf.size for leaf in leaves(self.points[0]))

    @property
    def nested(self) -> bool:
        """Whether x is a structure of arrays."""
        return not isinstance(self.points[0], np.ndarray)

    @property
    def single(self) -> bool:
        """Whether x is float32."""
        return leaves(self.points[0])[0].dtype == np.float32


def leaves(x: Any) -> list[np.ndarray]:
    """Return the arrays of a structure, in order."""
    if isinstance(x, dict):
        x = x.values()
    if isinstance(x, np.ndarray):
        return [x]
    return [leaf for each in x for leaf in leaves(each)]


def flatten(x: Any) -> np.ndarray:
    """Return all numbers of a structure of arrays as one vector."""
    return np.concatenate([leaf.ravel() for leaf in leaves(x)])


def rebuild(flat: np.ndarray, like: Any) -> Any:
    """Return a vector's numbers in the structure of another."""
    if isinstance(like, np.ndarray):
        return flat.reshape(like.shape)
    sizes = [sum(leaf.size for leaf in leaves(each)) for each in (like.values() if isinstance(like, dict) else like)]
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    if isinstance(like, dict):
        return {key: rebuild(part, each) for part, (key, each) in zip(parts, like.items(), strict=True)}
    return type(like)(rebuild(part, each) for part, each in zip(parts, like, strict=True))


def near(start: Any, name: str, count: int = 2) -> tuple[Any, ...]:
    """Return a starting point and random points within some 10 % of it, always the same for one name."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    flat = flatten(start)
    scale = np.mean(np.abs(flat)) or 1.0
    size = np.where(flat == 0, scale, np.abs(flat))
    moved = [(flat + 0.1 * size * random.uniform(-1, 1, flat.size)).astype(flat.dtype) for _ in range(count)]
    return (start, *(rebuild(each, start) for each in moved))


def _point(x: Any) -> Any:
    """Return numbers as an array, and a structure of arrays as it is."""
    if isinstance(x, dict | np.ndarray) or not isinstance(x[0], int | float):
        return x
    return np.array(x, dtype=np.float64)


def function(
    name: str,
    kind: str,
    start: Any,
    f: Callable[[Any], Any],
    gradient: Callable[[Any], Any],
    *,
    others: tuple[Any, ...] = (),
    around: int = 2,
    exact: Callable[[Any], Any] | None = None,
    typical: float | None = None,
) -> Function:
    """Add a function to the table.

    Parameters
    ----------
    name, kind, f, gradient, typical
        As in ``Function``.
    start : array_like, dict, list or tuple of arrays
        The starting point.
    others : tuple, optional
        Further points, such as a solution.
    around : int
        The number of random points around ``start``.
    exact : callable, optional
        By default ``f``.

    Returns
    -------
    Function
    """
    points = (*near(_point(start), name, around), *map(_point, others))
    made = Function(name, kind, f, gradient, points, exact or f, typical)
    assert FUNCTIONS.setdefault(name, made) is made, name
    return made


def mapping(name: str, start: Any, f: Callable[[Any], Any], jacobian: Callable[[Any], Any], **options: Any) -> Function:
    """Add a function with several values, and its Jacobian matrix, to the table."""
    return function(
        name,
        "several values",
        start,
        lambda x: np.asarray(f(x)),
        lambda x: np.asarray(jacobian(x), dtype=x.dtype),
        **options,
    )


def least_squares(
    name: str,
    start: Any,
    residuals: Callable[[Any], Any],
    jacobian: Callable[[Any], Any],
    *,
    solution: Any = None,
    values: bool = False,
) -> Function:
    """Add f(x) = Σ r_i(x)², whose gradient is 2 Jᵀr, to the table, and with ``values`` the residuals r too."""

    def f(x):
        r = np.asarray(residuals(x))
        return (r * r).sum()

    def gradient(x):
        return 2 * np.asarray(jacobian(x), dtype=np.float64).T @ np.asarray(residuals(x))

    others = () if solution is None else (solution,)
    if values:
        mapping(f"{name}_residuals", start, residuals, jacobian)
    return function(name, "Moré–Garbow–Hillstrom", start, f, gradient, others=others)
