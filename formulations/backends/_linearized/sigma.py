r"""Jacobians and curvature as products of the matrices Σ′ and Σ″, over the whole mini-batch.

.. math::

    \frac{\partial a^q}{\partial a^p} &= \Sigma'(z^q)\, w^q\, \Sigma'(z^{q-1})\, w^{q-1} \cdots
        \Sigma'(z^{p+1})\, w^{p+1} \\
    \left(\frac{\partial a^q}{\partial a^p}\right)^T &= (w^{p+1})^T \Sigma'(z^{p+1})^T \cdots (w^q)^T \Sigma'(z^q)^T

The second line is (35) without ∇_aC. A product with a vector multiplies from the right, factor by factor, and Σ′ acts
on all examples at once: a sparse matrix of shape (m·n, m·n), diagonal, or with an n × n block for each example of a
coupled activation.

The Hessian product differentiates (33) and (34). Σ′(z)ᵀg changes with z by the matrix

.. math::

    S = \frac{\partial\, \Sigma'(z)^T g}{\partial z}, \qquad S = \Sigma''(z)\, \mathrm{diag}(g)
        \;\text{if}\; \Sigma' \;\text{is diagonal},

with Σ″ the diagonal matrix of σ″(z). It is built once, with :math:`g^l = (w^{l+1})^T \delta^{l+1}` and
:math:`g^L = \nabla_a C`, so that

.. math::

    \dot\delta^L &= \Sigma'(z^L)^T\, \nabla_a^2 C\, \dot a^L + S^L \dot z^L \\
    \dot\delta^l &= \Sigma'(z^l)^T \left((\dot w^{l+1})^T \delta^{l+1} + (w^{l+1})^T \dot\delta^{l+1}\right)
                 + S^l \dot z^l.

The option ``matrix`` means the same as for gradients: the matrices are kept, or built at every product, sparse or with
all their zeros.

It misleads if it is timed for its own sake: a kept diagonal does the arithmetic of the Hadamard product. The matrix
form is how Jacobians are written, and it holds for coupled activations.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2, Equation (35).

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.hessian(net, [[1.0]], [[17.0]], backend="sigma").to_dense()[0, 0]  # (2·2·3)² + (2·9 − 17)·2·2
np.float64(148.0)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from formulations.arrays import Array, Parameters
from formulations.backends._base import PARAMETERS, Linearization, Where
from formulations.backends._shared import (
    block_diagonal,
    diagonal,
    last_tangent,
    parameter_sums,
    sigma_matrix,
    stacked_product,
    tangent_gradient,
    tangents,
)
from formulations.functions import CoupledCurvature, CoupledSlope
from formulations.network import Point

if TYPE_CHECKING:
    from formulations.backends._base import Backend

__all__ = ["SigmaLinearization"]


class SigmaLinearization(Linearization):
    """Products with Σ′ and Σ″ as sparse matrices.

    Parameters
    ----------
    point, backend : Point, Backend
        As for every linearisation.
    matrix : {"planned", "sparse", "dense"}
        How the matrices are made; see :class:`~formulations.backends.sigma.Sigma`.
    """

    def __init__(self, point: Point, backend: Backend, matrix: Literal["planned", "sparse", "dense"]) -> None:
        super().__init__(point, backend)
        self._matrix = matrix
        self._kept: dict[tuple[str, int], Any] = {}

    def push(self, directions: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jv of every direction, factor by factor from the input, shape (k, m, n_of)."""
        return last_tangent(self.point, directions, of, wrt, at, self._slope)

    def pull(self, cotangents: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jᵀu of every cotangent, factor by factor from the output."""
        weights, below = self.point.network.weights, 1 if wrt == PARAMETERS else wrt
        delta = self._slope_transposed(of, cotangents) if at == "a" else cotangents
        errors = [delta]
        for l in range(of - 1, below, -1):
            delta = self._slope_transposed(l, stacked_product(delta, weights[l - 1]))
            if wrt == PARAMETERS:
                errors.append(delta)
        return (
            parameter_sums(self.point, errors[::-1]) if wrt == PARAMETERS else stacked_product(delta, weights[wrt - 1])
        )

    def hessian_product(self, v: Array) -> Array:
        """Return Hv: the derivatives of (33) and (34) in the direction v."""
        point, network = self.point, self.point.network
        direction, last = Parameters(network.layout, v), network.layout.last
        tangent_z, tangent_a = zip(
            *tangents(point, v[None], last, PARAMETERS, point.output_at, self._slope), strict=True
        )
        moved = point.output_curvature(tangent_a[-1][0])[None]
        if point.output_at == "a":
            moved = self._slope_transposed(last, moved) + self._curvature(last, tangent_z[-1])
        tangent_errors = [moved]
        for l in range(last - 1, 1, -1):
            pulled = stacked_product(moved, network.weights[l - 1])
            pulled += point.errors[l - 1] @ direction.weights[l - 1]
            moved = self._slope_transposed(l, pulled) + self._curvature(l, tangent_z[l - 2])
            tangent_errors.append(moved)
        return tangent_gradient(point, [each[0] for each in tangent_errors[::-1]], [each[0] for each in tangent_a])

    def _slope(self, l: int, stack: Array) -> Array:
        """Return Σ′(z^l)v of every array."""
        slope = self.point.slopes[l - 2]
        return _times(self._made("Σ′", l, lambda: self._of(slope)), stack)

    def _slope_transposed(self, l: int, stack: Array) -> Array:
        """Return Σ′(z^l)ᵀv of every array."""
        slope = self.point.slopes[l - 2]
        if not isinstance(slope, CoupledSlope):
            # A diagonal matrix is its own transpose.
            return self._slope(l, stack)
        return _times(self._made("Σ′ᵀ", l, lambda: self._of(slope.T)), stack)

    def _curvature(self, l: int, stack: Array) -> Array:
        """Return S^l v of every array."""
        curvature, g = self.point.curvatures[l - 2], self.point.pulled[l - 2]
        return _times(self._made("S", l, lambda: self._of(_curvature_matrix(curvature, g))), stack)

    def _made(self, name: str, l: int, make: Callable[[], Any]) -> Any:
        """Return a matrix, kept if they are planned."""
        if self._matrix != "planned":
            return make()
        if (name, l) not in self._kept:
            self._kept[name, l] = make()
        return self._kept[name, l]

    def _of(self, slope: Any) -> Any:
        """Return the matrix of a diagonal, shape (m, n), of blocks, (m, n, n), or of a coupled slope."""
        if isinstance(slope, CoupledSlope):
            return sigma_matrix(slope)
        if slope.ndim == 3:
            return block_diagonal(slope)
        if self._matrix == "dense":
            return block_diagonal(slope[:, :, None] * np.eye(slope.shape[1], dtype=slope.dtype))
        return diagonal(slope)


def _curvature_matrix(curvature: Any, g: Array) -> Array:
    """Return S = ∂(Σ′(z)ᵀg)/∂z: its diagonal, shape (m, n), or its blocks, (m, n, n), if the activation is coupled."""
    found: Array = curvature.blocks(u=g) if isinstance(curvature, CoupledCurvature) else curvature * g
    return found


def _times(matrix: Any, stack: Array) -> Array:
    """Return the product of a block-diagonal matrix with every array, shape (k, m, n)."""
    product: Array = matrix @ stack.reshape(len(stack), -1).T
    return product.T.reshape(stack.shape)
