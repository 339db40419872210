"""Compiled activations: value and slope of a layer in one pass over its weighted inputs.

They use the formulas of :mod:`formulations.functions.activations`: one exponential for both, accurate for saturated
neurons too. NaN stays NaN.
"""

from __future__ import annotations

from typing import Any

from formulations.arrays import Array
from formulations.backends._shared.compiled.compiler import compiled
from formulations.backends._shared.compiled.exponential import reduced_exponential
from formulations.backends._shared.compiled.forms import COMPILED

__all__ = ["SOFTMAX", "evaluate", "softmax"]

_SIGMOID, _TANH, _RELU, _LEAKY_RELU, _IDENTITY, _SQUARE, SOFTMAX = range(len(COMPILED))


@compiled
def evaluate(number: int, parameter: Any, z: Array, a: Array, d: Array) -> None:
    """Write σ(z) and σ′(z) of flat arrays, for an activation of each neuron by itself."""
    one, two = z.dtype.type(1), z.dtype.type(2)
    zero = one - one
    if number == _SIGMOID:
        for i in range(z.size):
            u = -z[i]
            # A comparison, and not a minimum, lets NaN through.
            q, p = reduced_exponential(parameter if u > parameter else (-parameter if u < -parameter else u))
            e = p + p * q
            s = one / (one + e)
            a[i] = s
            d[i] = e * s * s
    elif number == _TANH:
        for i in range(z.size):
            u = -two * abs(z[i])
            q, p = reduced_exponential(-parameter if u < -parameter else u)
            e, less = zero if u < -parameter else p + p * q, (p - one) + p * q
            t = less / (two + less)
            a[i] = -t if z[i] > zero else t
            half = two / (one + e)
            d[i] = e * half * half
    elif number == _RELU:
        for i in range(z.size):
            a[i] = zero if z[i] <= zero else z[i]
            d[i] = zero if z[i] <= zero else one
    elif number == _LEAKY_RELU:
        for i in range(z.size):
            a[i] = parameter * z[i] if z[i] <= zero else z[i]
            d[i] = parameter if z[i] <= zero else one
    elif number == _IDENTITY:
        for i in range(z.size):
            a[i] = z[i]
            d[i] = one
    else:
        for i in range(z.size):
            a[i] = z[i] * z[i]
            d[i] = z[i] + z[i]


@compiled
def softmax(limit: Any, z: Array, a: Array) -> None:
    """Write the softmax of each row, shape (m, n); below −limit an exponential is 0."""
    m, n = z.shape
    zero = z.dtype.type(0)
    for x in range(m):
        largest = z[x, 0]
        for j in range(1, n):
            if z[x, j] > largest:
                largest = z[x, j]
        for j in range(n):
            a[x, j] = z[x, j] - largest
    # One loop over all rows, which a compiler can vectorise although a row is short.
    flat = a.reshape(m * n)
    for i in range(flat.size):
        u = flat[i]
        q, p = reduced_exponential(-limit if u < -limit else u)
        flat[i] = zero if u < -limit else p + p * q
    for x in range(m):
        total = zero
        for j in range(n):
            total += a[x, j]
        for j in range(n):
            a[x, j] /= total
