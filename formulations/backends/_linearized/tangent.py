r"""Jacobians by forward mode, and the Hessian by forward mode of second order.

A Jacobian times a direction is one pass of tangents:

.. math::

    \dot z^l = \dot w^l a^{l-1} + \dot b^l + w^l \dot a^{l-1}, \qquad \dot a^l = \Sigma'(z^l)\, \dot z^l

Its transpose times a cotangent is computed entry by entry, :math:`(J^T u)_i = (J e_i)^T u`, with a pass for every unit
vector. Nothing is transposed.

The Hessian product differentiates the pass of parameter i in the direction v of the product. With the tangents
:math:`\dot z, \dot a` of v, :math:`z_i, a_i` of the parameter, and a dot for their derivatives along v,

.. math::

    \dot z_i^l &= E_i \dot a^{l-1} + \dot w^l a_i^{l-1} + w^l \dot a_i^{l-1} \\
    \dot a_i^l &= \Sigma'(z^l)\, \dot z_i^l + \dot\Sigma'(z^l)\, z_i^l, \qquad
        \dot\Sigma' = \Sigma''(z^l)\, \mathrm{diag}(\dot z^l) \;\text{if}\; \Sigma' \;\text{is diagonal} \\
    (Hv)_i &= \nabla_a C \cdot \dot a_i^L + \dot a^L \cdot \nabla_a^2 C\, a_i^L

where E_i is 1 at the parameter and 0 elsewhere. If cost and output are combined, δ^L and z^L take the place of ∇_aC and
a^L. That is a pass of second-order tangents for each parameter; many are stacked and run together.

It misleads as a method for products with the Hessian, which cost two gradients by recurrence. A few numbers
:math:`v^T H w` take few passes, and nothing is kept.

Source: A. Griewank and A. Walther, *Evaluating Derivatives*, 2nd edition, chapter 13, "Taylor and Tensor Coefficients".

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.hessian(net, [[1.0]], [[17.0]], backend="tangent").to_dense()[0, 0]  # (2·2·3)² + (2·9 − 17)·2·2
np.float64(148.0)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from formulations.arrays import Array, Parameters
from formulations.backends._base import PARAMETERS, Where
from formulations.backends._shared import (
    ForwardLinearization,
    blocks,
    last_tangent,
    slope_product,
    stacked_product,
    tangents,
)
from formulations.functions import CoupledCurvature

__all__ = ["TangentLinearization"]


@dataclass(frozen=True)
class _Direction:
    """The direction v of a Hessian product.

    Attributes
    ----------
    parameters : Parameters
        Its ẇ and ḃ.
    activations : list of ndarray of shape (m, n_l)
        ȧ², … of v.
    slopes : list
        Σ̇′ of each layer: an array of shape (m, n_l), or (m, n_l, n_l) if the activation is coupled.
    """

    parameters: Parameters
    activations: list[Array]
    slopes: list[Any]


class TangentLinearization(ForwardLinearization):
    """Passes of tangents, many directions at a time."""

    def push(self, directions: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jv of every direction by a pass of tangents, shape (k, m, n_of)."""
        return last_tangent(self.point, directions, of, wrt, at)

    def unit_pushes(self, of: int, at: Literal["a", "z"]) -> Iterator[tuple[slice, Array]]:
        """Yield Je_i, from a pass through the layers above each parameter."""
        return ((part, first) for part, first, _ in self._unit_passes(of, at, None))

    def hessian_product(self, v: Array) -> Array:
        """Return Hv, from a pass of second-order tangents for each parameter."""
        point, network = self.point, self.point.network
        last, at = network.layout.last, point.output_at
        passed = [(z[0], a[0]) for z, a in tangents(point, v[None], last, PARAMETERS, at)]
        tangent_z, tangent_a = map(list, zip(*passed, strict=True))
        gradient = point.tape.cost_gradient if at == "a" else point.errors[-1]
        curved = point.output_curvature(tangent_a[-1])
        pairs = zip(point.curvatures, tangent_z, strict=True)
        slopes = [None if curvature is None else _tangent_slope(curvature, z) for curvature, z in pairs]
        direction = _Direction(Parameters(network.layout, v), tangent_a, slopes)
        product = np.empty_like(v)
        for part, first, second in self._unit_passes(last, at, direction):
            product[part] = np.einsum("dmn,mn->d", second, gradient) + np.einsum("dmn,mn->d", first, curved)
        return product

    def _unit_passes(
        self, of: int, at: Literal["a", "z"], along: _Direction | None
    ) -> Iterator[tuple[slice, Array, Array]]:
        """Yield blocks of parameters: their slice, their tangents a_i^of (or z_i^of), and those of second order.

        Without a direction, the tangents of second order are empty.
        """
        network, tape = self.point.network, self.point.tape
        layout = network.layout
        layers = zip(layout.slices, layout.shapes, layout.patterns, strict=True)
        for l, ((weights, biases), (rows, columns), pattern) in enumerate(list(layers)[: of - 1], start=2):
            below = tape.activations[l - 2]
            tangent_below = None if along is None or l == 2 else along.activations[l - 3]
            for part in blocks(biases.stop - weights.start, tape.m * max(layout.sizes)):
                first = np.zeros((part.stop - part.start, tape.m, rows), network.dtype)
                second = np.zeros_like(first) if along else first[:0]
                i = np.arange(part.start, part.stop)
                of_weights = i < weights.stop - weights.start
                d, e = np.flatnonzero(of_weights), i[of_weights]
                j, k = divmod(e, columns) if pattern is None else (pattern.rows[e], pattern.indices[e])
                first[d, :, j] = below[:, k].T
                if tangent_below is not None:
                    second[d, :, j] = tangent_below[:, k].T
                d = np.flatnonzero(~of_weights)
                first[d, :, i[d] - (weights.stop - weights.start)] = 1
                found = slice(weights.start + part.start, weights.start + part.stop)
                yield found, *self._above(first, second, l, of, at, along)

    def _above(
        self, first: Array, second: Array, l: int, of: int, at: Literal["a", "z"], along: _Direction | None
    ) -> tuple[Array, Array]:
        """Return the tangents at layer ``of``, first and second order, from those of z^l."""
        network, slopes = self.point.network, self.point.slopes
        for i in range(l, of + 1):
            if i > l:
                weights = network.weights[i - 2].T
                if along:
                    second = stacked_product(second, weights)
                    second += stacked_product(first, along.parameters.weights[i - 2].T)
                first = stacked_product(first, weights)
            if i < of or at == "a":
                if along:
                    second = slope_product(slopes[i - 2], second)
                    second += _times(along.slopes[i - 2], first)
                first = slope_product(slopes[i - 2], first)
        return first, second


def _tangent_slope(curvature: Any, tangent_z: Array) -> Array:
    """Return Σ̇′ along ż: its diagonal, shape (m, n), or its blocks, (m, n, n), if the activation is coupled."""
    found: Array = curvature.blocks(v=tangent_z) if isinstance(curvature, CoupledCurvature) else curvature * tangent_z
    return found


def _times(tangent_slope: Array, stack: Array) -> Array:
    """Return Σ̇′v of every array, shape (k, m, n)."""
    if tangent_slope.ndim == 2:
        return tangent_slope * stack
    product: Array = np.einsum("mjk,dmk->dmj", tangent_slope, stack)
    return product
