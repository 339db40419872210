"""The gradient with NumPy's products and compiled operations between them, for large products.

Large products run in several threads. Compiled code would call another copy of BLAS than NumPy, with its own threads,
and two pools of waiting threads slow each other down.
"""

from __future__ import annotations

import numpy as np

from formulations.arrays import Array
from formulations.backends._shared.compiled.buffers import Buffers, misfit
from formulations.backends._shared.compiled.elementwise import activate, by_slope
from formulations.backends._shared.compiled.outputs import output_error
from formulations.network import Gradient, Network, Tape

__all__ = ["compute"]


def compute(network: Network, tape: Tape, buffers: Buffers, gradient: Gradient) -> None:
    """Write z, a, σ′ and δ on the tape, and the gradient (BP1a)–(BP4)."""
    if not len(tape.X) == len(tape.targets) == tape.m:
        raise misfit(tape)
    weights, biases = network.weights, network.biases
    for i, (w, b) in enumerate(zip(weights, biases, strict=True)):
        z = tape.weighted_inputs[i]
        np.matmul(tape.activations[i], w.T, out=z)
        activate(buffers.numbers[i], buffers.parameters[i], b, z, tape.activations[i + 1], buffers.slopes[i])
    delta = _output_error(tape, buffers, gradient)
    for l in network.hidden_layers:
        np.matmul(delta.T, tape.activations[l - 1], out=gradient.weights[l - 1])
        delta = tape.pull_back(l, delta)
        by_slope(delta, tape.slopes[l - 2], delta, gradient.biases[l - 2])
    np.matmul(delta.T, tape.X, out=gradient.weights[0])


def _output_error(tape: Tape, buffers: Buffers, gradient: Gradient) -> Array:
    """Write C, δ^L and ∂C/∂b^L, and return δ^L."""
    delta, of_biases, slope = tape.errors[-1], gradient.biases[-1], buffers.slopes[-1]
    if buffers.output is not None:
        Y = np.ascontiguousarray(tape.targets)
        shares = buffers.shares if tape.shares is None else tape.share_column
        z, a, G = tape.weighted_inputs[-1], tape.output, tape.cost_gradient
        limit, number = buffers.parameters[-1], buffers.output
        buffers.cost[0] = output_error(number, limit, z, a, slope, Y, shares, G, delta, of_biases)
        tape.cost_value = buffers.cost[0]
        return delta
    tape.evaluate_cost()
    if tape.combined_output_error() is None:
        by_slope(tape.cost_gradient, slope, delta, of_biases)
    else:
        np.add.reduce(delta, axis=0, out=of_biases)
    return delta
