r"""Hadamard products with every element-wise step of a layer compiled into one pass.

.. math::

    \delta^L &= \nabla_a C \odot \sigma'(z^L) \tag{BP1a} \\
    \delta^l &= \left((w^{l+1})^T \delta^{l+1}\right) \odot \sigma'(z^l) \tag{BP2}

The equations are those of ``hadamard``. Bias, σ and σ′ of a layer are one compiled loop, and the product with the slope
and the sum for the biases another. The built-in costs are compiled, too: the quadratic one, and the cross-entropies
combined with the output activation, sigmoid or softmax, that suits them. The gradient of a small network is then one
compiled call instead of about forty NumPy calls, and so are many steps of its training. It wins if the calls cost more
than the arithmetic.

It needs the package numba: ``pip install numba``. The first gradient and the first training in each dtype compile
code, once on each machine; the result is cached with the library's files. It supports activations that have a
compiled form, softmax at the output alone.

It misleads as a measure of the formulation: it is ``hadamard`` in compiled loops.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2.

>>> import pytest
>>> numba = pytest.importorskip("numba")
>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="fused").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import import_module
from typing import Any

from formulations.arrays import IN_ONE_THREAD, SINGLE_AND_DOUBLE, Array
from formulations.backends._base import (
    Backend,
    CompiledSteps,
    CompiledUpdates,
    Estimate,
    Linearization,
    StepRule,
    Tier,
)
from formulations.backends._shared import (
    COMPILED,
    Buffers,
    number_of,
    unreadable_cache,
    why_not_compiled,
)
from formulations.exceptions import Refused, why_absent
from formulations.functions import Cost
from formulations.network import Gradient, Network, Point, Tape

__all__ = ["Fused"]


class Fused(Backend):
    """δ by Hadamard products, each layer's element-wise steps in one compiled pass."""

    name = "fused"
    summary = "Hadamard products, the steps of a layer compiled into one (optional)"
    equations = ("BP1a", "BP2", "BP3", "BP4")
    tier = Tier.RECURRENCE
    linear_in_shares = True
    variant_of = "hadamard"
    serves_sparse = False
    serves_coupled = False
    dtypes = SINGLE_AND_DOUBLE
    operators = ("hessian", "gauss_newton")
    no_operators = "a layer of a Jacobian has only one element-wise step, so nothing is left to fuse: take 'hadamard'"

    def why_not(self, network: Network, cost: Cost) -> str | None:
        """Return the reason if numba is absent or an activation has no compiled form."""
        if reason := why_absent("numba") or why_not_compiled() or _why_no_folder():
            return reason
        if reason := super().why_not(network, cost):
            return reason
        for l, activation in enumerate(network.activations, start=2):
            if number_of(activation) is None:
                return f"it has compiled forms of {', '.join(COMPILED)}, and layer {l} has {activation.name}"
        return None

    def prepare(self, network: Network, tape: Tape) -> tuple[Any, Buffers]:
        """Return the compiled pass for the size of the products, and the tape's buffers."""
        buffers = Buffers.of(network, tape)
        passes = "whole" if _is_small(network, tape, buffers) else "by_layer"
        return import_module(f"formulations.backends._shared.compiled.{passes}").compute, buffers

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write the gradient by compiled passes."""
        compute, buffers = tape.workspace
        try:
            compute(network, tape, buffers, gradient)
        except Exception as caught:
            _refuse_unreadable(caught)
            raise
        tape.forward_passes += 1
        gradient.errors = tuple(tape.errors)
        gradient.cost = tape.cost_value

    def linearize(self, point: Point) -> Linearization:
        """Return the products with the Hessian and the Gauss–Newton matrix by compiled passes."""
        from formulations.backends._linearized import FusedLinearization

        return FusedLinearization(point, self)

    def compiled_updates(self) -> CompiledUpdates:
        """Return each optimizer's update as one compiled pass."""
        updates = import_module("formulations.backends._shared.compiled.training.updates")
        return CompiledUpdates(updates.adam, updates.momentum)

    def compiled_steps(self, network: Network, tape: Tape, rule: StepRule) -> CompiledSteps | None:
        """Return the steps of a training run in one compiled call, if the gradient is one."""
        buffers = tape.workspace[1]
        if not _is_small(network, tape, buffers):
            return None
        module = import_module("formulations.backends._shared.compiled.training.steps")
        steps: CompiledSteps = module.Steps(network, tape, buffers, rule)

        def take(
            X: Array, Y: Array, order: Array, sample_weight: Array | None, rate: Any, costs: Array, weights: Array
        ) -> None:
            try:
                steps(X, Y, order, sample_weight, rate, costs, weights)
            except Exception as caught:
                _refuse_unreadable(caught)
                raise

        return take

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate as for a recurrence, with one call for each product."""
        return replace(super().estimate(network, m), calls=3 * len(network.activations))


def _is_small(network: Network, tape: Tape, buffers: Buffers) -> bool:
    """Return whether one compiled call serves: the cost has a compiled form, and every product takes one thread."""
    largest = max(tape.m * rows * columns for rows, columns in network.layout.shapes)
    return buffers.output is not None and largest <= IN_ONE_THREAD


def _refuse_unreadable(caught: Exception) -> None:
    """Raise the reason and the remedy if an exception comes from numba's cache."""
    if reason := unreadable_cache(caught):
        raise Refused(f"backend 'fused' is refused: {reason}.") from caught


def _why_no_folder() -> str | None:
    """Return the reason if the current folder has been deleted, to which numba's source paths are relative."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return (
            "its compiler needs a current folder that exists, and this one was deleted: change to another by os.chdir"
        )
    return None
