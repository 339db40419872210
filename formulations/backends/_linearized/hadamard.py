r"""Jacobians and curvature by recurrences with Hadamard products, over the whole mini-batch.

A Jacobian times a direction is Equation (25) differentiated, and its transpose times a cotangent is (BP2):

.. math::

    \dot z^l &= \dot w^l a^{l-1} + \dot b^l + w^l \dot a^{l-1}, & \dot a^l &= \sigma'(z^l) \odot \dot z^l \\
    \delta^l &= \sigma'(z^l) \odot u^l, & u^{l-1} &= (w^l)^T \delta^l

The product of the Hessian with a direction :math:`(\dot w, \dot b)` is the derivative of the gradient along it. With
:math:`g^l = (w^{l+1})^T \delta^{l+1}`, and :math:`g^L = \nabla_a C`, differentiating (BP1)–(BP4) gives

.. math::

    \dot\delta^L &= \sigma'(z^L) \odot (\nabla_a^2 C\, \dot a^L) + \sigma''(z^L) \odot \dot z^L \odot g^L \\
    \dot\delta^l &= \sigma'(z^l) \odot \left((\dot w^{l+1})^T \delta^{l+1} + (w^{l+1})^T \dot\delta^{l+1}\right)
                 + \sigma''(z^l) \odot \dot z^l \odot g^l \\
    (Hv)_{b^l} &= \dot\delta^l, \qquad (Hv)_{w^l} = \dot\delta^l (a^{l-1})^T + \delta^l (\dot a^{l-1})^T

The point keeps z, a, σ′, σ″, δ and g, so a product takes six matrix products a layer, and a gradient three: two
gradients for a deep network, and about one where the first layer is widest. If cost and output are combined, the first
line is the derivative of the combined δ^L. The Gauss–Newton product is the same without the terms in σ″ and δ.

It misleads at a kink, where σ″ does not exist: the Hessian is that of the linear pieces.

Source: B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6(1), 1994, whose R{·} is the
dot here.

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.hessian(net, [[1.0]], [[17.0]], backend="hadamard").to_dense()[0, 0]  # (2·2·3)² + (2·9 − 17)·2·2
np.float64(148.0)
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from formulations.arrays import Array, Parameters
from formulations.backends._base import PARAMETERS, Linearization, Where
from formulations.backends._shared import entries, stacked_product
from formulations.functions import bend
from formulations.network import outer_sums

__all__ = ["HadamardLinearization"]


class HadamardLinearization(Linearization):
    """Products with σ′(z) and σ″(z), all examples at once."""

    def push(self, directions: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jv of every direction by the forward recurrence, shape (k, m, n_of)."""
        if wrt == PARAMETERS:
            moved = (self._tangents(v, of, at) for v in directions)
            return np.stack([a[-1] if at == "a" else z[-1] for z, a in moved])
        tangents = directions
        for l in range(wrt + 1, of + 1):
            tangents = stacked_product(tangents, self.point.network.weights[l - 2].T)
            if l < of or at == "a":
                tangents *= self.point.slopes[l - 2]
        return tangents

    def pull(self, cotangents: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jᵀu of every cotangent by (BP2), and for the parameters by (BP3) and (BP4)."""
        network, slopes, below = self.point.network, self.point.slopes, 1 if wrt == PARAMETERS else wrt
        errors = [cotangents * slopes[of - 2] if at == "a" else cotangents]
        for l in range(of - 1, below, -1):
            errors.append(stacked_product(errors[-1], network.weights[l - 1]) * slopes[l - 2])
        if wrt != PARAMETERS:
            return stacked_product(errors[-1], network.weights[wrt - 1])
        sums = np.zeros((len(cotangents), network.layout.count), network.dtype)
        for i, out in enumerate(sums):
            self.point.tape.collect([delta[i] for delta in reversed(errors)], Parameters(network.layout, out))
        return sums

    def hessian_product(self, v: Array) -> Array:
        """Return Hv: the derivatives of (BP1)–(BP4) in the direction v."""
        point, network = self.point, self.point.network
        layout, tape, last = network.layout, self.point.tape, self.point.network.layout.last
        direction, product = Parameters(layout, v), Parameters(layout, np.empty_like(v))
        moved_z, moved_a = self._tangents(v, last, point.split)
        if point.split == "z":
            moved = point.output_curvature(moved_z[-1])
        else:
            moved = point.slopes[-1] * point.output_curvature(moved_a[-1])
            moved += bend(point.curvatures[-1], moved_z[-1], point.pulled[-1])
        for l in range(last, 1, -1):
            i = l - 2
            np.sum(moved, axis=0, out=product.biases[i])
            pattern, stored = layout.patterns[i], entries(product.weights[i])
            outer_sums(moved, tape.activations[i], pattern, out=stored)
            if l == 2:
                break
            stored += outer_sums(point.errors[i], moved_a[i - 1], pattern)
            moved = moved @ network.weights[i] + point.errors[i] @ direction.weights[i]
            moved *= point.slopes[i - 1]
            moved += bend(point.curvatures[i - 1], moved_z[i - 1], point.pulled[i - 1])
        return product.vector

    def _tangents(self, v: Array, of: int, at: Literal["a", "z"]) -> tuple[list[Array], list[Array]]:
        """Return ż², …, ż^of and ȧ², …, without ȧ^of at z, for a direction in the parameters."""
        point, network, direction = self.point, self.point.network, Parameters(self.point.network.layout, v)
        moved_z: list[Array] = []
        moved_a: list[Array] = []
        for l in range(2, of + 1):
            z = point.tape.activations[l - 2] @ direction.weights[l - 2].T + direction.biases[l - 2]
            if l > 2:
                z += moved_a[-1] @ network.weights[l - 2].T
            moved_z.append(z)
            if l < of or at == "a":
                moved_a.append(point.slopes[l - 2] * z)
        return moved_z, moved_a
