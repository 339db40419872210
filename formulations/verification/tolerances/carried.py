"""Carried errors: what local errors come to elsewhere, by exact products of Jacobians and not of absolute values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from formulations.arrays import Array, current_budget
from formulations.verification.oracles import Matrices, OuterBlocks, Precision

__all__ = ["Carried", "affordable"]

MOST = 10**8
"""Multiplications, beyond which the products of all pairs of layers are not formed: a second or so."""


COPIES = 6
"""Arrays as large as the widest product that exist at the same time, with two errors a layer."""


def affordable(m: int, sizes: Sequence[int], dtype: np.dtype[Any]) -> bool:
    """Whether the matrices from each layer of these sizes to all later ones can be multiplied for m examples.

    Neither may it take too many multiplications, nor more memory than the budget.
    """
    multiplications, columns, widest = 0, sizes[0], sizes[0] ** 2
    for before, after in pairwise(sizes):
        multiplications += after * before * columns
        columns += after
        widest = max(widest, after * columns)
    memory = COPIES * m * widest * dtype.itemsize
    return m * multiplications <= MOST and memory <= current_budget().memory


class Carried:
    r"""Errors made in several layers, and for each the matrix that leads from there to the layer reached so far.

    An error :math:`\sum_k A_k \epsilon_k` with :math:`|\epsilon_k| \le e_k` is at most :math:`\sum_k |A_k| e_k`. The
    product A_k of many matrices is often far smaller than the product of their absolute values.

    Parameters
    ----------
    shape : (int, int)
        Of the first layer's neurons, (m, n), where there are no errors yet.
    precision : Precision
        The products are computed in its wide dtype, and bounds in its working one.
    """

    def __init__(self, shape: tuple[int, ...], precision: Precision) -> None:
        self._locals = np.empty((shape[0], 0), precision.working)
        self._products: Array = np.empty((*shape, 0), precision.wide)

    def add(self, local: Array) -> None:
        """Let an error of at most ``local``, shape (m, n), be made in the layer reached so far."""
        m, n = local.shape
        here = np.broadcast_to(np.eye(n, dtype=self._products.dtype), (m, n, n))
        self._products = np.concatenate([self._products, here], axis=2)
        self._locals = np.concatenate([self._locals, local], axis=1)

    def multiply(self, matrix: Matrices) -> None:
        """Go on to the layer that a matrix leads to, of shape (n', n) or one for each example, (m, n', n)."""
        self._products = matrix @ self._products

    def apply(self, slope: Matrices, *, transposed: bool = False) -> None:
        """Go on by Σ′ of each example, diagonal or not, or by its transpose."""
        if isinstance(slope, OuterBlocks) or slope.ndim == 3:
            self.multiply(slope.mT if transposed else slope)
        else:
            self._products = slope[:, :, None] * self._products

    def bound(self) -> Array:
        """Return what all errors together can come to here, shape (m, n)."""
        sizes = np.abs(self._products).astype(self._locals.dtype)
        total: Array = (sizes @ self._locals[:, :, None])[:, :, 0]
        return total
