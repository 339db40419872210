r"""Backpropagation in a network of linear neurons: no σ′ anywhere.

.. math::

    \delta^L = \nabla_a C, \qquad \delta^l = (w^{l+1})^T \delta^{l+1}

With σ(z) = z the slope is 1 everywhere, so the Hadamard products disappear and only the transposed weights remain.
Other networks are refused.

It misleads if its speed is compared with that of other backends: it computes less, because its network can do less. A
chain of linear layers is equivalent to a single one.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2, exercise "Backpropagation with linear neurons".

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations="identity")
>>> fm.gradient(net, [[5.0]], [[29.0]], backend="linear").weights[0]  # (2·3·5 − 29) · 2 · 5
array([[10.]])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from formulations.arrays import Array
from formulations.backends._base import OPERATORS, Backend, Estimate, Linearization, Tier
from formulations.backends._shared import why_not_linear
from formulations.functions import Cost
from formulations.network import Network, Point, Tape

__all__ = ["Linear"]


class Linear(Backend):
    """δ by the transposed weights alone, for σ(z) = z."""

    name = "linear"
    summary = "linear neurons: the transposed weights alone"
    equations = ("linearL", "linear", "BP3", "BP4")
    tier = Tier.RECURRENCE
    linear_in_shares = True
    operators = OPERATORS

    def why_not(self, network: Network, cost: Cost) -> str | None:
        """Return the reason if an activation is not the identity."""
        return why_not_linear(network) or super().why_not(network, cost)

    def why_not_operator(self, operator: str, network: Network, cost: Cost, of: int | None = None) -> str | None:
        """Return the reason if an activation is not the identity, for a Jacobian up to its layer."""
        last = of if operator == "jacobian" else None
        return why_not_linear(network, last) or super().why_not_operator(operator, network, cost, of)

    def linearize(self, point: Point) -> Linearization:
        """Return Jacobians and curvature by the weights alone."""
        from formulations.backends._linearized import LinearLinearization

        return LinearLinearization(point, self)

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate as for a recurrence without its Hadamard products."""
        recurrence = super().estimate(network, m)
        return replace(recurrence, multiplications=recurrence.multiplications - m * network.layout.neuron_count)

    def errors(self, network: Network, tape: Tape) -> Sequence[Array]:
        """Return δ^L = ∇_aC, then δ^{L−1}, …, δ² by the transposed weights."""
        delta = tape.combined_output_error()
        if delta is None:
            delta = tape.errors[-1]
            np.copyto(delta, tape.cost_gradient)
        for l in network.hidden_layers:
            delta = tape.pull_back(l, delta)
        return tape.errors
