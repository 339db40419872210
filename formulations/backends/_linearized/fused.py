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

A layer of a Jacobian has only one element-wise step, so nothing is left to fuse; ``hadamard`` provides Jacobians.

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
from typing import Any

import numpy as np

from formulations.arrays import IN_ONE_THREAD, Array
from formulations.backends._linearized.hadamard import HadamardLinearization
from formulations.backends._shared import SOFTMAX_LIKELIHOOD, output_of, unreadable_cache
from formulations.exceptions import Refused

__all__ = ["FusedLinearization"]


class FusedLinearization(HadamardLinearization):
    """The products with the Hessian and the Gauss–Newton matrix by compiled passes."""

    def _write(self, buffers: partial[None], v: Array, product: Array, terms: list[Any] | None) -> None:  # noqa: ARG002 - in the buffers
        """Write the product of a direction."""
        try:
            # Read-only vectors would be another type of argument to compile.
            buffers(v if v.flags.writeable else v.copy(), product)
        except Exception as caught:
            if reason := unreadable_cache(caught):
                raise Refused(f"backend 'fused' is refused: {reason}.") from caught
            raise

    def _buffers(self, terms: list[Any] | None) -> partial[None]:
        """Return the compiled passes for the size of the matrix products, with all that does not depend on v."""
        point, network, tape, hessian = self.point, self.point.network, self.point.tape, terms is not None
        passes: Any = import_module("formulations.backends._shared.compiled.curvature")
        output, at_output = output_of(tape), partial(self._move_output_error, terms=terms)
        factor = np.ones_like(tape.output)
        if output == SOFTMAX_LIKELIHOOD:
            factor = tape.output * tape.targets.sum(axis=1, keepdims=True) * point.shares
        elif output is not None:
            at_output(np.ones_like(factor), factor)
        buffers = passes.CurvatureBuffers(
            network,
            np.ascontiguousarray(tape.X),
            [*(np.concatenate([a, np.empty_like(a)]) for a in tape.activations[1:-1]), tape.output],
            [np.concatenate([np.empty_like(delta), delta]) for delta in point.errors],
            [np.empty_like(z) for z in tape.weighted_inputs],
            [*point.slopes[:-1], factor],
            [*(terms or point.slopes)[:-1], factor],
            coupled=output == SOFTMAX_LIKELIHOOD,
        )
        if output is None:
            return partial(passes.by_layer, buffers, hessian=hessian, at_output=at_output)
        # All but the first weights take a product of 2m terms.
        depths = [tape.m, *[2 * tape.m] * (network.layout.last - 2)]
        largest = max(n * rows * columns for n, (rows, columns) in zip(depths, network.layout.shapes, strict=True))
        chosen = passes.whole if largest <= IN_ONE_THREAD else passes.by_layer
        return partial(chosen, buffers, hessian=hessian)
