"""Right gradients of another problem: other targets, another cost, another activation.

Such a gradient is predicted by the reference of that problem and judged by its T4.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import FormulationsException
from formulations.functions import COSTS, Cost
from formulations.network import Network
from formulations.verification.certification.causes.approximations import with_gelu_by_tanh
from formulations.verification.certification.causes.backward import Variant, Variants
from formulations.verification.certification.causes.case import Case
from formulations.verification.certification.causes.fits import fitted, fitted_together
from formulations.verification.certification.causes.parts import Parts, Predicted, Rounded
from formulations.verification.oracles import Reference
from formulations.verification.tolerances import RESOLUTION, Formulas, propagate_bounds

__all__ = [
    "gelu_by_tanh",
    "label_smoothing",
    "labels_recoded",
    "labels_shifted_by_class",
    "labels_shifted_by_row",
    "other_cost",
    "output_activation_twice",
    "targets_broadcast",
]


def other_cost(case: Case) -> Variants:
    """Use ∇_aC of another cost, or its combined δ^L."""
    for cost in COSTS.values():
        parts = None if type(cost) is type(case.tape.cost) else _with_output(case, cost, case.targets)
        if parts is not None:
            yield Variant(case.layout.last, parts)


def labels_shifted_by_class(case: Case) -> Variants:
    """Move each target by some classes, the last ones to the front."""
    for step in range(1, case.layout.sizes[-1]):
        moved = np.roll(case.targets, step, axis=1)
        less = step - case.layout.sizes[-1]
        yield from _with_targets(case, moved, {"step": f"+{step}" if step <= -less else f"−{-less}"})


def labels_recoded(case: Case) -> Variants:
    """Swap two classes, or let the numbers −1 and 1 stand for them instead of 0 and 1, or 0 and 1 instead of those."""
    y = case.targets
    recoded: tuple[tuple[str, Array], ...] = ()
    if case.tape.network.activations[-1].coupled:
        # There a class has an output of its own.
        return
    if np.isin(y, (0, 1)).all():
        recoded = ("1 − y", 1 - y), ("2y − 1", 2 * y - 1)
    elif np.isin(y, (-1, 1)).all():
        recoded = ("−y", -y), ("(y + 1)/2", (y + 1) / 2)
    for words, targets in recoded:
        yield from _with_targets(case, targets, {"recoded": words})


def targets_broadcast(case: Case) -> Variants:
    """Compare the output of each example with the targets of all, which has the gradient of their mean."""
    if case.layout.sizes[-1] == 1 and case.tape.m > 1:
        yield from _with_targets(case, np.full_like(case.targets, case.targets.mean()), {}, exact=False)


def labels_shifted_by_row(case: Case) -> Variants:
    """Give each example the target of the next one or the one before, or of its mirror image."""
    if case.tape.m > 1:
        yield from _with_targets(case, np.roll(case.targets, 1, axis=0), {"which": "the example before"})
        yield from _with_targets(case, np.roll(case.targets, -1, axis=0), {"which": "the next example"})
        yield from _with_targets(case, case.targets[::-1], {"which": "the example at the same place from the end"})


def label_smoothing(case: Case) -> Variants:
    """Mix the targets with equal ones: (1 − ε)y + ε/n_L, or (1 − ε)y + ε/2 for outputs of their own."""
    # Two numbers, ε and a factor on top, explain any two entries of δ^L.
    numbers = case.tape.m * case.free_outputs
    for middle in sorted({1 / case.layout.sizes[-1], 0.5} - {1.0}):
        smooth = _with_output(case, case.tape.known_cost, np.full_like(case.targets, middle))
        if smooth is None:
            continue
        change = smooth.gradient(case.layout) - case.gradient.value
        sizes = {fitted(case.candidate - case.gradient.value, change, case.entries)} if numbers > 1 else set()
        sizes |= {_ratio(case, change)} if numbers > 2 else set()
        fits = [(epsilon, case) for epsilon in sizes]
        for direction in (case.on_weights * case.parameters, case.parameters) if numbers > 1 else ():
            rest = case.candidate - case.gradient.value
            (epsilon, decay), _ = fitted_together(rest, (change, direction), case.entries, case.gradient.bound)
            fits.append((epsilon, replace(case, candidate=case.candidate - decay * direction)))
        # ε is rounded only in the message.
        for epsilon, decayed in fits:
            if 0 < epsilon <= 1:
                targets = (1 - epsilon) * case.targets + epsilon * middle
                yield from _with_targets(decayed, targets, {"epsilon": f"{epsilon:.4g}"}, exact=False)


def _ratio(case: Case, change: Array) -> float:
    """Return t of the multiple of g + t·change that is nearest to the candidate."""
    columns = np.stack([case.gradient.value[case.entries], change[case.entries]], axis=1)
    scale = np.max(np.abs(columns), axis=0)
    if not (scale > 0).all():
        return 0.0
    (of_right, of_change), *_ = np.linalg.lstsq(columns / scale, case.candidate[case.entries], rcond=None)
    return float(of_change / scale[1] / (of_right / scale[0])) if of_right else 0.0


def output_activation_twice(case: Case) -> Variants:
    """Apply the output activation to its own result, as with a softmax in front of a loss that takes logits."""
    network = case.tape.network
    n = case.layout.sizes[-1]
    weights = [*network.weights, np.eye(n, dtype=network.dtype)]
    biases = [*network.biases, np.zeros(n, network.dtype)]
    reference = case.reference_of(Network(weights, biases, [*network.activations, network.activations[-1]]), case.batch)
    if reference is not None:
        yield Variant(case.layout.last, _first_layers(case, reference), {"activation": network.activations[-1].name})


def gelu_by_tanh(case: Case) -> Variants:
    """Approximate gelu in the forward and the backward pass."""
    network = with_gelu_by_tanh(case.tape.network)
    if network is not None:
        reference = case.reference_of(network, case.batch)
        if reference is not None:
            yield Variant(None, case.right(reference))


def _first_layers(case: Case, reference: Reference) -> Predicted:
    """Return the gradient of a longer network for the layers that it shares with this one."""

    def short(of_weights: list[Array], of_biases: list[Array]) -> Array:
        vector = np.empty(case.layout.count)
        for (weights, biases), w, b in zip(case.layout.slices, of_weights, of_biases, strict=False):
            vector[weights], vector[biases] = w, b
        return vector

    def bound() -> Array:
        bounds = propagate_bounds(reference, formulas=Formulas.CUSTOMARY)
        return short(bounds.weights, bounds.biases)

    slices = reference.layout.slices
    value = short([reference.vector[w] for w, _ in slices], [reference.vector[b] for _, b in slices])
    return Predicted(value, bound)


def _with_targets(case: Case, targets: Array, facts: dict[str, str], *, exact: bool = True) -> Variants:
    """Yield the pass with other targets, if ∂C/∂b^L, which is quickly computed, does not rule them out."""
    parts = _with_output(case, case.tape.known_cost, targets, exact=exact)
    if parts is None:
        return
    last = [entries for l, kind, entries in case.arrays if (l, kind) == (case.layout.last, "b")]
    if last:
        of_biases = np.zeros(case.layout.count)
        of_biases[case.layout.slices[-1][1]] = next(delta for _, delta in parts.errors(case.layout.last)).sum(axis=0)
        factor = fitted(case.candidate, of_biases, last[0])
        off = np.abs(case.candidate[last[0]] - factor * of_biases[last[0]])
        # Up to a factor, since a multiple may come on top.
        if not off.max() <= RESOLUTION * np.abs(case.candidate[last[0]]).max():
            return
    yield Variant(case.layout.last, parts, facts)


def _with_output(case: Case, cost: Cost, targets: Array, *, exact: bool = True) -> Parts | None:
    """Return the backward pass from another ∇_aC or δ^L; None if it is undefined for these outputs.

    A candidate rounds targets that are not exact. ∇_aC is affine in them.
    """
    z, a, shares = case.weighted_inputs[-1].value, case.activations[-1].value, case.shares * float(cost.factor)
    combined, output = cost.combined(case.tape.network.activations[-1]), np.empty_like(a)
    try:
        size = np.zeros_like(a)
        if combined is not None:
            combined.error(z, a, targets, output)
            size = size if exact else combined.rounding(z, a, targets)[0]
        else:
            cost.evaluate(a, targets, output)
            if not exact:
                cost.evaluate(a, np.zeros_like(targets), size)
                size = np.abs(output) + np.abs(size)
    except FormulationsException:
        return None
    except Exception:
        # A user's cost may raise anything for targets that it was not made for.
        if case.is_built_in:
            raise
        return None

    def error() -> Array:
        rounded = targets.astype(case.tape.network.dtype)
        reference = case.reference_of(case.tape.network, case.batch._replace(Y=rounded, cost=cost))
        if reference is None:
            return np.full(a.shape, np.nan)
        bounds = propagate_bounds(reference, formulas=Formulas.CUSTOMARY)
        of_output = bounds.cost_gradient if combined is None else bounds.own_last_error
        return np.asarray(of_output + 2 * case.precision.u * size * shares)

    return replace(case.parts, output=Rounded(output * shares, error), combined=combined is not None)
