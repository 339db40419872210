r"""The effect of one layer's roundoff on another layer, by the network's own Jacobians.

The bounds E of :mod:`formulations.verification.tolerances.propagation` multiply |w| over all layers, and so lose the
cancellation. The exact change of z is

.. math::

    e_z^l = w^l e_a^{l-1} + \rho_l, \qquad e_a^l = \Sigma'(z^l)\, e_z^l + \lambda_l, \qquad
    |\lambda_l| \le E_d E_z + \max_\pm |\sigma(z \pm 8u|z|) - \sigma(z)| + 8u |a|

where ρ is the rounding of one layer's sum. λ needs no second derivative: between z and z + e_z, σ′ stays within E_d of
σ′(z), kinks included. So e_z is the sum of all ρ_k and λ_k, each multiplied by the exact product of the matrices w and
Σ′(z) after its layer, and |e_z| is at most the sum with the absolute values of *these products*. E_d of a layer follows
from the E_z just bounded, by induction from the input. The backward pass is bounded likewise:

.. math::

    |e_\delta^l - \Sigma'^T w^T e_\delta^{l+1}| \le |\Sigma'|^T \gamma_{n+2} |w|^T (|\delta| + E_\delta)
        + E_d^T (|s| + E_s) + \text{its own rounding}

The smaller of this bound and E is taken. It holds for every computation layer by layer, multiplied from either end. A
program that multiplies the weights first may be farther off, so this bound says "equal" and never "different".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import Array, Precision, current_budget
from formulations.verification.oracles import Matrices, OuterBlocks, Reference, product, widened

__all__ = ["Backwards", "Forwards", "affordable"]

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


class Forwards:
    """The errors of z and a, carried from the input. Call the methods layer by layer, in this order.

    Parameters
    ----------
    weights : list of array
        The network's.
    reference : Reference
        Holds Σ′(z).
    precision : Precision
        The precision of candidate and reference.
    """

    def __init__(self, weights: Any, reference: Reference, precision: Precision) -> None:
        self._weights = _dense(weights, reference)
        self._slopes = [slope.matrix for slope in reference.slopes]
        # The inputs are exact.
        self._carried = Carried(reference.activations[0].shape, precision)

    def weighted_inputs(self, i: int, own: Array) -> Array:
        """Return E_z of layer i + 2, whose sum is rounded by at most ``own``, shape (m, n)."""
        self._carried.multiply(self._weights[i])
        self._carried.add(own)
        return self._carried.bound()

    def activations(self, i: int, still: Array, e: Array, of_d: Matrices) -> Array:
        """Return E_a of layer i + 2, given E_a for an exact z, ``still``, E_z = ``e`` and E_d."""
        self._carried.apply(self._slopes[i])
        self._carried.add(still + product(of_d, e))
        return self._carried.bound()


class Backwards:
    """The errors of δ, carried from the output. Call the methods layer by layer, in this order.

    Parameters
    ----------
    weights, reference, precision
        As for :class:`Forwards`.
    of_last : ndarray of shape (m, n_L)
        E of δ^L.
    """

    def __init__(self, weights: Any, reference: Reference, precision: Precision, of_last: Array) -> None:
        self._weights = _dense(weights, reference)
        self._slopes = [slope.matrix for slope in reference.slopes]
        self._carried = Carried(of_last.shape, precision)
        self._carried.add(of_last)

    def pulled(self, l: int) -> Array:
        """Return the bound of the error of wᵀδ^{l+1} that δ^{l+1} brings, shape (m, n_l)."""
        self._carried.multiply(self._weights[l - 1].T)
        return self._carried.bound()

    def errors(self, l: int, own: Array) -> Array:
        """Return E of δ^l, to which layer l adds at most ``own``."""
        self._carried.apply(self._slopes[l - 2], transposed=True)
        self._carried.add(own)
        return self._carried.bound()


def _dense(weights: Any, reference: Reference) -> list[Array]:
    return [w.toarray() if issparse(w) else w for w in widened(weights, reference.dtype)]
