r"""Hessian and Gauss–Newton products with every element-wise step of a layer compiled into one pass.

.. math::

    \dot z^l &= \dot w^l a^{l-1} + w^l \dot a^{l-1} + \dot b^l, \qquad \dot a^l = \sigma'(z^l) \odot \dot z^l \\
    \dot\delta^l &= \sigma'(z^l) \odot \left((\dot w^{l+1})^T \delta^{l+1} + (w^{l+1})^T \dot\delta^{l+1}\right)
                 + \left(\sigma''(z^l) \odot g^l\right) \odot \dot z^l \\
    (Hv)_{w^l} &= \begin{pmatrix} \dot\delta^l & \delta^l \end{pmatrix}
                  \begin{pmatrix} a^{l-1} & \dot a^{l-1} \end{pmatrix}^T

The equations are those of ``hadamard``. Each line is a compiled loop between matrix products, and the two terms in the
weights are one product, because δ̇ stands above δ in memory, and a above ȧ. What does not depend on the direction is
computed once: at the output, δ̇^L of the built-in costs is then a factor times ż^L. The product of a small network is
one compiled call. A Gauss–Newton product is the same without the terms in σ″ and δ.

A layer of a Jacobian has one element-wise step, so that nothing is left to fuse, and ``hadamard`` provides it.

It misleads as a measure of the formulation, as the gradient does.

Source: B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6(1), 1994.

>>> import pytest
>>> numba = pytest.importorskip("numba")
>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.hessian(net, [[1.0]], [[17.0]], backend="fused").to_dense()[0, 0]  # (2·2·3)² + (2·9 − 17)·2·2
np.float64(148.0)
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from formulations.arrays import Array
from formulations.backends._linearized.hadamard import HadamardLinearization
from formulations.backends._shared import IN_ONE_THREAD, SOFTMAX_LIKELIHOOD, output_of, unreadable_cache
from formulations.exceptions import Refused
from formulations.functions import curvature_term
from formulations.network import Point

if TYPE_CHECKING:
    from formulations.backends._base import Backend

__all__ = ["FusedLinearization"]


class FusedLinearization(HadamardLinearization):
    """The products with the Hessian and the Gauss–Newton matrix by compiled passes."""

    def __init__(self, point: Point, backend: Backend) -> None:
        super().__init__(point, backend)
        self._prepared: dict[bool, list[partial[None]]] = {True: [], False: []}

    def hessian_product(self, v: Array) -> Array:
        """Return Hv."""
        return self._computed(v, hessian=True)

    def gauss_newton_product(self, v: Array) -> Array:
        """Return JᵀBJv."""
        return self._computed(v, hessian=False)

    def _computed(self, v: Array, *, hessian: bool) -> Array:
        # Popping and appending are atomic, so two threads never share buffers.
        prepared = self._prepared[hessian]
        compute, product = prepared.pop() if prepared else self._prepare(hessian=hessian), np.empty_like(v)
        try:
            # Read-only vectors would be another type of argument to compile.
            compute(v if v.flags.writeable else v.copy(), product)
        except Exception as caught:
            if reason := unreadable_cache(caught):
                raise Refused(f"backend 'fused' is refused: {reason}.") from caught
            raise
        prepared.append(compute)
        return product

    def _prepare(self, *, hessian: bool) -> partial[None]:
        """Return the compiled passes for the size of the matrix products, with all that does not depend on v."""
        point, network, tape = self.point, self.point.network, self.point.tape
        passes: Any = import_module("formulations.backends._shared.compiled.curvature")
        output, at_output = output_of(tape), partial(self._at_output, hessian=hessian)
        if output is None:
            factor = np.ones_like(tape.output)
        elif output == SOFTMAX_LIKELIHOOD:
            factor = tape.output * tape.targets.sum(axis=1, keepdims=True) * point.shares
        else:
            factor = at_output(np.ones_like(tape.output))
        hidden = point.slopes[:-1]
        if hessian:
            hidden = [curvature * g for curvature, g in zip(point.curvatures[:-1], point.pulled[:-1], strict=True)]
        buffers = passes.CurvatureBuffers(
            network,
            np.ascontiguousarray(tape.X),
            [*(np.concatenate([a, np.empty_like(a)]) for a in tape.activations[1:-1]), tape.output],
            [np.concatenate([np.empty_like(delta), delta]) for delta in point.errors],
            [np.empty_like(z) for z in tape.weighted_inputs],
            [*point.slopes[:-1], factor],
            [*hidden, factor],
            coupled=output == SOFTMAX_LIKELIHOOD,
        )
        if output is None:
            return partial(passes.by_layer, buffers, hessian=hessian, at_output=at_output)
        # All but the first weights take a product of 2m terms.
        terms = [tape.m, *[2 * tape.m] * (network.layout.last - 2)]
        largest = max(n * rows * columns for n, (rows, columns) in zip(terms, network.layout.shapes, strict=True))
        chosen = passes.whole if largest <= IN_ONE_THREAD else passes.by_layer
        return partial(chosen, buffers, hessian=hessian)

    def _at_output(self, tangent_z: Array, *, hessian: bool) -> Array:
        """Return δ̇^L of ż^L, both of shape (m, n_L)."""
        point = self.point
        if point.output_at == "z":
            return point.output_curvature(tangent_z)
        slope = point.slopes[-1]
        moved: Array = slope * point.output_curvature(slope * tangent_z)
        return moved + curvature_term(point.curvatures[-1], tangent_z, point.pulled[-1]) if hessian else moved
