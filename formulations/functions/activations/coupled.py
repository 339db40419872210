r"""Coupled activations, whose outputs depend on all weighted inputs of the layer.

Their slope Σ′(z) is a full matrix for each example, :math:`\Sigma'_{jk} = \partial a_j / \partial z_k`. No Hadamard
product can express it, and (33)–(35) need Σ′ᵀ instead of Σ′; the two are equal if Σ′ is diagonal.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import Refused
from formulations.functions.activations import formulas
from formulations.functions.activations.base import Activation

__all__ = ["CoupledActivation", "CoupledCurvature", "CoupledSlope", "Softmax", "curvature_term", "through"]


_HALF = 0.5
"""At most one neuron of a softmax exceeds it, and only there does 1 − a cancel."""


class CoupledSlope:
    """Σ′(z) of a coupled activation over a mini-batch: one square block per example, available as products.

    ``slope @ v`` is Σ′v for each row of v, ``slope.T @ v`` is Σ′ᵀv. It refers to z and a without copying them, so on
    a tape it is always the slope of the last forward pass.

    Parameters
    ----------
    activation : CoupledActivation
        The activation.
    z, a : ndarray of shape (m, n)
        Weighted inputs and activations of the layer.
    """

    def __init__(self, activation: CoupledActivation, z: Array, a: Array, *, transposed: bool = False) -> None:
        self.activation = activation
        self.z = z
        self.a = a
        self.transposed = transposed

    @property
    def T(self) -> CoupledSlope:
        """The transposed blocks."""
        return CoupledSlope(self.activation, self.z, self.a, transposed=not self.transposed)

    @property
    def roundings(self) -> int:
        """The roundings of a product, beyond those of a product with a diagonal."""
        n: int = self.z.shape[1]
        return n + 5

    def __getitem__(self, rows: slice | Array) -> CoupledSlope:
        """Return the blocks of some examples, by a slice or by their numbers."""
        return CoupledSlope(self.activation, self.z[rows], self.a[rows], transposed=self.transposed)

    def __matmul__(self, v: Array) -> Array:
        product = self.activation.transposed_product if self.transposed else self.activation.jacobian_product
        return product(self.z, self.a, v)

    def blocks(self) -> Array:
        """Return the matrices, shape (m, n, n)."""
        return self.activation.blocks(self.z, self.a, transposed=self.transposed)


def through(slope: Any, v: Array, out: Array | None = None) -> Array:
    """Return Σ′ᵀv, shape (m, n), for a diagonal slope (an array) or a coupled one."""
    if not isinstance(slope, CoupledSlope):
        scaled: Array = np.multiply(slope, v, out=out)
        return scaled
    product: Array = slope.T @ v
    if out is None:
        return product
    out[...] = product
    return out


@final
@dataclass(frozen=True, eq=False)
class CoupledCurvature:
    """The derivative of Σ′(z) of a coupled activation over a mini-batch, available as products.

    Like a :class:`CoupledSlope`, it refers to z and a without copying them.

    Parameters
    ----------
    activation : CoupledActivation
        The activation.
    z, a : ndarray of shape (m, n)
        Weighted inputs and activations of the layer.
    """

    activation: CoupledActivation
    z: Array
    a: Array

    def product(self, v: Array, u: Array) -> Array:
        """Return the derivative of Σ′(z)ᵀu in the direction v for each example; all of shape (m, n)."""
        return self.activation.curvature_product(self.z, self.a, v, u)

    def blocks(self, *, v: Array | None = None, u: Array | None = None) -> Array:
        """Return a matrix for each example, shape (m, n, n), from v or from u.

        From v it is the derivative of Σ′(z) in the direction v; from u that of Σ′(z)ᵀu by z, which is symmetric. Row j
        is the product with the unit vector j in place of the other.
        """
        found = np.empty((*self.z.shape, self.z.shape[1]), self.z.dtype)
        for j in range(self.z.shape[1]):
            unit = np.zeros_like(self.z)
            unit[:, j] = 1
            found[:, j] = self.product(unit if v is None else v, unit if u is None else u)
        return found


def curvature_term(curvature: Any, v: Array, u: Array) -> Array:
    """Return the derivative of Σ′(z)ᵀu in the direction v of z, in a new array.

    Parameters
    ----------
    curvature : ndarray of shape (m, n) or CoupledCurvature
        The curvature at z: of a diagonal Σ′ the array f″(z), which makes this f″(z) ⊙ v ⊙ u.
    v, u : ndarray of shape (m, n)
        A direction and a vector for each example.

    Returns
    -------
    ndarray of shape (m, n)

    Examples
    --------
    >>> z = np.array([[0.0, 1.0]])
    >>> curvature_term(np.full_like(z, 2), np.ones_like(z), z)
    array([[0., 2.]])
    """
    if isinstance(curvature, CoupledCurvature):
        return curvature.product(v, u)
    term: Array = curvature * v
    term *= u
    return term


class CoupledActivation(Activation):
    """A function of a whole layer, a = f(z), with the products Σ′v and Σ′ᵀv instead of a slope array."""

    coupled = True

    def slope_buffer(self, z: Array, a: Array, buffer: Array) -> CoupledSlope:  # noqa: ARG002
        """Return the slope at z and a; ``buffer`` stays unused."""
        return CoupledSlope(self, z, a)

    @abstractmethod
    def jacobian_product(self, z: Array, a: Array, v: Array) -> Array:
        """Return Σ′(z)v for each example; z, a = f(z), v and the result have shape (m, n)."""

    @abstractmethod
    def transposed_product(self, z: Array, a: Array, v: Array) -> Array:
        """Return Σ′(z)ᵀv for each example; z, a = f(z), v and the result have shape (m, n)."""

    def blocks(self, z: Array, a: Array, *, transposed: bool = False) -> Array:
        """Return Σ′(z), or its transpose, of each example, shape (m, n, n), from its products with unit vectors."""
        product = self.transposed_product if transposed else self.jacobian_product
        m, n = z.shape
        columns = np.empty((m, n, n), z.dtype)
        for k in range(n):
            unit = np.zeros((m, n), z.dtype)
            unit[:, k] = 1
            columns[:, :, k] = product(z, a, unit)
        return columns

    @property
    def has_curvature(self) -> bool:
        """Whether the curvature is known."""
        return type(self).curvature_product is not CoupledActivation.curvature_product

    def curvature_product(self, z: Array, a: Array, v: Array, u: Array) -> Array:  # noqa: ARG002 - for subclasses
        """Return the derivative of Σ′(z)ᵀu in the direction v for each example, in a new array.

        Parameters
        ----------
        z, a, v, u : ndarray of shape (m, n)
            Weighted inputs, a = f(z), a direction of z, and a vector.

        Returns
        -------
        ndarray of shape (m, n)

        Raises
        ------
        Refused
            If the curvature is unknown.
        """
        raise self._no_curvature()

    def _no_curvature(self) -> Refused:
        return Refused(
            f"the activation must have a curvature, got {self.name!r}, which has none; "
            "pass one: coupled_activation(value, jacobian_product, transposed_product, curvature=...)."
        )

    def magnitude(self, z: Array, a: Array) -> Array:
        """Return the scale of the rounding errors in Σ′, shape (m, n, n): |Σ′|, or more if its terms cancel."""
        return np.abs(CoupledSlope(self, z, a).blocks())

    def slope(self, z: Any) -> Any:
        """Return Σ′(z) as a :class:`CoupledSlope`."""
        array = np.asarray(z)
        return CoupledSlope(self, array, self.value(array))

    def curvature(self, z: Array) -> CoupledCurvature:
        """Return the curvature at z as a :class:`CoupledCurvature`.

        Raises
        ------
        Refused
            If the curvature is unknown.
        """
        return self.curvature_at(z, self.value(z))

    def curvature_at(self, z: Array, a: Array) -> CoupledCurvature:
        """Return the curvature at z and a = f(z) as a :class:`CoupledCurvature`; see ``curvature``."""
        if not self.has_curvature:
            raise self._no_curvature()
        return CoupledCurvature(self, z, a)


@final
@dataclass(frozen=True)
class Softmax(CoupledActivation):
    r"""The softmax :math:`a_j = e^{z_j} / \sum_k e^{z_k}`, Nielsen's Equation (78).

    :math:`\Sigma' = \mathrm{diag}(a) - a a^T` is symmetric, and Σ′v = a ⊙ (v − aᵀv). Subtracting the largest z of
    each example first leaves the value unchanged and keeps the exponentials from overflowing. Where a_k is close to 1,
    its own slope a_k(1 − a_k) takes 1 − a_k as the sum of the others, which does not cancel.

    Examples
    --------
    >>> Softmax().value(np.array([[1000.0, 1000.0]]))
    array([[0.5, 0.5]])
    """

    name = "softmax"
    analytic = True
    formula = staticmethod(formulas.softmax)
    slope_bound = 0.25  # a(1 − a)

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:  # noqa: ARG002
        """Write the softmax of each row; the slope needs the value alone."""
        # A difference that overflows becomes −∞, and its exponential 0, as it should.
        with np.errstate(over="ignore"):
            np.subtract(z, z.max(axis=-1, keepdims=True), out=value)
        np.exp(value, out=value)
        value /= value.sum(axis=-1, keepdims=True)

    def jacobian_product(self, z: Array, a: Array, v: Array) -> Array:  # noqa: ARG002
        """Return a ⊙ (v − aᵀv); in a neuron k with a_k > ½ it is a_k(v_k Σ_i a_i − Σ_i a_i v_i), over all i ≠ k."""
        product: Array = a * (v - np.einsum("mj,mj->m", a, v)[:, None])
        dominant = a > _HALF
        if np.count_nonzero(dominant):
            # The a_i sum to 1, so 1 − a_k is the sum of the others, within γ_n for rounded a. The error of entry k is
            # at most Σ_i c_i|v_i| with c_k = a_k(γ_n + γ_{n+2}(1 − a_k)) and c_i = γ_{n+2} a_k a_i, hence at most
            # γ_{n+5} M|v|, M = diag(a) + aaᵀ, as in the other form, if a_k ≥ ½. The other entries lose no digits:
            # a_j(1 − a_j) ≥ a_j/2. Subtracting v_k from v first would also work, but could overflow.
            others = np.where(dominant, 0, a)
            own = np.einsum("mj->m", others)[:, None] * v
            own -= np.einsum("mj,mj->m", others, v)[:, None]
            own *= a
            np.copyto(product, own, where=dominant)
        return product

    transposed_product = jacobian_product

    def blocks(self, z: Array, a: Array, *, transposed: bool = False) -> Array:  # noqa: ARG002 - they are symmetric
        """Return diag(a) − aaᵀ, with 1 − a_k as the sum of the others if a_k > ½."""
        blocks = np.multiply(a[:, :, None], -a[:, None, :])
        dominant, diagonal = a > _HALF, np.arange(a.shape[1])
        others = np.where(dominant, 0, a).sum(axis=1, keepdims=True)
        blocks[:, diagonal, diagonal] = a * np.where(dominant, others, 1 - a)
        return blocks

    def curvature_product(self, z: Array, a: Array, v: Array, u: Array) -> Array:
        """Return ȧ ⊙ (u − aᵀu) − a ⊙ (ȧᵀu), where ȧ = Σ′v."""
        moved = self.jacobian_product(z, a, v)
        product: Array = moved * (u - np.einsum("mj,mj->m", a, u)[:, None])
        product -= a * np.einsum("mj,mj->m", moved, u)[:, None]
        return product

    def magnitude(self, z: Array, a: Array) -> Array:  # noqa: ARG002
        """Return diag(a) + aaᵀ, since Σ′ is their difference."""
        outer = a[:, :, None] * a[:, None, :]
        diagonal = np.arange(a.shape[1])
        outer[:, diagonal, diagonal] += a
        return outer
