r"""Whole runs of training steps in one compiled call: gather, gradient, update.

The update is part of the product for ∂C/∂w. With :math:`A^{l-1}` the activations of a mini-batch, one example a row,

.. math:: w^l \to w^l + \left(-\eta\lambda\, w^l - \eta\, (\delta^l)^T A^{l-1}\right)

is one product that adds to what its output holds, so ∂C/∂w is never stored. With momentum the output is the velocity.
Nesterov's form, Adam and the penalty L1 need ∂C/∂w itself. :math:`\delta^{l-1}` is computed before w^l changes.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from formulations.arrays import Array
from formulations.backends._base import StepRule
from formulations.backends._shared.compiled.addresses import matrix_at, vector_at
from formulations.backends._shared.compiled.buffers import (
    COST_GRADIENT,
    DELTA,
    OUTPUT,
    PARAMETER,
    SLOPE,
    WIDTH,
    A,
    Buffers,
    Z,
    address_of,
)
from formulations.backends._shared.compiled.compiler import compiled, compiled_sums
from formulations.backends._shared.compiled.elementwise import by_slope
from formulations.backends._shared.compiled.outputs import output_error
from formulations.backends._shared.compiled.products import add_outer_products, product
from formulations.backends._shared.compiled.training.updates import adam, momentum
from formulations.backends._shared.compiled.whole import forward_pass
from formulations.network import Network, Tape

__all__ = ["Steps"]

KINDS = ("descent", "momentum", "nesterov", "adam", "descent with l1")
"""Compiled code identifies each by its position."""

_DESCENT, _MOMENTUM, _NESTEROV, _ADAM, _DESCENT_WITH_L1 = range(len(KINDS))

X_ADDRESS, X_ROW, X_COLUMN, Y_ADDRESS, Y_ROW, Y_COLUMN, ORDER, SAMPLE_WEIGHT, LENGTH = range(9)
"""The entries of the table of what a call brings: the addresses of its arrays, the strides of X and Y in bytes, and the
length of the order. The address of the sample weights is 0 if there are none."""


class Vectors(NamedTuple):
    """What the steps change besides the tape: flat vectors over all parameters.

    Attributes
    ----------
    parameters, gradient : ndarray of shape (P,)
        The network's, and a buffer for ∂C/∂b of all layers, and for ∂C/∂w if the rule needs it.
    first, second : ndarray of shape (P,) or (0,)
        The velocity or the mean of the gradient, and the mean of its square; empty if the rule has none.
    taken : ndarray of int64 of shape (1,)
        The number of steps so far.
    """

    parameters: Array
    gradient: Array
    first: Array
    second: Array
    taken: Array


class Rule(NamedTuple):
    """A :class:`formulations.backends.StepRule` in numbers.

    Attributes
    ----------
    kind : int
        Its position in ``KINDS``.
    factors, rounded : ndarray
        Its factors, in float64 and in the network's dtype.
    l2, l1, per_batch : float, float, bool
        The penalty.
    """

    kind: int
    factors: Array
    rounded: Array
    l2: float
    l1: float
    per_batch: bool


class Steps:
    """The steps of one training run, see :class:`formulations.backends.CompiledSteps`.

    Parameters
    ----------
    network : Network
        Changed in place.
    tape : Tape
        Its buffers serve mini-batches of up to ``tape.m`` examples.
    buffers : Buffers
        Those of the network and the tape, with a compiled form of the cost.
    rule : StepRule
        How the gradient changes the parameters.
    """

    def __init__(self, network: Network, tape: Tape, buffers: Buffers, rule: StepRule) -> None:
        dtype, state = network.dtype, rule.state
        none = np.empty(0, dtype)
        self._buffers = buffers
        self._vectors = Vectors(
            network.vector,
            np.empty_like(network.vector),
            state.get("velocity", state.get("mean", none)),
            state.get("square", none),
            state.get("count", np.zeros((), np.int64)).reshape(1),
        )
        rounded = rule.factors.astype(dtype)
        kind = KINDS.index("descent with l1" if rule.kind == "descent" and rule.l1 else rule.kind)
        self._rule = Rule(kind, rule.factors, rounded, float(rule.l2), float(rule.l1), rule.per_batch)
        sizes = network.layout.sizes
        self._factor = np.array([tape.known_cost.factor.numerator, tape.known_cost.factor.denominator], dtype)
        self._batch = tuple(np.empty((tape.m, n), dtype) for n in (sizes[0], sizes[-1], 1))

    def __call__(
        self, X: Array, Y: Array, order: Array, sample_weight: Array | None, rate: Any, costs: Array, weights: Array
    ) -> None:
        """Take a step on each mini-batch."""
        order = np.ascontiguousarray(order, np.int64)
        of_examples = None if sample_weight is None else np.ascontiguousarray(sample_weight, np.float64)
        places = [number for array in (X, Y) for number in (address_of(array), *array.strides)]
        weights_at = 0 if of_examples is None else address_of(of_examples)
        given = np.array([*places, address_of(order), weights_at, len(order)], np.int64)
        tables = self._buffers.layers, self._buffers.outer, given
        _take(self._vectors, self._batch, tables, self._rule, float(rate), self._factor, costs, weights)


@compiled
def _take(
    vectors: Any, batch: Any, tables: Any, rule: Any, rate: float, factor: Array, costs: Array, weights: Array
) -> None:
    parameters, first, taken = vectors.parameters, vectors.first, vectors.taken
    layers, outer, given = tables
    m, number = len(batch[0]), parameters.dtype.type
    eta = number(rate)
    for step in range(len(costs)):
        start = step * m
        rows = min(m, given[LENGTH] - start)
        X, Y, shares = batch[0][:rows], batch[1][:rows], batch[2][:rows]
        weight = _gather(given, start, factor, costs, X, Y, shares)
        costs[step], weights[step] = 0.0, weight
        if weight == 0.0:
            continue
        divisor = weight if rule.per_batch else 1.0
        forward_pass(layers, X)
        cost = _descend(vectors, layers, outer, X, Y, shares, rule, rule.l2 / divisor, rule.l1 / divisor, eta)
        costs[step] = weight * cost
        if rule.kind == _MOMENTUM:
            for i in range(parameters.size):
                parameters[i] += first[i]
        elif rule.kind == _NESTEROV:
            momentum(parameters, vectors.gradient, first, rule.rounded[0], eta, True)
        elif rule.kind == _ADAM:
            taken[0] += 1
            correction = math.sqrt(1.0 - rule.factors[2] ** taken[0]) / (1.0 - rule.factors[0] ** taken[0])
            adam(parameters, vectors.gradient, first, vectors.second, rule.rounded, eta * number(correction))
        elif rule.kind == _DESCENT_WITH_L1:
            for i in range(parameters.size):
                parameters[i] -= eta * vectors.gradient[i]


@compiled
def _gather(given: Array, start: int, factor: Array, like: Array, X: Array, Y: Array, shares: Array) -> float:
    """Copy the examples of a mini-batch, write their shares times the cost's factor, and return their weight."""
    m = len(X)
    order = vector_at(given[ORDER], given[LENGTH], given)[start : start + m]
    weight, largest = float(m), -1
    if given[SAMPLE_WEIGHT] == 0:
        shares[:] = factor[0] / (factor[1] * shares.dtype.type(m))
    else:
        weight = 0.0
        for x in range(m):
            weight += _weight_of(given, order[x], like)
        if weight == 0.0:
            return weight
        largest = 0
        for x in range(m):
            shares[x, 0] = shares.dtype.type(_weight_of(given, order[x], like) / weight) * (factor[0] / factor[1])
            if shares[x, 0] > shares[largest, 0]:
                largest = x
    for x in range(m):
        # An example of share 0 is replaced by the one with the largest, as formulations.arrays.excluding does.
        row = order[largest] if largest >= 0 and shares[x, 0] == 0 else order[x]
        _copy_row(given[X_ADDRESS] + row * given[X_ROW], given[X_COLUMN], X[x])
        _copy_row(given[Y_ADDRESS] + row * given[Y_ROW], given[Y_COLUMN], Y[x])
    return weight


@compiled
def _weight_of(given: Array, row: int, like: Array) -> float:
    weight: float = vector_at(given[SAMPLE_WEIGHT] + row * like.itemsize, 1, like)[0]
    return weight


@compiled
def _copy_row(address: int, stride: int, out: Array) -> None:
    if stride == out.itemsize:
        source = vector_at(address, out.size, out)
        for i in range(out.size):
            out[i] = source[i]
    else:
        for i in range(out.size):
            out[i] = vector_at(address + i * stride, 1, out)[0]


@compiled
def _descend(
    vectors: Any,
    layers: Array,
    outer: Array,
    X: Array,
    Y: Array,
    shares: Array,
    rule: Any,
    l2: float,
    l1: float,
    eta: Any,
) -> float:
    """Return C with the penalty, and update the layers from the last down, as far as products can.

    Descent is then complete, momentum has its velocity, and the other rules have the gradient.
    """
    parameters, gradient, kind = vectors.parameters, vectors.gradient, rule.kind
    m, last, number = X.shape[0], len(layers) - 1, parameters.dtype.type
    zero, one = number(0), number(1)
    target, alpha, kept, decay = gradient, one, zero, zero
    if kind == _DESCENT:
        target, alpha, kept, decay = parameters, -eta, one, -eta * number(l2)
    elif kind == _MOMENTUM:
        target, alpha, kept = vectors.first, -eta, rule.rounded[0]
    end, n = parameters.size, layers[last, WIDTH]
    z, a = matrix_at(layers[last, Z], m, n, X), matrix_at(layers[last, A], m, n, X)
    slope = matrix_at(layers[last, SLOPE], m, n, X)
    G, delta = matrix_at(outer[COST_GRADIENT], m, n, X), matrix_at(layers[last, DELTA], m, n, X)
    limit = vector_at(layers[last, PARAMETER], 1, X)[0]
    cost = float(output_error(outer[OUTPUT], limit, z, a, slope, Y, shares, G, delta, gradient[end - n :]))
    for l in range(last, -1, -1):
        n, n_below = layers[l, WIDTH], layers[l - 1, WIDTH] if l > 0 else X.shape[1]
        begin, of_biases = end - n * (n_below + 1), end - n
        w = parameters[begin:of_biases]
        delta, below = matrix_at(layers[l, DELTA], m, n, X), X
        if l > 0:
            below, slope = matrix_at(layers[l - 1, A], m, n_below, X), matrix_at(layers[l - 1, SLOPE], m, n_below, X)
            pulled = matrix_at(layers[l - 1, DELTA], m, n_below, X)
            product(delta, w.reshape(n, n_below), pulled)
            by_slope(pulled, slope, pulled, gradient[begin - n_below : begin])
        if l2 != 0.0:
            cost += 0.5 * l2 * float(_squares(w))
        if l1 != 0.0:
            cost += l1 * float(_magnitudes(w))
        of_weights, spare = target[begin:of_biases], gradient[begin:of_biases].reshape(n, n_below)
        add_outer_products(alpha, delta, below, kept, decay, of_weights.reshape(n, n_below), spare)
        if kind != _DESCENT and (l2 != 0.0 or l1 != 0.0):
            _penalise(of_weights, w, alpha * number(l2), alpha * number(l1))
        if kind in (_DESCENT, _MOMENTUM):
            for i in range(of_biases, end):
                target[i] = kept * target[i] + alpha * gradient[i]
        end = begin
    return cost


@compiled
def _penalise(target: Array, w: Array, of_square: Any, of_magnitude: Any) -> None:
    """Add multiples of w and of its sign, which is NaN for NaN."""
    zero, one = w.dtype.type(0), w.dtype.type(1)
    for i in range(w.size):
        u = w[i]
        sign = one if u > zero else (-one if u < zero else u)
        target[i] += of_square * u + of_magnitude * sign


@compiled_sums
def _squares(w: Array) -> Any:
    total = w.dtype.type(0)
    for i in range(w.size):
        total += w[i] * w[i]
    return total


@compiled_sums
def _magnitudes(w: Array) -> Any:
    total = w.dtype.type(0)
    for i in range(w.size):
        total += abs(w[i])
    return total
