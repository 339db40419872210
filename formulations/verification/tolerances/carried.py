"""Errors carried from layer to layer by exact products of Jacobians, not by products of absolute values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from formulations.arrays import Array, Precision, current_budget
from formulations.verification.oracles import Matrices, OuterBlocks

__all__ = ["Carried", "affordable"]

MOST = 10**8
"""Multiplications that the products of all pairs of layers may take, about a second."""


COPIES = 6
"""Arrays of the size of the widest product that exist at the same time, with two errors for each layer."""


def affordable(m: int, sizes: Sequence[int], dtype: np.dtype[Any]) -> bool:
    """Whether the matrices from each layer of these sizes to all later ones can be formed for m examples.

    They must take at most ``MOST`` multiplications, and fit the budget's memory.
    """
    multiplications, columns, widest = 0, sizes[0], sizes[0] ** 2
    for before, after in pairwise(sizes):
        multiplications += after * before * columns
        columns += after
        widest = max(widest, after * columns)
    memory = COPIES * m * widest * dtype.itemsize
    return m * multiplications <= MOST and memory <= current_budget().memory


class Carried:
    r"""Errors from several layers, each with the matrix that leads from its layer to the current one.

    An error :math:`\sum_k A_k \epsilon_k` with :math:`|\epsilon_k| \le e_k` is at most :math:`\sum_k |A_k| e_k`. The
    product A_k of many matrices is often far smaller than the product of their absolute values.

    Parameters
    ----------
    shape : (int, int)
        (m, n) of the first layer, which has no errors yet.
    precision : Precision
        The products have its wide dtype, and the bounds its working one.
    """

    def __init__(self, shape: tuple[int, ...], precision: Precision) -> None:
        self._locals = np.empty((shape[0], 0), precision.working)
        self._products: Array = np.empty((*shape, 0), precision.wide)

    def add(self, local: Array) -> None:
        """Add an error of at most ``local``, shape (m, n), in the current layer."""
        m, n = local.shape
        here = np.broadcast_to(np.eye(n, dtype=self._products.dtype), (m, n, n))
        self._products = np.concatenate([self._products, here], axis=2)
        self._locals = np.concatenate([self._locals, local], axis=1)

    def multiply(self, matrix: Matrices) -> None:
        """Multiply by a matrix, shape (n', n), or by one for each example, shape (m, n', n)."""
        self._products = matrix @ self._products

    def apply(self, slope: Matrices, *, transposed: bool = False) -> None:
        """Multiply by Σ′ of each example, diagonal or not, or by its transpose."""
        if isinstance(slope, OuterBlocks) or slope.ndim == 3:
            self.multiply(slope.mT if transposed else slope)
        else:
            self._products = slope[:, :, None] * self._products

    def bound(self) -> Array:
        """Return the bound of all errors together in the current layer, shape (m, n)."""
        sizes = np.abs(self._products).astype(self._locals.dtype)
        total: Array = (sizes @ self._locals[:, :, None])[:, :, 0]
        return total
