"""The whole gradient in one compiled call, for small products.

The buffers of all layers are in a table, so that networks of any depth have the same signature. The cost must have a
compiled form.
"""

from __future__ import annotations

import numpy as np

from formulations.arrays import Array
from formulations.backends._shared.compiled.addresses import matrix_at, vector_at
from formulations.backends._shared.compiled.buffers import (
    ACTIVATION,
    COST,
    COST_GRADIENT,
    DELTA,
    OUTPUT,
    PARAMETER,
    SLOPE,
    WEIGHTS,
    WIDTH,
    A,
    Buffers,
    Z,
    misfit,
)
from formulations.backends._shared.compiled.compiler import compiled
from formulations.backends._shared.compiled.elementwise import activate, by_slope
from formulations.backends._shared.compiled.outputs import output_error
from formulations.backends._shared.compiled.products import add_outer_products, inner_products, product
from formulations.network import Gradient, Network, Tape

__all__ = ["compute", "forward_pass"]


def compute(network: Network, tape: Tape, buffers: Buffers, gradient: Gradient) -> None:  # noqa: ARG001 - by address
    """Write z, a, σ′ and δ on the tape, and the gradient (BP1a)–(BP4)."""
    X, Y = tape.activations[0], tape.Y
    if Y is None or not len(X) == len(Y) == tape.m:
        raise misfit(tape)
    X, Y = np.ascontiguousarray(X), np.ascontiguousarray(Y)
    shares = buffers.shares if tape.shares is None else tape.share_column
    _compute(gradient.vector, X, Y, shares, buffers.outer, buffers.layers)
    tape.cost_value = buffers.cost[0]


@compiled
def forward_pass(layers: Array, X: Array) -> None:
    """Write z, a and σ′ of every layer, for the examples X, shape (m, n₁)."""
    m, below = X.shape[0], X
    for layer in layers:
        n, n_below, weights = layer[WIDTH], below.shape[1], layer[WEIGHTS]
        w, b = matrix_at(weights, n, n_below, X), vector_at(weights + n * n_below * X.itemsize, n, X)
        z, a, slope = matrix_at(layer[Z], m, n, X), matrix_at(layer[A], m, n, X), matrix_at(layer[SLOPE], m, n, X)
        inner_products(below, w, z)
        activate(layer[ACTIVATION], vector_at(layer[PARAMETER], 1, X)[0], b, z, a, slope)
        below = a


@compiled
def _compute(gradient: Array, X: Array, Y: Array, shares: Array, outer: Array, layers: Array) -> None:
    forward_pass(layers, X)
    m, last = X.shape[0], len(layers) - 1
    zero, one = X.dtype.type(0), X.dtype.type(1)
    n, limit = layers[last, WIDTH], vector_at(layers[last, PARAMETER], 1, X)[0]
    z, a = matrix_at(layers[last, Z], m, n, X), matrix_at(layers[last, A], m, n, X)
    slope = matrix_at(layers[last, SLOPE], m, n, X)
    G, delta = matrix_at(outer[COST_GRADIENT], m, n, X), matrix_at(layers[last, DELTA], m, n, X)
    end = gradient.size
    cost = output_error(outer[OUTPUT], limit, z, a, slope, Y, shares, G, delta, gradient[end - n :])
    vector_at(outer[COST], 1, X)[0] = cost
    for l in range(last, -1, -1):
        n, n_below = layers[l, WIDTH], layers[l - 1, WIDTH] if l > 0 else X.shape[1]
        delta, slope = matrix_at(layers[l, DELTA], m, n, X), matrix_at(layers[l, SLOPE], m, n, X)
        begin = end - n * (n_below + 1)
        of_weights, of_biases = gradient[begin : end - n].reshape(n, n_below), gradient[end - n : end]
        end = begin
        if l < last:
            n_above = layers[l + 1, WIDTH]
            above, w = matrix_at(layers[l + 1, DELTA], m, n_above, X), matrix_at(layers[l + 1, WEIGHTS], n_above, n, X)
            product(above, w, delta)
            by_slope(delta, slope, delta, of_biases)
        below = matrix_at(layers[l - 1, A], m, n_below, X) if l > 0 else X
        add_outer_products(one, delta, below, zero, zero, of_weights, of_weights)
