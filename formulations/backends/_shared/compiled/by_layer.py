"""The gradient with NumPy's products and compiled steps between them, for large products.

Large products run in several threads. Compiled code would call another copy of BLAS than NumPy, with its own threads,
and two pools of waiting threads slow each other down.
"""

from __future__ import annotations

import numpy as np

from formulations.backends._shared.compiled.buffers import Buffers
from formulations.backends._shared.compiled.steps import activate, by_slope
from formulations.network import Gradient, Network, Tape

__all__ = ["compute"]


def compute(network: Network, tape: Tape, buffers: Buffers, gradient: Gradient) -> None:
    """Write z, a, σ′ and δ on the tape, and the gradient (BP1a)–(BP4)."""
    weights, biases = network.weights, network.biases
    for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z = tape.weighted_inputs[i]
        np.matmul(tape.activations[i], w.T, out=z)
        activate(buffers.numbers[i], buffers.parameters[i], b, z, tape.activations[i + 1], tape.slopes[i])
    tape.evaluate_cost()
    delta = tape.combined_output_error()
    if delta is None:
        delta = tape.errors[-1]
        by_slope(tape.cost_gradient, tape.slopes[-1], delta, gradient.biases[-1])
    else:
        np.add.reduce(delta, axis=0, out=gradient.biases[-1])
    for l in network.hidden_layers:
        np.matmul(delta.T, tape.activations[l - 1], out=gradient.weights[l - 1])
        delta = tape.pull_back(l, delta)
        by_slope(delta, tape.slopes[l - 2], delta, gradient.biases[l - 2])
    np.matmul(delta.T, tape.X, out=gradient.weights[0])
