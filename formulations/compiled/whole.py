"""The whole gradient in one compiled call, for networks whose products are small.

The parameters, the gradient and each kind of room on the tape (z, a, σ′, δ) are one flat array; the layers follow one
another in it, so that networks of any depth are one signature. Cost and output activation are either the quadratic cost
with any activation, or fused, with δ^L = (a − y)/m.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.compiled.compiler import compiled
from formulations.compiled.rooms import Rooms
from formulations.compiled.steps import activate, by_slope, quadratic_gradient
from formulations.dtypes import Array
from formulations.parameters import Gradient
from formulations.tape import Tape

__all__ = ["compute"]


def compute(tape: Tape, rooms: Rooms, gradient: Gradient) -> None:
    """Write z, a, σ′ and δ on the tape, and the gradient (BP1a)–(BP4)."""
    X, Y = np.ascontiguousarray(tape.X), np.ascontiguousarray(tape.targets)
    shares = rooms.shares if tape.shares is None else tape.shares
    cost = _compute(gradient.vector, X, Y, shares, *rooms.unchanging)
    if tape.fused is None:
        tape.cost_value = gradient.vector.dtype.type(cost)
    else:
        tape.evaluate_cost()


@compiled
def _compute(
    gradient: Array,
    X: Array,
    Y: Array,
    shares: Array,
    theta: Array,
    G: Array,
    fused: bool,
    sizes: Array,
    starts: Array,
    numbers: Array,
    parameters: Array,
    z: Array,
    a: Array,
    d: Array,
    delta: Array,
) -> Any:
    m, below, place, last = X.shape[0], X, 0, sizes.size - 1
    for l in range(1, last + 1):
        n, n_below = sizes[l], sizes[l - 1]
        w, b = theta[place : place + n * n_below].reshape(n, n_below), theta[place + n * n_below :][:n]
        place += n * n_below + n
        part = slice(starts[l - 1], starts[l - 1] + m * n)
        of_layer, output = z[part].reshape(m, n), a[part].reshape(m, n)
        np.dot(below, w.T, of_layer)
        activate(numbers[l - 1], parameters[l - 1], b, of_layer, output, d[part].reshape(m, n))
        below = output
    cost = quadratic_gradient(below, Y, shares, G)
    for l in range(last, 0, -1):
        n, n_below = sizes[l], sizes[l - 1]
        part = slice(starts[l - 1], starts[l - 1] + m * n)
        error, slope = delta[part].reshape(m, n), d[part].reshape(m, n)
        of_biases = gradient[place - n : place]
        if l < last:
            n_above = sizes[l + 1]
            above = delta[starts[l] : starts[l] + m * n_above].reshape(m, n_above)
            np.dot(above, theta[place : place + n_above * n].reshape(n_above, n), error)
            by_slope(error, slope, error, of_biases)
        elif fused:
            error[:] = G
            of_biases[:] = G.sum(axis=0)
        else:
            by_slope(G, slope, error, of_biases)
        place -= n * n_below + n
        of_weights = gradient[place : place + n * n_below].reshape(n, n_below)
        if l > 1:
            of_below = slice(starts[l - 2], starts[l - 2] + m * n_below)
            np.dot(error.T, a[of_below].reshape(m, n_below), of_weights)
        else:
            np.dot(error.T, X, of_weights)
    return cost
