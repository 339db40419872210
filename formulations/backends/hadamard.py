r"""Hadamard products over the whole mini-batch, the form that the chapter recommends.

.. math::

    \delta^L &= \nabla_a C \odot \sigma'(z^L) \tag{BP1a} \\
    \delta^l &= \left((w^{l+1})^T \delta^{l+1}\right) \odot \sigma'(z^l) \tag{BP2}

With one example a row, the δ^l of a mini-batch form one array of shape (m, n_l), and (w^{l+1})ᵀδ^{l+1} is
``delta @ w``. The backward pass takes about 2 − n₁n₂/P times the multiplications of a forward pass.

It misleads for coupled activations: a slope that is not diagonal cannot be a Hadamard product.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2.

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="hadamard").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from formulations.arrays import Array
from formulations.backends._base import OPERATORS, Backend, Linearization, Tier
from formulations.network import Network, Point, Tape

__all__ = ["Hadamard"]


class Hadamard(Backend):
    """δ by Hadamard products with σ′(z), all examples at once."""

    name = "hadamard"
    summary = "Hadamard products, the whole mini-batch at once"
    equations = ("BP1a", "BP2", "BP3", "BP4")
    tier = Tier.RECURRENCE
    linear_in_shares = True
    serves_coupled = False
    operators = OPERATORS

    def errors(self, network: Network, tape: Tape) -> Sequence[Array]:
        """Return δ^L by (BP1a), then δ^{L−1}, …, δ² by (BP2)."""
        delta = tape.combined_output_error()
        if delta is None:
            delta = np.multiply(tape.cost_gradient, tape.slopes[-1], out=tape.errors[-1])
        for l in network.hidden_layers:
            delta = tape.pull_back(l, delta)
            np.multiply(delta, tape.slopes[l - 2], delta)
        return tape.errors

    def linearize(self, point: Point) -> Linearization:
        """Return Jacobians and curvature by recurrences with Hadamard products."""
        from formulations.backends._linearized import HadamardLinearization

        return HadamardLinearization(point, self)

    def prepare_jacobian(self, tape: Tape, of: int, wrt: int, order: str) -> Callable[[], Array]:
        """Return the product of the factors, in which a slope scales rows or columns."""
        from formulations.backends._shared import JacobianFactors, JacobianProduct

        return JacobianProduct(JacobianFactors(tape.network, of, wrt), tape, order)
