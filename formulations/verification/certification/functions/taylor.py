r"""The slope of Taylor's remainder: a number that many checkers judge by, printed beside the verdict.

.. math:: |f(x + tv) - f(x) - t \, \hat g \cdot v| \sim t^p

p is 2 for a right gradient of a function with curvature, and 1 for a wrong one. It is no verdict: where the third
derivative tells more than the second, a right gradient has another slope; and a small fault shows in p only below the
steps at which noise ends the measurement.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from formulations.arrays import Array

__all__ = ["remainder_slope"]

STEPS = tuple(2.0**-k for k in range(3, 15, 2))
ABOVE = 100
"""The remainders that count exceed the noise by this factor."""


def remainder_slope(line: Callable[[float], Array | None], start: Array, claimed: Array, noise: Array) -> float:
    """Return p, the median between successive steps; NaN if the remainder is lost in noise.

    Parameters
    ----------
    line : callable (t) -> ndarray of shape (k,) or None
        The values of f along a direction.
    start, claimed, noise : ndarray of shape (k,)
        The values at t = 0, the claimed derivative along the direction, and the noise.

    Examples
    --------
    >>> def parabola(t):
    ...     return np.array([(1 + t) ** 2])
    >>> [round(remainder_slope(parabola, np.ones(1), np.array([claim]), np.zeros(1)), 1) for claim in (2.0, 2.5)]
    [2.0, 1.0]
    """
    steps, sizes = [], []
    for t in STEPS:
        values = line(t)
        if values is None:
            continue
        remainder = np.abs(values - start - t * claimed)
        size = float(np.max(np.where(remainder > ABOVE * noise, remainder, 0)))
        if size > 0 and np.isfinite(size):
            steps.append(t)
            sizes.append(size)
    if len(steps) < 2:
        return np.nan
    return float(np.median(np.diff(np.log(sizes)) / np.diff(np.log(steps))))
