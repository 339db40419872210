r"""The noise of a function: how far its values scatter about a smooth function, from differences along a short line.

On equally spaced points the k-th differences of a smooth function vanish as the k-th power of the spacing, and those of
independent errors of standard deviation ε do not:

.. math:: \epsilon^2 = \frac{(k!)^2}{(2k)!} \; \mathrm{mean} (\Delta^k f)^2

The spacing is two units in the last place of x, so that the points are numbers and rounding moves none of them. What
scatters over that distance is noise. What scatters only over longer ones, as a fine ripple does, is a part of f, and
the ladder of steps has to resolve it. Where all values are equal, the function is constant over such distances, as one
that is computed in float32 or rounded; the spacing grows until they differ, and the smallest of their differences is
about the size of a step, which rounds as an error of standard deviation step/√12 does. Source: Moré and Wild,
*Estimating computational noise* (2011), section 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.arrays import Array

__all__ = ["WIDEST", "Noise", "estimate_noise"]

WIDEST = 2.0**-10
"""The widest spacing, relative to x."""
POINTS = 8
ORDERS = (3, 4, 5)
"""The orders of the differences that are used; at these spacings, a smooth function has none above roundoff."""
WIDENING = 16
"""How many times wider each spacing is than the one before."""
DOUBT = 4.0
"""What scatters at the next spacing counts up to this multiple of what scatters at the smallest. For white noise,
either estimate is too small by this factor in one case of a hundred, and both are in less than one of a thousand."""


@dataclass(frozen=True)
class Noise:
    """The noise of each value of a function.

    Attributes
    ----------
    size : ndarray of shape (k,)
        The standard deviation ε_f.
    stepped : ndarray of bool, shape (k,)
        Whether the value is constant over shorter distances.
    """

    size: Array
    stepped: Array


def estimate_noise(line: Callable[[int], Array | None], start: Array, widest: float) -> Noise:
    """Estimate the noise of a function along a line.

    Parameters
    ----------
    line : callable (j) -> ndarray of shape (k,) or None
        The values at j times the smallest spacing at which all points are numbers of their dtype, without rounding;
        None outside the domain.
    start : ndarray of shape (k,)
        The values at j = 0.
    widest : float
        The widest spacing, in units of the smallest.
    """
    tables: dict[int, Array | None] = {}

    def values(level: int) -> Array | None:
        """Return the values at a spacing; None if one is outside the domain."""
        if level not in tables:
            found = [start, *(line(WIDENING**level * j) for j in range(1, POINTS))]
            inside = [value for value in found if value is not None]
            tables[level] = np.array(inside) if len(inside) == POINTS else None
        return tables[level]

    def moves(level: int, i: int) -> bool:
        found = values(level)
        return found is not None and bool(np.ptp(found[:, i]))

    size, stepped = np.zeros(start.shape), np.zeros(start.shape, dtype=bool)
    top = int(math.log(max(widest, 1), WIDENING))
    for i in range(start.size):
        low, high = (-1, 0) if moves(0, i) else (0, top)
        while high > low and values(high) is None:
            high -= 1
        if not moves(high, i):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if moves(middle, i) else (middle, high)
        found = [each[:, i] for level in (high, min(high + 1, top)) if (each := values(level)) is not None]
        fine, coarse = _scatter(found[0]), _scatter(found[-1])
        if high:
            differences = np.abs(np.diff(found[0]))
            fine = max(fine, differences[differences > 0].min() / math.sqrt(12))
        size[i] = max(fine, min(coarse, DOUBT * fine))
        stepped[i] = high > 0
    return Noise(size, stepped)


def _scatter(table: Array) -> Any:
    """Return the largest of the estimates by differences of several orders."""
    estimates = []
    for k in ORDERS:
        differences = np.diff(table, k, axis=0)
        # Squares of their own would overflow above 1e154.
        largest = np.abs(differences).max(axis=0)
        squares = np.mean((differences / np.where(largest > 0, largest, 1)) ** 2, axis=0)
        estimates.append(largest * np.sqrt(squares * math.factorial(k) ** 2 / math.factorial(2 * k)))
    return np.max(estimates, axis=0)
