r"""P, the bound of difference quotients: their truncation and roundoff.

.. math::

    |D_h - \nabla C| \le \max(2\|D_h - D_{2h}\|_\infty, \|D_{2h} - D_{4h}\|_\infty) + \frac{c\,\varepsilon_C}{h} + E

The truncation error of order p is 2^p − 1 times smaller than D_h − D_{2h}. If σ″ jumps, as that of elu does, the order
falls to 1. All three quotients are computed afresh, so that a fault in the candidate cannot widen its bound, and only
if the rest of the bound, which needs no further passes, is exceeded. There are two estimates, and the norm runs over a
layer, because a single difference can vanish by accident. E is the bound of T4, and ε_C is the roundoff of the cost,
each rounding weighted by its effect on C,

.. math::

    \varepsilon_C = \sum_l |\delta^l| \cdot \gamma_{n+2} (|w^l| |a^{l-1}| + |b^l|)
                    + \sum_l \left|\frac{\partial C}{\partial a^l}\right| \cdot 8u (|a^l| + M^l |z^l|)
                    + \gamma |C|,

h is the parameter's step. If weighted inputs are perturbed, whose δ is multiplied by a, it is the step over max(1,
|a|). M is |Σ′|, or what rounding acts on in it, and c is 2 for a cost that is perturbed on both sides and 4 for one
side, twice the effect of two evaluations.

Two things make a difference in a layer and all layers below inconclusive, never "different": a unit nearer to a kink
than the steps can move it, whose quotient is the slope of neither side, and a unit that the steps move so far that no
estimate holds. A candidate whose step cannot be doubled has no bound. Agreement within the bound stays agreement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from formulations.arrays import Array, Precision, gamma
from formulations.backends import Backend, Scheme, step_sizes
from formulations.functions import Activation
from formulations.network import Gradient, Tape
from formulations.verification.oracles import Reference, magnitudes, outer, shares_of, through, widened
from formulations.verification.tolerances.activations import activation_bounds
from formulations.verification.tolerances.propagation import propagate_bounds
from formulations.verification.tolerances.verdict import Check, gradient_checks

__all__ = ["Quotients", "cost_roundoff", "perturbation_checks", "quotients_of", "undecidable"]

STEEP = 8.0
r"""A change of σ″ by more than this many steps is a jump: that of tanh, the steepest, changes by up to 4."""

FAR = 1.0
"""The farthest that z may move for the truncation to be estimated: activations bend over lengths of 1."""


@dataclass(frozen=True)
class Quotients:
    """The difference quotients of a candidate, for any step.

    Attributes
    ----------
    scheme : Scheme
        The difference scheme: its order and evaluations.
    step : float
        The candidate's step, in units of max(1, |θ|).
    at : callable (float) -> ndarray of shape (P + N,)
        Computes the gradient by the same formulation with another relative step.
    """

    scheme: Scheme
    step: float
    at: Callable[[float], Array]


def quotients_of(backend: Backend, tape: Tape) -> Quotients | None:
    """Return the difference quotients that a backend takes of this tape's examples; None if it takes none."""
    found = backend.difference()
    if found is None:
        return None

    def at(step: float) -> Array:
        fresh, other = Tape(tape.network, tape.cost, tape.m), found.with_step(step)
        gradient: Gradient = other.ready(tape.network, fresh)
        fresh.load(tape.X, tape.Y, tape.shares)
        other.gradient(tape.network, fresh, gradient)
        return gradient.vector

    return Quotients(found.scheme, found.relative_step or found.scheme.relative_step(tape.network.dtype), at)


def perturbation_checks(
    tape: Tape, gradient: Gradient, reference: Reference, quotients: Quotients | None
) -> list[Check]:
    """Return the checks of ∂C/∂w^l and ∂C/∂b^l, from the output backwards.

    Parameters
    ----------
    tape : Tape
        Supplies the network, the examples and the cost.
    gradient : Gradient
        The difference quotients.
    reference : Reference
        The reference for the same examples.
    quotients : Quotients or None
        The candidate's quotients for other steps; without them the bound is infinite.

    Returns
    -------
    list of Check
    """
    layout = tape.network.layout
    if quotients is None:
        bound, excuses = np.full(layout.count, np.inf), [""] * len(layout.slices)
    else:
        bound = _bound(quotients, tape, gradient, reference)
        excuses = undecidable(tape, reference, 2 * quotients.scheme.reach * quotients.step)
    checks = []
    for i in range(len(layout.slices) - 1, -1, -1):
        references, limits = ([array[part] for part in layout.slices[i]] for array in (reference.vector, bound))
        checks += gradient_checks(gradient, i, references, limits, excuse=excuses[i])
    return checks


def _bound(quotients: Quotients, tape: Tape, gradient: Gradient, reference: Reference) -> Array:
    scheme, step, forward = quotients.scheme, quotients.step, propagate_bounds(reference)
    if gradient.errors is None:
        h = step_sizes(tape.network.vector, scheme, step).astype(reference.dtype)
    else:
        h = _node_steps(tape, reference, step)
    bound: Array = 2 * scheme.roundoff * cost_roundoff(tape, reference) / h
    for i, (of_weights, of_biases) in enumerate(tape.network.layout.slices):
        bound[of_weights] += forward.weights[i]
        bound[of_biases] += forward.biases[i]
    if not (np.abs(gradient.vector - reference.vector) <= bound).all():
        once, twice, fourfold = (quotients.at(multiple * step) for multiple in (1, 2, 4))
        bound += np.maximum(2 * _largest_by_layer(once - twice, tape), _largest_by_layer(twice - fourfold, tape))
    return bound


def _node_steps(tape: Tape, reference: Reference, step: float) -> Array:
    """Return for each parameter the smallest step that a perturbation of z means for it: for w_jk, 1/a_k of it."""
    layout = tape.network.layout
    h = np.full(layout.count, step, reference.dtype)
    for i, (of_weights, _) in enumerate(layout.slices):
        largest = np.maximum(1, np.abs(reference.activations[i]).max(axis=0, keepdims=True))
        h[of_weights] /= outer(np.ones((1, layout.sizes[i + 1]), reference.dtype), largest, layout, i)
    return h


def _largest_by_layer(change: Array, tape: Tape) -> Array:
    largest = np.empty_like(change)
    for of_weights, of_biases in tape.network.layout.slices:
        layer = slice(of_weights.start, of_biases.stop)
        largest[layer] = np.max(np.abs(change[layer]))
    return largest


def undecidable(
    tape: Tape,
    reference: Reference,
    relative: float,
    *,
    moves: Literal["parameter", "parameters", "inputs"] = "parameter",
    of_slopes: bool = False,
) -> list[str]:
    """Return for each layer why the steps make a difference inconclusive, in it or above it; empty if they do not.

    Parameters
    ----------
    tape : Tape
        Supplies the network.
    reference : Reference
        The reference for the same examples.
    relative : float
        The longest step, in units of max(1, |θ|).
    moves : {"parameter", "parameters", "inputs"}
        What a step moves: one parameter of a layer, all of them, or the inputs.
    of_slopes : bool
        Whether slopes are differenced, too, so that a jump of σ″ counts as a kink.
    """
    network, precision = tape.network, Precision(tape.network.dtype, reference.dtype)
    found = []
    moved = np.zeros_like(reference.activations[0])
    if moves == "inputs":
        moved = relative * np.maximum(1, np.abs(reference.activations[0]))
    for i, activation in enumerate(network.activations):
        weights = magnitudes(network.weights[i : i + 1], reference.dtype)[0]
        part = network.layout.slices[i]
        largest = relative * max(1, float(np.max(np.abs(network.vector[part[0].start : part[1].stop]))))
        below = np.abs(reference.activations[i])
        # A weight moves z by its step times one activation, all weights by the sum, and the bias by its step.
        terms = {
            "parameter": np.maximum(1, below.max(axis=1, keepdims=True)),
            "parameters": 1 + (below + moved).sum(axis=1, keepdims=True),
            "inputs": 0,
        }
        distance = moved @ weights.T + largest * terms[moves]
        z = reference.weighted_inputs[i]
        # A formulation that perturbs z moves it in proportion to its size.
        distance = np.maximum(distance, relative * np.maximum(1, np.abs(z)))
        jump = _unit_at_jump(i + 2, activation, z, distance) if of_slopes else ""
        found.append(jump or _unit_out_of_bounds(i + 2, activation, z, distance))
        moved = activation_bounds(activation, z, distance, precision)[0].astype(reference.dtype)
    for i in range(len(found) - 2, -1, -1):
        found[i] = found[i] or found[i + 1]
    return found


def _unit_at_jump(l: int, activation: Activation, z: Array, distance: Array) -> str:
    """Return which unit can be carried across a jump of its curvature; empty if none can, or if it is unknown."""
    if activation.coupled or not activation.has_curvature:
        return ""
    change = np.abs(activation.curvature(z + distance) - activation.curvature(z - distance))
    near = change > STEEP * distance
    if not near.any():
        return ""
    x, j = np.argwhere(near)[0]
    return f"the step may carry unit {j} of layer {l} across a jump of σ″ in example {x} (z = {z[x, j]:.3g})"


def _unit_out_of_bounds(l: int, activation: Activation, z: Array, distance: Array) -> str:
    for j in range(z.shape[1]):
        for kink in activation.neuron(j).kinks:
            near = np.abs(z[:, j] - kink) <= distance[:, j]
            if near.any():
                x = int(np.argmax(near))
                return (
                    f"unit {j} of layer {l} is too close to a kink for the step in example {x} "
                    f"(z = {z[x, j]:.3g}, kink at {kink:.3g})"
                )
    far = ~(distance <= FAR)
    if far.any():
        j = int(np.argmax(far.any(axis=0)))
        largest = distance[:, j].max()
        return f"the step moves unit {j} of layer {l} by up to {largest:.3g}, too far to estimate the truncation"
    return ""


def cost_roundoff(tape: Tape, reference: Reference) -> float:
    """Return ε_C, the bound of the roundings of one forward pass, each weighted by its effect on C."""
    network, wide = tape.network, reference.dtype
    u, errors = Precision(network.dtype, wide).u, reference.errors or ()
    weights, absolute = widened(network.weights, wide), magnitudes(network.weights, wide)
    # ∂C/∂a of each layer. If C is computed from z^L, only its own rounding is left at the output.
    of_outputs = [error @ w for error, w in zip(errors[1:], weights[1:], strict=True)] + [reference.cost_gradient]
    total = wide.type(0)
    for i, (error, of_output) in enumerate(zip(errors, of_outputs, strict=True)):
        below, z, a = reference.activations[i], reference.weighted_inputs[i], reference.activations[i + 1]
        summed = np.abs(below) @ absolute[i].T + np.abs(network.biases[i])
        total += gamma(below.shape[1] + 2, u) * (np.abs(error) * summed).sum()
        # Rounding an exponent moves z by up to 8u|z|, or 8u times the largest |z| if activations are coupled.
        total += 8 * u * (np.abs(of_output) * np.abs(a)).sum()
        total += 8 * u * (through(reference.slopes[i].acted_on, np.abs(of_output)) * np.abs(z)).sum()
    outputs, targets = reference.activations[-1], tape.targets.astype(wide)
    total += 4 * u * (np.abs(reference.cost_gradient) * (np.abs(outputs) + np.abs(targets))).sum()
    if network.activations[-1].coupled and tape.combined is not None:
        # The logarithm of a sum minus z: both are rounded, and C may be much smaller than either.
        largest = np.abs(reference.weighted_inputs[-1]).max(axis=1, keepdims=True) + 1
        total += 8 * u * (np.abs(targets) * largest * shares_of(tape, wide)).sum()
    total += gamma(outputs.shape[1] + tape.m + 16, u) * abs(reference.cost)
    return float(total + np.finfo(network.dtype).smallest_normal)
