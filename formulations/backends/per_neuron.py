r"""The equations in components, neuron by neuron, each with its own function.

.. math::

    z^l_j &= \sum_k w^l_{jk} a^{l-1}_k + b^l_j, \qquad a^l_j = f_j(z^l_j) \tag{23} \\
    \delta^L_j &= \frac{\partial C}{\partial a^L_j} f_j'(z^L_j) \tag{BP1} \\
    \delta^l_j &= \sum_k w^{l+1}_{kj} \delta^{l+1}_k f_j'(z^l_j) \tag{45} \\
    \frac{\partial C}{\partial w^l_{jk}} &= a^{l-1}_k \delta^l_j, \qquad
    \frac{\partial C}{\partial b^l_j} = \delta^l_j \tag{BP4, BP3}

The exercise asks what changes if a single neuron has another function f: in components, f_j′ replaces σ′ for that
neuron j. Each step is one operation over the mini-batch. It runs its own forward pass, so its agreement with other
backends checks the tape too.

It misleads as a measure of the chapter's matrix notation: N neurons cost N calls of each kind, the price of Python
loops and not of the arithmetic.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2, exercise "Backpropagation with a single modified
neuron" and Equation (45).

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="per_neuron").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from scipy.sparse import issparse

from formulations.arrays import Array
from formulations.backends._base import Backend, Estimate, Tier
from formulations.network import Gradient, Network, Tape

__all__ = ["PerNeuronBackend"]


class PerNeuronBackend(Backend):
    """Forward and backward in components, with f_j and f_j′ of each neuron."""

    name = "per_neuron"
    summary = "in components, each neuron with its own function"
    equations = ("23", "BP1", "45", "BP3", "BP4")
    tier = Tier.FORWARD
    linear_in_shares = True
    no_operators = "its components would repeat hadamard's operators in loops over the neurons"
    serves_coupled = False

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write the gradient found component by component; uses only the examples and the buffers of the tape."""
        for l, (w, b, function) in enumerate(
            zip(network.weights, network.biases, network.activations, strict=True), start=2
        ):
            for j, (k, w_j) in enumerate(_rows(w)):
                z = tape.weighted_inputs[l - 2][:, j]
                z[...] = tape.activations[l - 2][:, k] @ w_j + b[j]
                if not function.coupled:
                    function.neuron(j).evaluate(z, tape.activations[l - 1][:, j], tape.slopes[l - 2][:, j])
            if function.coupled:
                # Only an output layer with a combined form can be coupled: its error needs no slope.
                function.evaluate(tape.weighted_inputs[l - 2], tape.activations[l - 1])
        tape.forward_passes += 1
        tape.evaluate_cost()

        errors = tape.errors
        if tape.combined_output_error() is None:
            for j in range(network.layout.sizes[-1]):
                errors[-1][:, j] = tape.cost_gradient[:, j] * tape.slopes[-1][:, j]
        for l in network.hidden_layers:
            for j, (k, w_j) in enumerate(_rows(network.weights[l - 1].T)):
                errors[l - 2][:, j] = (errors[l - 1][:, k] @ w_j) * tape.slopes[l - 2][:, j]

        for l, delta in enumerate(errors, start=2):
            for j, (k, of_weights) in enumerate(_rows(gradient.weights[l - 2])):
                of_weights[...] = delta[:, j] @ tape.activations[l - 2][:, k]
                gradient.biases[l - 2][j] = delta[:, j].sum()
        gradient.errors = tuple(errors)
        gradient.cost = tape.cost_value

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate as for a recurrence, with several vector operations for every single neuron."""
        return replace(super().estimate(network, m), calls=20 * network.layout.neuron_count)


def _rows(matrix: Any) -> Iterator[tuple[slice | Array, Array]]:
    """Yield the columns k and the numbers of each row, as views; of a sparse matrix those of the stored entries."""
    if not issparse(matrix):
        yield from ((slice(None), row) for row in matrix)
        return
    rows = matrix.tocsr()
    for start, stop in pairwise(rows.indptr):
        yield rows.indices[start:stop], rows.data[start:stop]
