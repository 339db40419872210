r"""T4: candidates with a forward pass of their own, judged by bounds that are propagated through both passes.

With E the bound of a quantity's error, componentwise, beside a reference in the next higher precision:

.. math::

    E_z &= |w| E_a + \gamma_{n+2} (|w| (|a| + E_a) + |b|) \\
    E_a &= \max_\pm |\sigma(z \pm E'_z) - \sigma(z)| + 8u |a|, \qquad E'_z = E_z + 8u |z| \\
    E_d &= \max_\pm |\sigma'(z \pm E'_z) - \sigma'(z)| + 8u (|d| + |a|) \\
    E_\delta^l &= |d| E_s + |s| E_d + E_s E_d + 2u (|d| + E_d)(|s| + E_s), \qquad s = w^T \delta^{l+1} \\
    E_{\partial w} &= E_\delta |a|^T + |\delta| E_a^T + E_\delta E_a^T + \gamma_{m+3} (|\delta| + E_\delta)(|a| + E_a)^T

A coupled slope is a matrix, and so is its E_d: the products with d and E_d are then those with the transposed
blocks, with γ_{n+7} for 2u. What E_a and E_d are for each kind of activation, :mod:`formulations.certificate.reach`
says. Where the output is fused, E_δ = s(y)E_a + γ_k (|s(y)a| + |y|) times the example's share, with k = 5, or n_L + 5
where s(y) is a sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.certificate.algebra import magnitudes, outer, shares_of, through, widened
from formulations.certificate.reach import reach
from formulations.certificate.reference import Reference
from formulations.certificate.roundoff import Precision, gamma
from formulations.certificate.verdict import Check, error_check, gradient_checks
from formulations.costs import Cost, FusedOutput
from formulations.exceptions import FormulationsException
from formulations.parameters import Array, Gradient
from formulations.tape import Tape

__all__ = ["ForwardBounds", "forward_checks", "local_forward_checks", "propagate_bounds"]


@dataclass(frozen=True)
class ForwardBounds:
    """How far another forward and backward pass can be from the reference.

    Attributes
    ----------
    errors, weights, biases : list of ndarray
        E of δ^l, shape (m, n_l), of ∂C/∂w^l (as it lies in the flat vector) and of ∂C/∂b^l, at ``[l-2]``.
    """

    errors: list[Array]
    weights: list[Array]
    biases: list[Array]


def forward_checks(tape: Tape, gradient: Gradient, reference: Reference) -> list[Check]:
    """Return the checks of δ^l, ∂C/∂w^l and ∂C/∂b^l, from the output backwards.

    Parameters
    ----------
    tape : Tape
        Its network, examples and cost are read, not what a forward pass left there.
    gradient : Gradient
        With or without errors.
    reference : Reference
        For the same examples.

    Returns
    -------
    list of Check
    """
    bounds = propagate_bounds(tape, reference)
    last = len(bounds.errors) - 1
    pairs = list(zip(gradient.errors or (), reference.errors or (), bounds.errors, strict=False))
    checks = [error_check(i + 2, "δ", *pairs[i]) for i in range(len(pairs) - 1, -1, -1)]
    for i in range(last, -1, -1):
        references = [reference.vector[part] for part in tape.network.layout.slices[i]]
        limits = bounds.weights[i], bounds.biases[i]
        checks += gradient_checks(gradient, i, ("∂C/∂w", "∂C/∂b"), references, limits)
    return checks


def local_forward_checks(tape: Tape, gradient: Gradient, reference: Reference) -> list[Check]:
    """Return the checks of (BP1), (BP2), (BP4) and (BP3), each on the candidate's own δ of the layer above.

    The forward pass is the candidate's, and known to E_a and E_d; the way back is judged equation by equation, so that
    a fault is found in one layer alone, and the bound does not grow on the way.

    Parameters
    ----------
    tape, gradient, reference
        As in :func:`forward_checks`; the gradient with its errors.

    Returns
    -------
    list of Check
        None where there are no errors.
    """
    precision, layout = Precision(tape.network.dtype, reference.dtype), tape.network.layout
    working, both, errors = precision.working, precision.sides, gradient.errors
    if errors is None:
        return []
    absolute = magnitudes(tape.network.weights, working)
    of_a, of_d = _forward(tape, reference, absolute, precision)
    e = _of_last(tape, reference, of_a[-1], of_d[-1], precision)
    checks = [error_check(layout.last, "BP1", errors[-1], (reference.errors or ())[-1], both * e)]
    weights = widened(tape.network.weights, reference.dtype)
    for l in range(layout.last - 1, 1, -1):
        above = errors[l - 1].astype(reference.dtype)
        expected = through(reference.slopes[l - 2].matrix, above @ weights[l - 1])
        nothing = np.zeros(above.shape, working)
        e = _of_hidden(tape, reference, absolute[l - 1], of_d[l - 2], l, above, nothing, precision)
        e = _within_range(e, np.abs(expected).astype(working) * _alone(tape, precision), precision)
        checks.append(error_check(l, "BP2", errors[l - 2], expected, both * e))
    factor, floor = gamma(tape.m + 3, precision.u), precision.tiny * (tape.m + 3)
    for i in reversed(range(len(errors))):
        delta, a = errors[i].astype(reference.dtype), reference.activations[i]
        size, a_size = magnitudes((errors[i], a), working)
        bounds = (
            both * (outer(size, of_a[i] + factor * (a_size + of_a[i]), layout, i) + floor),
            both * (factor * size.sum(axis=0) + floor),
        )
        checks += gradient_checks(gradient, i, ("BP4", "BP3"), (outer(delta, a, layout, i), delta.sum(axis=0)), bounds)
    return checks


def propagate_bounds(tape: Tape, reference: Reference) -> ForwardBounds:
    """Propagate first-order bounds forward and back, for candidate and reference together."""
    precision = Precision(tape.network.dtype, reference.dtype)
    absolute = magnitudes(tape.network.weights, precision.working)
    of_a, of_d = _forward(tape, reference, absolute, precision)
    errors = _backward(tape, reference, absolute, (of_a, of_d), precision)
    layout, factor = tape.network.layout, gamma(tape.m + 3, precision.u)
    deltas = magnitudes(reference.errors, precision.working)
    weights, biases = [], []
    for i, (of_delta, delta) in enumerate(zip(errors, deltas, strict=True)):
        a = np.abs(reference.activations[i]).astype(precision.working)
        largest, floor = a + of_a[i], precision.tiny * (tape.m + 3)
        weights.append(
            outer(of_delta, largest, layout, i)
            + outer(delta, of_a[i], layout, i)
            + factor * outer(delta + of_delta, largest, layout, i)
            + floor
        )
        biases.append(of_delta.sum(axis=0) + factor * (delta + of_delta).sum(axis=0) + floor)
    both = precision.sides
    return ForwardBounds(
        [both * e for e in errors],
        [both * w for w in weights],
        [both * b for b in biases],
    )


def _forward(
    tape: Tape, reference: Reference, absolute: list[Array], precision: Precision
) -> tuple[list[Array], list[Array]]:
    network, working = tape.network, precision.working
    of_a, of_d = [np.zeros(reference.activations[0].shape, working)], list[Array]()
    for i, (w, activation) in enumerate(zip(absolute, network.activations, strict=True)):
        n = network.layout.sizes[i]
        below = np.abs(reference.activations[i]).astype(working)
        size = (below + of_a[-1]) @ w.T + np.abs(network.biases[i]).astype(working)
        e = of_a[-1] @ w.T + gamma(n + 2, precision.u) * size + precision.tiny * (n + 2)
        e = _within_range(e, size, precision)
        moved_a, moved_d = reach(activation, reference.weighted_inputs[i], e, precision)
        a = np.abs(reference.activations[i + 1]).astype(working)
        of_a.append(_within_range(moved_a, a, precision))
        of_d.append(_within_range(moved_d, reference.slopes[i].size, precision))
    return of_a, of_d


def _within_range(e: Array, size: Array, precision: Precision) -> Array:
    """Return the bound, infinite beyond the largest number, where the candidate's arithmetic is another one."""
    return np.where(size + e <= precision.largest, e, np.inf)


def _backward(
    tape: Tape,
    reference: Reference,
    absolute: list[Array],
    moved: tuple[list[Array], list[Array]],
    precision: Precision,
) -> list[Array]:
    of_a, of_d = moved
    deltas = magnitudes(reference.errors, precision.working)
    e = _of_last(tape, reference, of_a[-1], of_d[-1], precision)
    errors = [e]
    for l in range(len(deltas), 1, -1):
        e = _of_hidden(tape, reference, absolute[l - 1], of_d[l - 2], l, (reference.errors or ())[l - 1], e, precision)
        errors.append(_within_range(e, deltas[l - 2] * _alone(tape, precision), precision))
    return errors[::-1]


def _of_hidden(
    tape: Tape,
    reference: Reference,
    w: Array,
    d: Array,
    l: int,
    above: Array,
    of_above: Any,
    precision: Precision,
) -> Array:
    """Return the bound of δ^l, by (BP2) from a δ^{l+1} that is known to ``of_above``; w is |w^{l+1}|, and d is E_d."""
    working, u, slope, n = precision.working, precision.u, reference.slopes[l - 2], above.shape[1]
    s = np.abs(above.astype(working) @ tape.network.weights[l - 1].astype(working))
    pulled = of_above @ w
    size = np.abs(above).astype(working) @ w + pulled
    of_s = pulled + gamma(n + 2, u) * size
    of_s = _within_range(of_s, size * _alone(tape, precision), precision)
    rounding = gamma(2 + slope.roundings, u) * through(slope.acted_on + d, s + of_s)
    e = through(slope.size, of_s) + through(d, s + of_s) + rounding
    return np.asarray(e + precision.tiny * (n + 2) * (1 + slope.gain))


def _of_last(tape: Tape, reference: Reference, of_a: Array, of_d: Array, precision: Precision) -> Array:
    if tape.fused is not None:
        return _of_fused_output(tape.fused, tape, reference, of_a, precision)
    return _of_output(tape, reference, of_a, of_d, precision)


def _alone(tape: Tape, precision: Precision) -> Array:
    """Return what turns an example's part into its gradient alone: one example at a time, the share comes last."""
    shares = shares_of(tape, precision.working)
    alone: Array = 1 / np.where(shares > 0, shares, 1)
    return alone


def _of_fused_output(fused: FusedOutput, tape: Tape, reference: Reference, of_a: Array, precision: Precision) -> Array:
    output, targets = magnitudes((reference.activations[-1], tape.targets), precision.working)
    k = 5
    if fused.scale is not None:
        scale = np.abs(fused.scale(targets))
        output, of_a, k = scale * output, scale * of_a, targets.shape[1] + 5
    shares = shares_of(tape, precision.working)
    e: Array = (of_a + gamma(k, precision.u) * (output + of_a + targets)) * shares + precision.tiny
    return e


def _of_output(tape: Tape, reference: Reference, of_a: Array, of_d: Array, precision: Precision) -> Array:
    u, slope = precision.u, reference.slopes[-1]
    output, targets = magnitudes((reference.activations[-1], tape.targets), precision.working)
    big = np.abs(reference.cost_gradient).astype(precision.working)
    gradient_of = _cost_gradient(tape.cost, tape, precision)
    e = of_a + 4 * u * (output + targets)
    of_g = _reach_by_coordinate(gradient_of, reference.activations[-1], e).astype(precision.working) + 8 * u * big
    of_g = _within_range(of_g, big * _alone(tape, precision), precision)
    rounding = gamma(5 + slope.roundings, u) * through(slope.acted_on + of_d, big + of_g)
    e = through(slope.size, of_g) + through(of_d, big + of_g) + rounding + precision.tiny * (5 + slope.gain)
    return _within_range(e, through(slope.size, big) * _alone(tape, precision), precision)


def _cost_gradient(cost: Cost | None, tape: Tape, precision: Precision) -> Callable[[Array], Array]:
    targets, shares = tape.targets.astype(precision.wide), shares_of(tape, precision.wide)

    def gradient_of(outputs: Array) -> Array:
        result = np.zeros_like(outputs)
        if cost is not None:
            cost.evaluate(outputs, targets, result)
        result *= shares
        return result

    return gradient_of


def _reach_by_coordinate(function: Callable[[Array], Array], at: Array, e: Array) -> Array:
    """Return how far a function of each example's outputs moves, summed over moving every output by itself."""
    base = function(at)
    total = np.zeros_like(base)
    for j in range(at.shape[1]):
        ends = []
        for sign in (1, -1):
            moved = at.copy()
            moved[:, j] += sign * e[:, j]
            try:
                ends.append(np.abs(function(moved) - base))
            except FormulationsException:
                # The end of the cost's domain is nearer than the outputs' bound.
                ends.append(np.full_like(base, np.inf))
        total += np.maximum(*ends)
    return total
