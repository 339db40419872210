"""The element-wise operations of one layer, each compiled into one pass over its numbers."""

from __future__ import annotations

from typing import Any

from formulations.arrays import Array
from formulations.backends._shared.compiled.activations import SOFTMAX, evaluate, softmax
from formulations.backends._shared.compiled.compiler import compiled

__all__ = ["activate", "by_slope"]

_BLOCK = 4096
"""The numbers processed by bias and activation at a time, which fit the first-level cache."""


@compiled
def activate(number: int, parameter: Any, b: Array, z: Array, a: Array, d: Array) -> None:
    """Add the bias to z, shape (m, n), and write σ(z) and σ′(z); for softmax nothing is written to ``d``."""
    m, n = z.shape
    flat_z, flat_a, flat_d = z.reshape(m * n), a.reshape(m * n), d.reshape(m * n)
    rows = max(1, _BLOCK // n)
    for first in range(0, m, rows):
        last = min(m, first + rows)
        for x in range(first, last):
            for j in range(n):
                z[x, j] += b[j]
        if number == SOFTMAX:
            softmax(parameter, z[first:last], a[first:last])
        else:
            part = slice(first * n, last * n)
            evaluate(number, parameter, flat_z[part], flat_a[part], flat_d[part])


@compiled
def by_slope(v: Array, slope: Array, delta: Array, of_biases: Array) -> None:
    """Write δ = v ⊙ σ′(z), shape (m, n), possibly in place of v, and ∂C/∂b, its sum over the examples (BP3)."""
    of_biases[:] = slope.dtype.type(0)
    for x in range(v.shape[0]):
        for j in range(v.shape[1]):
            error = v[x, j] * slope[x, j]
            delta[x, j] = error
            of_biases[j] += error
