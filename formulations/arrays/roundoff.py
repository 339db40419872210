r"""The unit roundoff u, the constants γ_k, and the underflow unit η.

.. math:: u = \epsilon/2, \qquad \gamma_k = \frac{ku}{1 - ku}

A sum of products in k roundings is off by at most γ_k times the sum of their absolute values, in whatever order it is
computed (Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., Lemma 3.1 and section 3.1). A product
that underflows is off by at most η/2 more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from formulations.arrays.dtypes import Array, higher

__all__ = ["Precision", "Summation", "gamma", "unit_roundoff"]


def unit_roundoff(dtype: np.dtype[Any]) -> float:
    """Return u, half the distance from 1 to the next larger number."""
    return float(np.finfo(dtype).eps) / 2


def gamma(k: int, u: float) -> float:
    """Return γ_k = ku/(1 − ku); infinite if ku ≥ 1.

    Examples
    --------
    >>> gamma(1, 0.25), gamma(4, 0.25)
    (0.3333333333333333, inf)
    """
    return k * u / (1 - k * u) if k * u < 1 else math.inf


@dataclass(frozen=True)
class Summation:
    r"""How a sum over the examples was taken chunk by chunk, and the rounding that it costs.

    Each chunk is summed in one go, with the unit roundoff u of the result. Its sum then meets r roundings in a wider
    precision of unit roundoff v, and the mean a last one to u. With k roundings of each term within its chunk

    .. math:: |\hat s - s| \le \bigl[(1 + \gamma_k(u))(1 + \gamma_r(v))(1 + u) - 1\bigr] \sum |\text{terms}|

    which does not grow with the number of examples, but for r.

    Attributes
    ----------
    examples : int
        The largest number of examples in a chunk.
    roundings : int
        r, the roundings in the wider precision that a chunk's sum meets: additions to other sums, the division by the
        total weight, and the roundings of that weight.
    wide : dtype
        The wider precision; that of the result if there is none.
    """

    examples: int
    roundings: int
    wide: np.dtype[Any]

    def gamma(self, k: int, u: float) -> float:
        """Return the factor of the sum of the absolute terms, for k roundings of each term within its chunk.

        Examples
        --------
        >>> Summation(100, 12, np.dtype("float64")).gamma(103, 2.0**-24) < gamma(105, 2.0**-24)
        True
        """
        return _together(gamma(k, u), _together(gamma(self.roundings, unit_roundoff(self.wide)), u))


def _together(one: float, other: float) -> float:
    """Return (1 + one)(1 + other) - 1, without cancellation."""
    return one + other + one * other


@dataclass(frozen=True)
class Precision:
    """The precisions of a candidate and of the reference.

    Parameters
    ----------
    dtype : dtype
        That of the candidate.
    wide : dtype
        That of the reference: the next higher one, or the same if there is none.
    """

    dtype: np.dtype[Any]
    wide: np.dtype[Any]

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> Precision:
        """Return the precision of a candidate together with the next higher one, if there is one."""
        return cls(dtype, higher(dtype) or dtype)

    @cached_property
    def u(self) -> float:
        """The candidate's unit roundoff."""
        return unit_roundoff(self.dtype)

    @cached_property
    def sides(self) -> float:
        """1 + u_wide/u: a bound linear in u, times this, is a bound for candidate and reference together."""
        return 1 + unit_roundoff(self.wide) / self.u

    @cached_property
    def eta(self) -> Any:
        """η, the smallest subnormal number of the candidate's dtype."""
        return self.working.type(np.finfo(self.dtype).smallest_subnormal)

    @cached_property
    def tiny(self) -> Any:
        """The smallest normal number; candidates from elsewhere may flush smaller ones to zero."""
        return self.working.type(np.finfo(self.dtype).smallest_normal)

    @cached_property
    def largest(self) -> Any:
        """The largest finite number; no bound holds beyond it."""
        return self.working.type(np.finfo(self.dtype).max)

    @cached_property
    def working(self) -> np.dtype[Any]:
        """The dtype of bounds: they need few digits, but all of the range."""
        return np.promote_types(self.dtype, np.float64)

    def within_range(self, e: Array, size: Array) -> Array:
        """Return the bound E of a quantity of this size; infinite if the candidate may overflow."""
        return np.where(size + e <= self.largest, e, np.inf)

    def gamma(self, k: int) -> float:
        """Return γ_k of candidate and reference together, to multiply an absolute product that is itself rounded."""
        one = gamma(k, self.u)
        if not one < 1:
            return math.inf
        return (one + gamma(k, unit_roundoff(self.wide))) / (1 - one)
