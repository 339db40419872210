r"""C and δ^L of the costs that have a compiled form, in one pass over the outputs.

A cost that is combined with the output activation has C from z, so that it is finite if an output saturates. With
ln(1 + e^{−z}) = ln(1 + e^{−|z|}) + max(−z, 0), every term of a cross-entropy is positive, and nothing cancels. The same
is true of a softmax, with z_k the largest weighted input of an example:

.. math:: \ln \sum_j e^{z_j} - z_i = \ln\Bigl(1 + \sum_{j \ne k} a_j / a_k\Bigr) + (z_k - z_i).

NaN stays NaN.
"""

from __future__ import annotations

import math
from typing import Any

from formulations.arrays import Array
from formulations.backends._shared.compiled.compiler import compiled
from formulations.backends._shared.compiled.elementwise import by_slope
from formulations.backends._shared.compiled.exponential import reduced_exponential, reduced_logarithm
from formulations.backends._shared.compiled.forms import CROSS_ENTROPY, QUADRATIC, SOFTMAX_LIKELIHOOD

__all__ = ["output_error"]


@compiled
def output_error(
    number: int,
    limit: Any,
    z: Array,
    a: Array,
    slope: Array,
    Y: Array,
    shares: Array,
    G: Array,
    delta: Array,
    of_biases: Array,
) -> Any:
    """Write δ^L, shape (m, n_L), and ∂C/∂b^L, its sum over the examples (BP3), and return C.

    Without a combined form ∇_aC is written to ``G``, otherwise nothing. ``limit`` is the clamp of the exponential.
    """
    if number == QUADRATIC:
        total = quadratic_gradient(a, Y, shares, G)
        by_slope(G, slope, delta, of_biases)
        return total
    of_biases[:] = z.dtype.type(0)
    if number == SOFTMAX_LIKELIHOOD:
        return _log_likelihood_of_softmax(z, a, Y, shares, delta, of_biases)
    # δ is used as a buffer.
    _softplus(limit, z, delta)
    if number == CROSS_ENTROPY:
        return _cross_entropy_of_sigmoid(z, a, Y, shares, delta, of_biases)
    return _log_likelihood_of_sigmoid(limit, z, a, slope, Y, shares, delta, of_biases)


@compiled
def quadratic_gradient(output: Array, Y: Array, shares: Array, G: Array) -> Any:
    """Write ∇_aC = (a^L − y)/m, each example by its share, and return C."""
    zero, half = output.dtype.type(0), output.dtype.type(0.5)
    total = zero
    for x in range(G.shape[0]):
        squares = zero
        for j in range(G.shape[1]):
            difference = output[x, j] - Y[x, j]
            squares += difference * difference
            G[x, j] = difference * shares[x, 0]
        total += half * squares * shares[x, 0]
    return total


@compiled
def _log_likelihood_of_softmax(z: Array, a: Array, Y: Array, shares: Array, delta: Array, of_biases: Array) -> Any:
    """Write δ^L = aΣy − y (81); C skips entries whose target is 0, since their logarithm may be infinite."""
    m, n = z.shape
    zero = z.dtype.type(0)
    total = zero
    for x in range(m):
        share, k = shares[x, 0], 0
        for j in range(1, n):
            if z[x, j] > z[x, k]:
                k = j
        others, targets = zero, zero
        for j in range(n):
            targets += Y[x, j]
            if j != k:
                others += a[x, j]
        logarithm, value = math.log1p(others / a[x, k]), zero
        for j in range(n):
            y = Y[x, j]
            if y != zero:
                value += y * (logarithm + (z[x, k] - z[x, j]))
            error = (a[x, j] * targets - y) * share
            delta[x, j] = error
            of_biases[j] += error
        total += value * share
    return total


@compiled
def _softplus(limit: Any, z: Array, out: Array) -> None:
    """Write ln(1 + e^{−|z|}), which is 0 where the exponential is below the normal numbers."""
    m, n = z.shape
    flat_z, flat = z.reshape(m * n), out.reshape(m * n)
    zero = z.dtype.type(0)
    for i in range(flat.size):
        u = -abs(flat_z[i])
        q, p = reduced_exponential(-limit if u < -limit else u)
        flat[i] = zero if u < -limit else p + p * q
    # Two loops are vectorised, and one is not.
    for i in range(flat.size):
        flat[i] = reduced_logarithm(flat[i])


@compiled
def _cross_entropy_of_sigmoid(z: Array, a: Array, Y: Array, shares: Array, delta: Array, of_biases: Array) -> Any:
    """Write δ^L = a − y (66) in place of ln(1 + e^{−|z|})."""
    m, n = z.shape
    zero, one = z.dtype.type(0), z.dtype.type(1)
    total = zero
    for x in range(m):
        share, value = shares[x, 0], zero
        for j in range(n):
            y, u = Y[x, j], z[x, j]
            value += delta[x, j] + (y * -u if u < zero else (one - y) * u)
            error = (a[x, j] - y) * share
            delta[x, j] = error
            of_biases[j] += error
        total += value * share
    return total


@compiled
def _log_likelihood_of_sigmoid(
    limit: Any, z: Array, a: Array, slope: Array, Y: Array, shares: Array, delta: Array, of_biases: Array
) -> Any:
    """Write δ^L = −y(1 − a) in place of ln(1 + e^{−|z|}), with 1 − a as σ′/a, which does not cancel."""
    m, n = z.shape
    zero = z.dtype.type(0)
    total = zero
    for x in range(m):
        share, value = shares[x, 0], zero
        for j in range(n):
            y, u = Y[x, j], z[x, j]
            value += y * (delta[x, j] - u if u < zero else delta[x, j])
            # Beyond the limit σ′ stays at its smallest, and 1 − a is e^{−z}, which is below the normal numbers.
            complement = slope[x, j] / a[x, j] if not u > limit else math.exp(-u)
            # 0 − 0 is 0, while a negation gives −0.
            error = (zero - y * complement) * share
            delta[x, j] = error
            of_biases[j] += error
        total += value * share
    return total
