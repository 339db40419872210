r"""The gradient of every example as a Kronecker product, and then their sum.

.. math::

    \operatorname{vec} \frac{\partial C_x}{\partial w^l} = \delta^{x,l} \otimes a^{x,l-1}, \qquad
    \frac{\partial C_x}{\partial b^l} = \delta^{x,l}

with vec row by row, the order of the flat vector (column by column the factors are exchanged,
:math:`a \otimes \delta`). (BP4) is this outer product. Over a mini-batch the Kronecker products of corresponding rows
form the Khatri–Rao product, one array of shape (m, n_l·n_{l−1}), and the gradient is the sum of its rows. The
errors come from (BP1) and (BP2); a coupled slope acts as Σ′ᵀ.

It misleads as a method for the sum: (BP4) as one matrix product does the same multiplications without the
m·n_l·n_{l−1} numbers in memory. Its use is the rows: :func:`formulations.per_example_gradients`.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2, (BP4); Khatri and Rao, "Solutions to some functional
equations and their applications to characterization of probability distributions", *Sankhyā* A 30 (1968); Goodfellow,
"Efficient per-example gradient computations", arXiv:1510.01799.

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="kronecker").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from formulations.arrays import Array
from formulations.backends._base import Backend, Estimate, Tier
from formulations.backends._shared import errors_by_recurrence, khatri_rao
from formulations.network import Gradient, Network, Tape

__all__ = ["Kronecker"]


class Kronecker(Backend):
    """∂C_x/∂w of every example as a Kronecker product, then summed."""

    name = "kronecker"
    summary = "each example's δ ⊗ a, then their sum"
    equations = ("BP1", "BP2", "Kronecker", "BP3", "BP4")
    tier = Tier.RECURRENCE
    linear_in_shares = True
    no_operators = "it forms the gradients of single examples, and an operator sums them without forming them"

    def prepare(self, network: Network, tape: Tape) -> Array:
        """Return a buffer for the examples' gradients of one layer's weights."""
        return np.empty(tape.m * largest_layer(network), network.dtype)

    def errors(self, network: Network, tape: Tape) -> Sequence[Array]:
        """Return δ², …, δ^L by the recurrence."""
        return errors_by_recurrence(network, tape)

    def collect(self, tape: Tape, errors: Sequence[Array], gradient: Gradient) -> None:
        """Write the sums of the examples' gradients, layer by layer."""
        layout = gradient.layout
        layers = zip(errors, tape.activations, layout.patterns, layout.slices, strict=False)
        for delta, a, pattern, (weights, biases) in layers:
            count = weights.stop - weights.start
            rows = tape.workspace[: tape.m * count].reshape(tape.m, count)
            khatri_rao(delta, a, pattern, rows)
            np.add.reduce(rows, axis=0, out=gradient.vector[weights])
            np.add.reduce(delta, axis=0, out=gradient.vector[biases])

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate as for a recurrence that keeps the examples' gradients of the largest layer."""
        recurrence = super().estimate(network, m)
        numbers = m * largest_layer(network)
        return replace(
            recurrence,
            bytes=recurrence.bytes + numbers * network.dtype.itemsize,
            detail=f"{numbers} numbers for the examples' gradients of one layer",
        )


def largest_layer(network: Network) -> int:
    """Return the largest number of weights in a layer."""
    return max(int(weights.stop - weights.start) for weights, _ in network.layout.slices)
