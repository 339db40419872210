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

The point keeps z, a, σ′, σ″, δ and g, so a product takes six matrix products a layer, and a gradient three: it costs
two gradients for a deep network, and about one if the first layer is widest. The two terms of the last line are one
matrix product, of :math:`\dot\delta^l` above :math:`\delta^l` with :math:`a^{l-1}` above :math:`\dot a^{l-1}`. If cost
and output are combined, the first line is the derivative of the combined δ^L. The Gauss–Newton product is the same
without the terms in σ″ and δ.

It misleads at a kink, where σ″ does not exist: the Hessian is that of the linear pieces.

Source: B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6(1), 1994, whose R{·} is the
dot here.

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.hessian(net, [[1.0]], [[17.0]], backend="hadamard").to_dense()[0, 0]  # (2·2·3)² + (2·9 − 17)·2·2
np.float64(148.0)
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from formulations.arrays import Array, Parameters
from formulations.backends._base import PARAMETERS, Linearization, Where
from formulations.backends._shared import last_tangent, parameter_sums, stacked_product
from formulations.network import Point, outer_sums

if TYPE_CHECKING:
    from formulations.backends._base import Backend

__all__ = ["HadamardLinearization"]


_Layers = list[tuple[Any, Array]]
"""The weights and biases of each layer, as views."""


class HadamardLinearization(Linearization):
    """Products with σ′(z) and σ″(z), all examples at once."""

    def __init__(self, point: Point, backend: Backend) -> None:
        super().__init__(point, backend)
        # Buffers of Hessian products, and of Gauss–Newton products.
        self._spare: tuple[list[Any], list[Any]] = [], []

    def push(self, directions: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jv of every direction by the forward recurrence, shape (k, m, n_of)."""
        return last_tangent(self.point, directions, of, wrt, at)

    def pull(self, cotangents: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jᵀu of every cotangent by (BP2), and for the parameters by (BP3) and (BP4)."""
        weights, slopes, below = self.point.network.weights, self.point.slopes, 1 if wrt == PARAMETERS else wrt
        errors = [cotangents * slopes[of - 2] if at == "a" else cotangents]
        for l in range(of - 1, below, -1):
            errors.append(stacked_product(errors[-1], weights[l - 1]) * slopes[l - 2])
        if wrt == PARAMETERS:
            return parameter_sums(self.point, errors[::-1])
        return stacked_product(errors[-1], weights[wrt - 1])

    def hessian_product(self, v: Array) -> Array:
        """Return Hv: the derivatives of (BP1)–(BP4) in the direction v."""
        return self._product(v, self._terms)

    def gauss_newton_product(self, v: Array) -> Array:
        """Return JᵀBJv: the same recurrences without the terms in σ″ and δ."""
        return self._product(v, None)

    @cached_property
    def _terms(self) -> list[Any]:
        """σ″(z^l) ⊙ g^l, by which ż^l adds to δ̇^l; None for the output layer if it is combined with the cost."""
        pairs = zip(self.point.curvatures, self.point.pulled, strict=True)
        return [None if curvature is None else curvature * g for curvature, g in pairs]

    def _product(self, v: Array, terms: list[Any] | None) -> Array:
        """Return Hv, or JᵀBJv without the terms of the curvature."""
        # Popping and appending are atomic, so two threads never share buffers.
        spare, product = self._spare[terms is None], np.empty_like(v)
        try:
            buffers = spare.pop()
        except IndexError:
            buffers = self._buffers(terms)
        self._write(buffers, v, product, terms)
        spare.append(buffers)
        return product

    def _buffers(self, terms: list[Any] | None) -> Any:  # noqa: ARG002 - a subclass keeps them
        """Return what a product writes."""
        return _Buffers(self.point)

    def _write(self, buffers: Any, v: Array, product: Array, terms: list[Any] | None) -> None:
        """Write the product of a direction."""
        direction = buffers.layers(v)
        self._push_into(buffers, direction)
        self._move_output_error(buffers.z[-1], buffers.errors[-1], terms)
        self._pull_into(buffers.layers(product), buffers, direction, terms)

    def _push_into(self, buffers: _Buffers, direction: _Layers) -> None:
        """Write ż^l of every layer and ȧ^l of the hidden ones."""
        weights, slopes, a = self.point.network.weights, self.point.slopes, self.point.tape.activations
        for i, z in enumerate(buffers.z):
            tangent_weights, tangent_biases = direction[i]
            _multiply(a[i], tangent_weights.T, z)
            z += tangent_biases
            if i > 0:
                z += _multiply(buffers.a[i - 1], weights[i].T, buffers.errors[i])
            if i < len(buffers.a):
                np.multiply(slopes[i], z, buffers.a[i])

    def _move_output_error(self, z: Array, moved: Array, terms: list[Any] | None) -> None:
        """Write δ̇^L into ``moved``, using ż^L as scratch memory."""
        point = self.point
        if point.output_at == "z":
            moved[...] = point.output_curvature(z)
            return
        np.multiply(point.slopes[-1], z, moved)
        np.multiply(point.slopes[-1], point.output_curvature(moved), moved)
        if terms is not None:
            z *= terms[-1]
            moved += z

    def _pull_into(self, product: _Layers, buffers: _Buffers, direction: _Layers, terms: list[Any] | None) -> None:
        """Write the derivatives of (BP3) and (BP4), from the output down."""
        point, weights, patterns = self.point, self.point.network.weights, self.point.network.layout.patterns
        for i in range(len(buffers.z) - 1, -1, -1):
            moved, (of_weights, of_biases) = buffers.errors[i], product[i]
            np.dot(buffers.ones, moved, of_biases)
            stored = of_weights if patterns[i] is None else of_weights.data
            if i == 0 or terms is None:
                outer_sums(moved, point.tape.activations[i], patterns[i], out=stored)
            else:
                outer_sums(buffers.error_pairs[i], buffers.a_pairs[i - 1], patterns[i], out=stored)
            if i == 0:
                return
            below = _multiply(moved, weights[i], buffers.errors[i - 1])
            if terms is None:
                below *= point.slopes[i - 1]
                continue
            # The product above was the last to read this ȧ.
            below += _multiply(point.errors[i], direction[i][0], buffers.a[i - 1])
            below *= point.slopes[i - 1]
            z = buffers.z[i - 1]
            z *= terms[i - 1]
            below += z


class _Buffers:
    """The arrays that a product writes; the list index is l − 2.

    Attributes
    ----------
    z : list of ndarray
        ż^l, shape (m, n_l).
    a_pairs, a : list of ndarray
        a^l above ȧ^l, shape (2m, n_l), for the hidden layers; and the half of ȧ^l.
    error_pairs, errors : list of ndarray
        δ̇^l above δ^l, shape (2m, n_l); and the half of δ̇^l.
    ones : ndarray of shape (m,)
        For sums over the examples.
    """

    def __init__(self, point: Point) -> None:
        m = point.m
        self.z = [np.empty_like(z) for z in point.tape.weighted_inputs]
        self.a_pairs = [np.concatenate([a, a]) for a in point.tape.activations[1:-1]]
        self.a = [pair[m:] for pair in self.a_pairs]
        self.error_pairs = [np.concatenate([delta, delta]) for delta in point.errors]
        self.errors = [pair[:m] for pair in self.error_pairs]
        self.ones = np.ones(m, point.network.dtype)
        self._layout = point.network.layout

    def layers(self, vector: Array) -> _Layers:
        """Return each layer's weights and biases as views into a vector of shape (P,)."""
        layout = self._layout
        if layout.is_sparse:
            parts = Parameters(layout, vector)
            return list(zip(parts.weights, parts.biases, strict=True))
        # The same views without the checks of Parameters, which take longer than a small layer.
        each = zip(layout.slices, layout.shapes, strict=True)
        return [(vector[weights].reshape(shape), vector[biases]) for (weights, biases), shape in each]


def _multiply(rows: Array, matrix: Any, out: Array) -> Array:
    """Return the rows times a matrix, dense or sparse, in ``out``."""
    if isinstance(matrix, np.ndarray):
        return np.dot(rows, matrix, out)
    out[...] = rows @ matrix
    return out
