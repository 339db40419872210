r"""The noise of a function: how far its values scatter about a smooth function, from differences along a short line.

On equally spaced points the k-th differences of a smooth function vanish as the k-th power of the spacing, and those of
independent errors of standard deviation ε do not:

.. math:: \epsilon^2 = \frac{(k!)^2}{(2k)!} \; \mathrm{mean} (\Delta^k f)^2

The spacing is a few units in the last place of x. Where more than half of the values equal their neighbours, the
function is constant over such distances, as one that is computed in float32 or rounded; the spacing grows until they
differ. Source: Moré and Wild, *Estimating computational noise* (2011), section 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.arrays import Array

__all__ = ["Noise", "estimate_noise"]

POINTS = 8
ORDERS = (3, 4, 5)
"""The orders of the differences that are used; at these spacings, a smooth function has none above roundoff."""
NEAREST = 64
"""The first spacing, in units of the last place of x."""
WIDEST = 2.0**-10
"""The widest spacing, relative to x."""
WIDENINGS = 3


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


def estimate_noise(line: Callable[[float], Array | None], start: Array, eps: float) -> Noise:
    """Estimate the noise of a function along a line.

    Parameters
    ----------
    line : callable (t) -> ndarray of shape (k,) or None
        The values at the distance t, relative to x; None outside the domain.
    start : ndarray of shape (k,)
        The values at t = 0.
    eps : float
        The distance from 1 to the next larger number of x.
    """
    first = NEAREST * eps
    growth = (WIDEST / first) ** (1 / WIDENINGS)
    size = np.zeros(start.shape)
    open_ = np.ones(start.shape, dtype=bool)
    stepped = np.zeros(start.shape, dtype=bool)
    for widening in range(WIDENINGS + 1):
        step = first * 2.0 ** round(widening * math.log2(growth))
        values = [start, *(line(step * j) for j in range(1, POINTS))]
        found = [value for value in values if value is not None]
        if len(found) < POINTS:
            break
        table = np.array(found)
        moved = np.count_nonzero(np.diff(table, axis=0), axis=0) > (POINTS - 1) // 2
        here = open_ & moved
        size[here] = _scatter(table)[here]
        stepped[here] = widening > 0
        open_ &= ~moved
        if not open_.any():
            break
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
