r"""P: difference quotients, judged by their own truncation and roundoff.

.. math::

    |D_h - \nabla C| \le \max(2\|D_h - D_{2h}\|_\infty, \|D_{2h} - D_{4h}\|_\infty) + \frac{c\,\varepsilon_C}{h} + E

The truncation error of order p is 2^p − 1 times smaller than D_h − D_{2h}; where σ″ jumps, as elu's does, the order
falls to 1. All three are computed afresh, so that a fault in the candidate cannot widen the bound that judges it, and
only where the rest alone, which needs no further passes, is exceeded. There are two estimates, and the norm runs over a
layer, because a single one can vanish by accident. E is the bound of T4, and ε_C is the roundoff of the cost, each
rounding weighted by what it does to C,

.. math::

    \varepsilon_C = \sum_l |\delta^l| \cdot \gamma_{n+2} (|w^l| |a^{l-1}| + |b^l|)
                    + \sum_l \left|\frac{\partial C}{\partial a^l}\right| \cdot 8u (|a^l| + |d^l z^l|) + \gamma |C|,

with c = 2 for a cost that is perturbed on both sides and 4 on one: twice what two evaluations can do.

Two things make a difference undecidable, never "different", in a layer and all below it: a unit nearer to a kink than
the steps can move it, which answers for a slope that is on neither side, and a unit that they move so far that no
estimate holds. A backend whose step cannot be doubled has no bound. Agreement within the bound stays agreement.
"""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from typing import Any

import numpy as np

from formulations.activations import Activation
from formulations.certificate.algebra import magnitudes, widened
from formulations.certificate.forward import propagate_bounds
from formulations.certificate.reference import Reference
from formulations.certificate.roundoff import Precision, gamma
from formulations.certificate.verdict import Check, gradient_checks
from formulations.contract import Backend
from formulations.one_at_a_time import OneAtATime
from formulations.parameters import Array, Gradient
from formulations.perturb import SCHEMES, Scheme, steps
from formulations.tape import Tape

__all__ = ["cost_roundoff", "perturbation_checks"]

FAR = 1.0
"""How far z may move for the truncation to be estimated: activations bend over lengths of 1."""


def perturbation_checks(backend: Backend, tape: Tape, gradient: Gradient, reference: Reference) -> list[Check]:
    """Return the checks of ∂C/∂w^l and ∂C/∂b^l, from the output backwards.

    Parameters
    ----------
    backend : Backend
        With the fields ``scheme`` and ``step``, alone or one example at a time; without them no bound is finite.
    tape : Tape
        Its network, examples and cost are read.
    gradient : Gradient
        The difference quotients.
    reference : Reference
        For the same examples.

    Returns
    -------
    list of Check
    """
    layout = tape.network.layout
    inner = backend.backend if isinstance(backend, OneAtATime) else backend
    if _adjustable(inner):
        bound = _bound(backend, inner, tape, gradient, reference)
        excuses = _undecidable(tape, reference, 2 * _relative_step(inner, tape))
    else:
        bound, excuses = np.full(layout.count, np.inf), [""] * len(layout.slices)
    checks = []
    for i in range(len(layout.slices) - 1, -1, -1):
        references, limits = ([array[part] for part in layout.slices[i]] for array in (reference.vector, bound))
        checks += gradient_checks(gradient, i, ("∂C/∂w", "∂C/∂b"), references, limits, excuses[i])
    return checks


def _bound(backend: Backend, inner: Backend, tape: Tape, gradient: Gradient, reference: Reference) -> Array:
    theta, forward = tape.network.vector, propagate_bounds(tape, reference)
    scheme, relative = _scheme(inner), _relative_step(inner, tape)

    def with_step(multiple: int) -> Array:
        wider: Any = replace(inner, step=multiple * relative)  # type: ignore[type-var]
        return _recompute(wider if inner is backend else OneAtATime(wider), tape)

    rest = (
        4 / scheme.evaluations * cost_roundoff(tape, reference) / steps(theta, scheme, relative).astype(reference.dtype)
    )
    for i, (of_weights, of_biases) in enumerate(tape.network.layout.slices):
        rest[of_weights] += forward.weights[i]
        rest[of_biases] += forward.biases[i]
    if not (np.abs(gradient.vector - reference.vector) <= rest).all():
        once, twice, fourfold = (with_step(multiple) for multiple in (1, 2, 4))
        rest += np.maximum(2 * _largest_by_layer(once - twice, tape), _largest_by_layer(twice - fourfold, tape))
    return rest


def _largest_by_layer(change: Array, tape: Tape) -> Array:
    largest = np.empty_like(change)
    for of_weights, of_biases in tape.network.layout.slices:
        layer = slice(of_weights.start, of_biases.stop)
        largest[layer] = np.max(np.abs(change[layer]))
    return largest


def _adjustable(backend: Backend) -> bool:
    return is_dataclass(backend) and getattr(backend, "scheme", None) in SCHEMES and hasattr(backend, "step")


def _scheme(backend: Any) -> Scheme:
    return SCHEMES[backend.scheme]


def _relative_step(backend: Any, tape: Tape) -> float:
    return float(backend.step or _scheme(backend).relative_step(tape.network.dtype))


def _recompute(backend: Backend, tape: Tape) -> Array:
    """Return the gradient by another backend, in memory of its own."""
    fresh = Tape(tape.network, tape.cost, tape.m)
    fresh.load(tape.X, tape.Y, tape.shares)
    fresh.workspace = backend.prepare(fresh)
    gradient = Gradient(tape.network.layout, np.empty_like(tape.network.vector))
    backend.gradient(fresh, gradient)
    return gradient.vector


def _undecidable(tape: Tape, reference: Reference, relative: float) -> list[str]:
    """Return for each layer what its steps do to a unit of it or above that no bound covers, or an empty text."""
    network = tape.network
    found = []
    moved = np.zeros_like(reference.activations[0])
    for i, activation in enumerate(network.activations):
        weights = magnitudes(network.weights[i : i + 1], reference.dtype)[0]
        part = network.layout.slices[i]
        largest = relative * max(1, float(np.max(np.abs(network.vector[part[0].start : part[1].stop]))))
        below = np.max(np.abs(reference.activations[i]), axis=1, keepdims=True)
        reach = moved @ weights.T + largest * np.maximum(1, below)
        z = reference.weighted_inputs[i]
        found.append(_unit_out_of_bounds(i + 2, activation, z, reach))
        value, ends = activation.value(z), (activation.value(z + reach), activation.value(z - reach))
        moved = np.maximum(*(np.abs(end - value) for end in ends))
    for i in range(len(found) - 2, -1, -1):
        found[i] = found[i] or found[i + 1]
    return found


def _unit_out_of_bounds(l: int, activation: Activation, z: Array, reach: Array) -> str:
    for j in range(z.shape[1]):
        for kink in activation.neuron(j).kinks:
            near = np.abs(z[:, j] - kink) <= reach[:, j]
            if near.any():
                x = int(np.argmax(near))
                return (
                    f"unit {j} of layer {l} sits on a kink in example {x}, "
                    f"z = {z[x, j]:.3g} and f bends at {kink:.3g}, within reach of the step"
                )
    far = ~(reach <= FAR)
    if far.any():
        j = int(np.argmax(far.any(axis=0)))
        return (
            f"the step moves unit {j} of layer {l} by up to {reach[:, j].max():.3g}, too far to estimate its truncation"
        )
    return ""


def cost_roundoff(tape: Tape, reference: Reference) -> float:
    """Return ε_C: what the roundings of one forward pass, each weighted by its effect, can do to C."""
    network, wide = tape.network, reference.dtype
    u, errors = Precision(network.dtype, wide).u, reference.errors or ()
    weights, absolute = widened(network.weights, wide), magnitudes(network.weights, wide)
    # C as a function of a^L; where it is computed from z^L, its own rounding is all that is left.
    of_outputs = [error @ w for error, w in zip(errors[1:], weights[1:], strict=True)] + [reference.cost_gradient]
    total = wide.type(0)
    for i, (error, of_output) in enumerate(zip(errors, of_outputs, strict=True)):
        below, z, a = reference.activations[i], reference.weighted_inputs[i], reference.activations[i + 1]
        summed = np.abs(below) @ absolute[i].T + np.abs(network.biases[i])
        total += gamma(below.shape[1] + 2, u) * (np.abs(error) * summed).sum()
        total += 8 * u * (np.abs(of_output) * (np.abs(a) + np.abs(reference.slopes[i] * z))).sum()
    outputs, targets = reference.activations[-1], np.asarray(tape.Y, wide)
    total += 4 * u * (np.abs(reference.cost_gradient) * (np.abs(outputs) + np.abs(targets))).sum()
    total += gamma(outputs.shape[1] + tape.m + 16, u) * abs(reference.cost)
    return float(total + np.finfo(network.dtype).smallest_normal)
