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

from typing import Any

from scipy.sparse import issparse

from formulations.arrays import Array, Precision
from formulations.verification.oracles import Matrices, Reference, product, widened
from formulations.verification.tolerances.carried import Carried

__all__ = ["Backwards", "Forwards"]


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
