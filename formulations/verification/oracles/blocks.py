r"""Matrices that are not formed: for each example a diagonal, and outer products off the diagonal.

Σ′ of softmax is :math:`\mathrm{diag}(a) - a a^T`, and its bounds have the same form. A product takes O(n) operations
for each example, although the matrix has n² entries. Each sum leaves out one entry and subtracts nothing, so a product
is as accurate as one with the formed matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from formulations.arrays import Array

__all__ = ["Matrices", "OuterBlocks", "sums_of_others"]


@dataclass(frozen=True, eq=False)
class OuterBlocks:
    r"""diag(d) for each example, with the entries of :math:`\sum_r x_r y_r^T` off the diagonal.

    Parameters
    ----------
    diagonal : ndarray of shape (m, n)
        d.
    pairs : tuple of (ndarray, ndarray)
        x and y, each of shape (m, n).

    Examples
    --------
    >>> a = np.array([[0.25, 0.75]])
    >>> OuterBlocks(a * (1 - a), ((-a, a),)) @ np.array([[1.0, 0.0]])  # diag(a) − aaᵀ
    array([[ 0.1875, -0.1875]])
    """

    diagonal: Array
    pairs: tuple[tuple[Array, Array], ...]

    ndim = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """(m, n, n), the shape of the formed matrices."""
        m, n = self.diagonal.shape
        return m, n, n

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the factors."""
        return self.diagonal.dtype

    @property
    def mT(self) -> OuterBlocks:
        """The transposed blocks."""
        return OuterBlocks(self.diagonal, tuple((y, x) for x, y in self.pairs))

    def astype(self, dtype: np.dtype[Any]) -> OuterBlocks:
        """Return the matrices in another dtype."""
        pairs = tuple((x.astype(dtype), y.astype(dtype)) for x, y in self.pairs)
        return OuterBlocks(self.diagonal.astype(dtype), pairs)

    def __abs__(self) -> OuterBlocks:
        """Return the absolute values, or an upper bound of them if several pairs differ in sign."""
        return OuterBlocks(np.abs(self.diagonal), tuple((np.abs(x), np.abs(y)) for x, y in self.pairs))

    def __add__(self, other: OuterBlocks) -> OuterBlocks:
        return OuterBlocks(self.diagonal + other.diagonal, self.pairs + other.pairs)

    def __matmul__(self, v: Array) -> Array:
        """Multiply a vector for each example, shape (m, n), or the columns of a matrix, shape (m, n, k)."""
        ahead = (..., *[None] * (v.ndim - 2))
        product: Array = self.diagonal[ahead] * v
        for x, y in self.pairs:
            product = product + x[ahead] * sums_of_others(y[ahead] * v)
        return product


Matrices: TypeAlias = Array | OuterBlocks
"""A matrix for each example: its diagonal, shape (m, n), or its blocks, shape (m, n, n), formed or not."""


def sums_of_others(terms: Array) -> Array:
    """Return for each entry the sum of the others along axis 1.

    Examples
    --------
    >>> sums_of_others(np.array([[1.0, 2.0, 1e30]]))
    array([[1.e+30, 1.e+30, 3.e+00]])
    """
    total = np.zeros_like(terms)
    total[:, 1:] = np.cumsum(terms[:, :-1], axis=1)
    total[:, :-1] += np.cumsum(terms[:, :0:-1], axis=1)[:, ::-1]
    return total
