"""The proof of the gradients by hand: difference quotients with 80 digits, which are exact to some 50 of them."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from tests.audit.functions.function import Function, flatten, rebuild

__all__ = ["disagreement"]

EVERY = 64
"""Up to this many coordinates each is differentiated by itself; beyond it, four random directions are."""


def disagreement(function: Function, x: Any) -> float:
    """Return the largest error of a gradient by hand, relative to its largest entry.

    Parameters
    ----------
    function : Function
        With a gradient by hand.
    x : ndarray or structure of arrays
        The point.

    Returns
    -------
    float
        Where the gradient vanishes but for rounding, relative to its largest entry at the starting point.
    """
    flat = flatten(x).astype(np.float64)
    claimed = _claimed(function, x)
    if flat.size <= EVERY:
        directions = np.eye(flat.size)
    else:
        random = np.random.default_rng(zlib.crc32(function.name.encode()))
        directions = random.standard_normal((4, flat.size))
    proved = np.array([_derivative(function, x, direction) for direction in directions]).T
    error = np.max(np.abs(proved - claimed @ directions.T))
    size, start = np.max(np.abs(claimed)), np.max(np.abs(_claimed(function, function.points[0])))
    return float(error / ((size if size > 1e-12 * start else start) or 1.0))


def _claimed(function: Function, x: Any) -> np.ndarray:
    """Return the gradient by hand as a matrix with one row for each value of the function."""
    gradient = function.gradient(x)
    return np.atleast_2d(np.asarray(flatten(gradient) if function.nested else gradient, dtype=np.float64))


def _derivative(function: Function, x: Any, direction: np.ndarray) -> np.ndarray:
    """Return the derivative along a direction, one number for each value of the function."""
    import mpmath

    with mpmath.workdps(80):
        flat = np.array([mpmath.mpf(float(each)) for each in flatten(x)], dtype=object)
        step = mpmath.mpf(10) ** -26 * (float(np.max(np.abs(flatten(x)))) or 1)
        ends = [np.atleast_1d(function.exact(rebuild(flat + sign * step * direction, x))) for sign in (1, -1)]
        return ((ends[0] - ends[1]) / (2 * step)).astype(np.float64)
