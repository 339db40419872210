r"""Arithmetic with enclosures: a value in a higher precision, and how far a candidate's own value can be from it.

Every operation adds what one more rounded operation can lose. If x is known to within :math:`E_x` and y to within
:math:`E_y`, and a sum of products takes k roundings,

.. math::

    E_{xy} = |x| E_y + |y| E_x + E_x E_y + \gamma_k (|x| + E_x)(|y| + E_y) + k\eta

with :math:`|x|` and :math:`|y|` their *sizes*. There are two kinds of size, and so two bounds:

- *over paths*: the same expression in absolute values, from the first operation to the last. A product of many factors
  is a sum over paths, and each path is rounded as often in whatever order the factors are multiplied and the
  paths are added. So the bound holds for every order, and loses all cancellation.
- *step by step*: the absolute value of each intermediate result. The cancellation is kept, but the bound is valid
  only for computing these intermediate results, so it can only confirm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.arrays import Array, Layout, Precision, gamma
from formulations.verification.oracles import Matrices, Slope, outer, product, through

__all__ = ["Arithmetic", "Enclosure", "Weights"]


@dataclass(frozen=True, eq=False)
class Enclosure:
    """A quantity of a mini-batch.

    Parameters
    ----------
    value : ndarray
        In the reference's precision.
    size : ndarray
        What rounding acts on: at least the absolute value.
    error : ndarray
        The bound of the distance from the candidate's value, of the candidate's rounding alone.
    """

    value: Array
    size: Array
    error: Array

    def __neg__(self) -> Enclosure:
        return Enclosure(-self.value, self.size, self.error)


@dataclass(frozen=True, eq=False)
class Weights:
    """A matrix that is known exactly, dense or sparse.

    Parameters
    ----------
    value : array of shape (n, k)
        In the reference's precision.
    size : array of shape (n, k)
        Its absolute values, in the dtype of bounds.
    """

    value: Any
    size: Any

    @classmethod
    def of(cls, matrix: Any, precision: Precision) -> Weights:
        """Return the enclosure of a matrix of the network."""
        return cls(matrix.astype(precision.wide), abs(matrix).astype(precision.working))

    @property
    def mT(self) -> Weights:
        """The transposed matrix."""
        return Weights(self.value.T, self.size.T)


class Arithmetic:
    """The operations of operators, on enclosures.

    Parameters
    ----------
    precision : Precision
        That of the candidate and of the reference.
    over_paths : bool
        Whether sizes are sums over paths, which makes the bound hold in any order.

    Attributes
    ----------
    largest : scalar
        The largest size so far, at least 1.
    """

    def __init__(self, precision: Precision, *, over_paths: bool) -> None:
        self.precision, self.over_paths = precision, over_paths
        self.largest: Any = precision.working.type(1)

    def exact(self, value: Array) -> Enclosure:
        """Return an enclosure of what candidate and reference read alike."""
        size = np.abs(value).astype(self.precision.working)
        return Enclosure(value.astype(self.precision.wide), size, np.zeros_like(size))

    def sum(self, *terms: Enclosure) -> Enclosure:
        """Return the sum of enclosures of one shape."""
        total: Any = sum(term.value for term in terms)
        size: Any = sum(term.size for term in terms)
        error: Any = sum(term.error for term in terms)
        return self._rounded(total, size, error, len(terms))

    def multiply(self, x: Enclosure, y: Enclosure, roundings: int = 2) -> Enclosure:
        """Return the product of enclosures, entry by entry."""
        error = x.error * (y.size + y.error) + x.size * y.error
        return self._rounded(x.value * y.value, x.size * y.size, error, roundings)

    def dot(self, x: Enclosure, y: Enclosure) -> Enclosure:
        """Return the sum of products over the neurons of each example, shape (m, 1)."""
        value, size, error = (
            part.sum(axis=1, keepdims=True)
            for part in (x.value * y.value, x.size * y.size, x.error * (y.size + y.error) + x.size * y.error)
        )
        return self._rounded(value, size, error, x.value.shape[1] + 2)

    def weigh(self, x: Enclosure, matrix: Weights) -> Enclosure:
        """Return x times a matrix, shape (m, k) for x of shape (m, n)."""
        return self._rounded(x.value @ matrix.value, x.size @ matrix.size, x.error @ matrix.size, x.value.shape[1] + 2)

    def apply(self, slope: Slope, of_d: Matrices | None, x: Enclosure, *, transposed: bool) -> Enclosure:
        """Return Σ′x or Σ′ᵀx of each example, where the candidate's Σ′ is off by at most ``of_d``."""
        by = through if transposed else product
        error = by(slope.size, x.error)
        acted_on = by(slope.acted_on, x.size)
        if of_d is not None:
            error = error + by(of_d, x.size + x.error)
        # The blocks of a coupled slope round on more than their absolute values.
        base = acted_on + by(slope.acted_on, x.error) + error
        value = by(slope.matrix, x.value)
        return self._rounded(value, acted_on, error, 2 + slope.roundings, base)

    def outer(self, delta: Enclosure, a: Enclosure, layout: Layout, i: int) -> Enclosure:
        """Return Σ_x δ_j a_k for the stored weights of layer i + 2, in the order of the flat vector."""
        size = outer(delta.size, a.size, layout, i)
        error = outer(delta.error, a.size + a.error, layout, i) + outer(delta.size, a.error, layout, i)
        return self._rounded(outer(delta.value, a.value, layout, i), size, error, len(delta.value) + 3)

    def chain(self, x: Enclosure, y: Enclosure) -> Enclosure:
        """Return the product of a matrix with another for each example."""
        error = x.error @ (y.size + y.error) + x.size @ y.error
        return self._rounded(x.value @ y.value, x.size @ y.size, error, x.value.shape[2] + 2)

    def total(self, x: Enclosure) -> Enclosure:
        """Return the sum over the examples."""
        value, size, error = (part.sum(axis=0) for part in (x.value, x.size, x.error))
        return self._rounded(value, size, error, len(x.value) + 3)

    def bound(self, x: Enclosure) -> Array:
        """Return the bound for candidate and reference together, with what underflow in any order adds."""
        # Between the two ends of a path lies a product of at most the largest size on each side.
        floor = self.precision.tiny * self.largest * self.largest * 64
        e: Array = self.precision.sides * x.error + floor
        return e

    def _rounded(self, value: Array, size: Array, error: Array, roundings: int, base: Array | None = None) -> Enclosure:
        base = size + error if base is None else base
        largest = base.max(initial=0)
        if largest > self.largest:
            self.largest = largest
        error = error + gamma(roundings, self.precision.u) * base + self.precision.eta * roundings
        error = self.precision.within_range(error, size)
        if not self.over_paths:
            size = np.abs(value).astype(self.precision.working)
        return Enclosure(value, size, error)
