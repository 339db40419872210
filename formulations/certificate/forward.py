r"""T4: candidates with a forward pass of their own, judged by bounds that are propagated through both passes.

With E the bound of a quantity's error, componentwise, beside a reference in the next higher precision:

.. math::

    E_z &= |w| E_a + \gamma_{n+2} (|w| (|a| + E_a) + |b|) \\
    E_a &= \max_\pm |\sigma(z \pm E'_z) - \sigma(z)| + 8u |a|, \qquad E'_z = E_z + 8u |z| \\
    E_d &= \max_\pm |\sigma'(z \pm E'_z) - \sigma'(z)| + 8u (|d| + |a|) \\
    E_\delta^l &= |d| E_s + |s| E_d + E_s E_d + 2u (|d| + E_d)(|s| + E_s), \qquad s = w^T \delta^{l+1} \\
    E_{\partial w} &= E_\delta |a|^T + |\delta| E_a^T + E_\delta E_a^T + \gamma_{m+3} (|\delta| + E_\delta)(|a| + E_a)^T

Up to a distance of 1/4 the functions are evaluated at both ends of the interval instead of by their curvature. For a
monotone function that is its exact reach; it is never wider than the mean value theorem's, needs no σ″ of a function
handed in by a user, and sees kinks, where a curvature formula (σ″ = 0 on both sides of relu's) is wrong.
Farther away a function can turn and come back, so that sup|σ″|E_z is added to E_d, and E_a is (|d| + E_d)E_z. The 8u|z|
stands for the rounding of an exponent such as z²/2. Candidates that take σ′ as a(1 − a) are within 8u(|d| + |a|).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from formulations.activations import Activation
from formulations.certificate.algebra import magnitudes, outer, shares_of
from formulations.certificate.reference import Reference
from formulations.certificate.roundoff import Precision, gamma
from formulations.certificate.verdict import Check, error_check, gradient_checks
from formulations.exceptions import FormulationsException
from formulations.parameters import Array, Gradient
from formulations.tape import Tape

__all__ = ["ForwardBounds", "forward_checks", "propagate_bounds"]

NEAR = 0.25
"""Up to here the ends of an interval of z say how far a function moves in it: activations bend over lengths of 1."""


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
        reach, floor = a + of_a[i], precision.tiny * (tape.m + 3)
        weights.append(
            outer(of_delta, reach, layout, i)
            + outer(delta, of_a[i], layout, i)
            + factor * outer(delta + of_delta, reach, layout, i)
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
        z, u = reference.weighted_inputs[i], precision.u + 2 * (precision.sides - 1) * precision.u
        moved_a, moved_d = _reach(activation, z, e + 8 * precision.u * np.abs(z))
        a, d = magnitudes((reference.activations[i + 1], reference.slopes[i]), working)
        # Where an activation fades out it may reach zero early, by the smallest normal number or z times it.
        faded = 8 * precision.tiny * (1 + np.abs(z).astype(working))
        of_a.append(_within_range(moved_a.astype(working) + 8 * u * a + faded, a, precision))
        of_d.append(_within_range(moved_d.astype(working) + 8 * u * (d + a) + faded, d, precision))
    return of_a, of_d


def _reach(activation: Activation, z: Array, e: Array) -> tuple[Array, Array]:
    """Return how far value and slope move when z moves by e either way."""
    ends = []
    for at in (z, z + e, z - e):
        value, slope = np.empty_like(z), np.empty_like(z)
        activation.evaluate(at, value, slope)
        ends.append((value, slope))
    (value, slope), (value_up, slope_up), (value_down, slope_down) = ends
    of_a = np.maximum(np.abs(value_up - value), np.abs(value_down - value))
    of_d = np.maximum(np.abs(slope_up - slope), np.abs(slope_down - slope))
    # A function can turn between far ends, and come back to where it was: there its largest curvature decides.
    curvature = np.inf if activation.curvature_bound is None else activation.curvature_bound
    far_d = of_d + curvature * e
    far = ~(e <= NEAR)
    return np.where(far, (np.abs(slope) + far_d) * e, of_a), np.where(far, far_d, of_d)


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
    (of_a, of_d), working, u = moved, precision.working, precision.u
    deltas, slopes = magnitudes(reference.errors, working), magnitudes(reference.slopes, working)
    e = _of_output_error(tape, reference, of_a[-1], of_d[-1], precision)
    errors = [e]
    # One example at a time, the share comes last.
    shares = shares_of(tape, working)
    alone = 1 / np.where(shares > 0, shares, 1)
    for l in range(len(slopes), 1, -1):
        w, d, n = absolute[l - 1], slopes[l - 2], deltas[l - 1].shape[1]
        s = np.abs((reference.errors or ())[l - 1].astype(working) @ tape.network.weights[l - 1].astype(working))
        pulled = e @ w
        size = deltas[l - 1] @ w + pulled
        of_s = pulled + gamma(n + 2, u) * size
        of_s = _within_range(of_s, size * alone, precision)
        e = d * of_s + s * of_d[l - 2] + of_s * of_d[l - 2] + 2 * u * (d + of_d[l - 2]) * (s + of_s)
        e = _within_range(e + precision.tiny * (n + 2) * (1 + d), deltas[l - 2] * alone, precision)
        errors.append(e)
    return errors[::-1]


def _of_output_error(tape: Tape, reference: Reference, of_a: Array, of_d: Array, precision: Precision) -> Array:
    working, u = precision.working, precision.u
    output, targets = magnitudes((reference.activations[-1], np.asarray(tape.Y)), working)
    shares = shares_of(tape, working)
    if tape.fused is not None:
        return np.asarray((of_a + gamma(5, u) * (output + targets)) * shares + precision.tiny)
    cost = tape.cost
    wide_targets = np.asarray(tape.Y, precision.wide)

    def gradient_of(outputs: Array) -> Array:
        result = np.zeros_like(outputs)
        if cost is not None:
            cost.evaluate(outputs, wide_targets, result)
        result *= shares
        return result

    big, d = magnitudes((reference.cost_gradient, reference.slopes[-1]), working)
    e = of_a + 4 * u * (output + targets)
    of_g = _reach_by_coordinate(gradient_of, reference.activations[-1], e).astype(working) + 8 * u * big
    of_g = _within_range(of_g, big / np.where(shares > 0, shares, 1), precision)
    e = d * of_g + big * of_d + of_g * of_d + gamma(5, u) * (d + of_d) * (big + of_g)
    return _within_range(e + precision.tiny * (5 + d), d * big / np.where(shares > 0, shares, 1), precision)


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
