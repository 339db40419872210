r"""Roundoff: the unit u, the constants γ_k, and the underflow unit η.

.. math:: u = \epsilon/2, \qquad \gamma_k = \frac{ku}{1 - ku}

A sum of products in k roundings is off by at most γ_k times the sum of their absolute values, in whatever order it is
taken (Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., Lemma 3.1 and section 3.1); a product
that underflows is off by at most η/2 more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from formulations.arrays import Array, higher
from formulations.verification.oracles.customary import Formulas

__all__ = ["Precision", "gamma", "unit_roundoff"]


def unit_roundoff(dtype: np.dtype[Any]) -> float:
    """Return u, half of the distance from 1 to the next number."""
    return float(np.finfo(dtype).eps) / 2


def gamma(k: int, u: float) -> float:
    """Return γ_k = ku/(1 − ku), infinite where ku ≥ 1 and the bound says nothing.

    Examples
    --------
    >>> gamma(1, 0.25), gamma(4, 0.25)
    (0.3333333333333333, inf)
    """
    return k * u / (1 - k * u) if k * u < 1 else math.inf


@dataclass(frozen=True)
class Precision:
    """What a candidate and the reference beside it are computed in.

    Parameters
    ----------
    dtype : dtype
        The candidate's.
    wide : dtype
        The reference's: the next higher one, or the same where there is none.
    formulas : Formulas
        Those that the candidate's activations may be computed by.
    """

    dtype: np.dtype[Any]
    wide: np.dtype[Any]
    formulas: Formulas = Formulas.CAREFUL

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> Precision:
        """Return the candidate's precision with the highest that a reference can have next to it."""
        return cls(dtype, higher(dtype) or dtype)

    @cached_property
    def u(self) -> float:
        """The candidate's unit roundoff."""
        return unit_roundoff(self.dtype)

    @cached_property
    def sides(self) -> float:
        """1 + u_wide/u, which turns a bound that is linear in u into one for both sides together."""
        return 1 + unit_roundoff(self.wide) / self.u

    @cached_property
    def eta(self) -> Any:
        """η, the smallest subnormal number of the candidate's dtype."""
        return self.working.type(np.finfo(self.dtype).smallest_subnormal)

    @cached_property
    def tiny(self) -> Any:
        """The smallest normal number, below which candidates from elsewhere may flush to zero."""
        return self.working.type(np.finfo(self.dtype).smallest_normal)

    @cached_property
    def largest(self) -> Any:
        """The largest number, beyond which the candidate overflows and no bound holds."""
        return self.working.type(np.finfo(self.dtype).max)

    @cached_property
    def working(self) -> np.dtype[Any]:
        """The dtype that bounds are computed in: two digits of them are enough, but all of the range is needed."""
        return np.promote_types(self.dtype, np.float64)

    def within_range(self, e: Array, size: Array) -> Array:
        """Return a bound E of a quantity of this size, infinite where the candidate can overflow and no bound holds."""
        return np.where(size + e <= self.largest, e, np.inf)

    def gamma(self, k: int) -> float:
        """Return γ_k of both sides together, in the units of an absolute product that is itself rounded."""
        one = gamma(k, self.u)
        if not one < 1:
            return math.inf
        return (one + gamma(k, unit_roundoff(self.wide))) / (1 - one)
