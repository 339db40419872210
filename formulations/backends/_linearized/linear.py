r"""Jacobians and curvature of linear neurons, by the weights alone.

.. math::

    \frac{\partial a^q}{\partial a^p} &= w^q w^{q-1} \cdots w^{p+1}, \\
    \dot\delta^L &= \nabla_a^2 C\, \dot a^L, \qquad
    \dot\delta^l = (\dot w^{l+1})^T \delta^{l+1} + (w^{l+1})^T \dot\delta^{l+1}

With σ(z) = z the Jacobian is one product of matrices, the same for all examples. The Hessian is not zero, nor equal to
the Gauss–Newton matrix: the outputs are linear in the inputs and in the parameters of each layer, but not in those of
all layers together.

It misleads about other networks, whose Jacobians differ from example to example.

Source: that of the gradient; A. Saxe, J. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of
learning in deep linear neural networks", ICLR 2014, arXiv:1312.6120.

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations="identity")
>>> fm.hessian(net, [[1.0]], [[7.0]], backend="linear").to_dense()[0, 2]  # 3·2·1·1 + (2·3 − 7)·1
np.float64(5.0)
"""

from __future__ import annotations

from functools import reduce
from typing import Any, Literal

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import Array, Parameters
from formulations.backends._base import PARAMETERS, Linearization, Where
from formulations.backends._shared import last_tangent, parameter_sums, stacked_product, tangent_gradient, tangents

__all__ = ["LinearLinearization"]


class LinearLinearization(Linearization):
    """Products of the weights, without slopes."""

    def push(self, directions: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:  # noqa: ARG002
        """Return Jv of every direction, shape (k, m, n_of); a is z."""
        return last_tangent(self.point, directions, of, wrt, "z", _same)

    def pull(self, cotangents: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:  # noqa: ARG002
        """Return Jᵀu of every cotangent, and for the parameters by (BP3) and (BP4)."""
        weights, errors = self.point.network.weights, [cotangents]
        if wrt != PARAMETERS:
            return reduce(lambda u, l: stacked_product(u, weights[l - 2]), range(of, wrt, -1), cotangents)
        for l in range(of - 1, 1, -1):
            errors.append(stacked_product(errors[-1], weights[l - 1]))
        return parameter_sums(self.point, errors[::-1])

    def jacobian(self, of: int, wrt: int, order: str = "optimal") -> Array:
        """Return w^of ⋯ w^{wrt+1}, the same for all examples, shape (m, n_of, n_wrt)."""
        sizes, factors = self.point.network.sizes, [_dense(w) for w in self.point.network.weights[wrt - 1 : of - 1]]
        if order == "forward" or (order == "optimal" and sizes[wrt - 1] < sizes[of - 1]):
            product = reduce(lambda right, w: w @ right, factors)
        else:
            product = reduce(lambda left, w: left @ w, factors[::-1])
        return np.tile(product, (self.point.m, 1, 1))

    def hessian_product(self, v: Array) -> Array:
        """Return Hv: the derivatives of the recurrence in the direction v."""
        point, network = self.point, self.point.network
        direction, last = Parameters(network.layout, v), network.layout.last
        tangent_a = [a[0] for _, a in tangents(point, v[None], last, PARAMETERS, "z", _same)]
        tangent_errors = [point.output_curvature(tangent_a[-1])]
        for l in range(last - 1, 1, -1):
            moved = tangent_errors[-1] @ network.weights[l - 1]
            moved += point.errors[l - 1] @ direction.weights[l - 1]
            tangent_errors.append(moved)
        return tangent_gradient(point, tangent_errors[::-1], tangent_a)


def _same(l: int, tangent_z: Array) -> Array:  # noqa: ARG001 - the same in every layer
    """Return Σ′v, where Σ′ is the identity."""
    return tangent_z


def _dense(weights: Any) -> Array:
    dense: Array = weights.toarray() if issparse(weights) else weights
    return dense
