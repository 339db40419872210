"""What the figures of the layers mean, in sentences, each with a remedy and the figures that it rests on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from scipy.sparse import issparse

from formulations.arrays import DTYPE_NAMES, euclidean_norm, format_dtype
from formulations.display import counted, format_brief, format_numbers
from formulations.network import Network
from formulations.operators.signals import LayerDiagnosis, Measured

__all__ = ["Finding", "Symptom", "find", "named_layers"]

NEVER_FLAT = "'leaky_relu(negative_slope=0.25)'"
"""An activation whose slope is always positive and never close to zero, as chapter 2 suggests."""


class Symptom(StrEnum):
    """What may keep a layer from learning, or slow it down."""

    STATIONARY = "stationary"
    """The gradient is 0 in every layer."""
    SYMMETRIC = "symmetric"
    """Hidden neurons are equal, and stay so."""
    LARGE_INPUTS = "large inputs"
    """The inputs are large, so the weights out of them learn faster than the biases, and neurons saturate."""
    DEAD = "dead"
    """Neurons have the slope 0 on every example."""
    VANISHING = "vanishing"
    """The error shrinks from layer to layer in the backward pass."""
    EXPLODING = "exploding"
    """The error grows from layer to layer in the backward pass."""
    SATURATED_OUTPUT = "saturated output"
    """σ′ of the outputs passes on little of ∇C."""
    SATURATED = "saturated"
    """Most slopes of hidden layers are small."""
    LOW_ACTIVATION = "low activation"
    """A layer, or the inputs, have small activations, so the weights out of it learn slowly."""
    NO_ISOMETRY = "no isometry"
    """The singular values of the Jacobian are far from 1."""
    PRECISION = "precision"
    """The network's dtype is not shown to suffice."""


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes
    ----------
    symptom : Symptom
        What was found.
    layers : tuple of int
        Where.
    says : str
        What was found, in sentences.
    remedy : str
        What to do about it.
    quantities : tuple of str
        The figures of :class:`LayerDiagnosis` that it rests on.
    """

    symptom: Symptom
    layers: tuple[int, ...]
    says: str
    remedy: str
    quantities: tuple[str, ...]


@dataclass(frozen=True)
class _Case:
    """What the rules read."""

    net: Network
    measured: Measured
    saturation: float
    slow: float

    @property
    def layers(self) -> tuple[LayerDiagnosis, ...]:
        return self.measured.layers

    @property
    def uniform(self) -> bool:
        """Whether all neurons of some layer are equal."""
        return any(layer.distinct == 1 < layer.neurons for layer in self.layers)

    @property
    def fastest(self) -> LayerDiagnosis:
        # Among equals, the one nearest to the output, which the error reaches first.
        return max(reversed(self.layers), key=lambda layer: layer.speed)

    def crossed(self, low: LayerDiagnosis, high: LayerDiagnosis) -> list[LayerDiagnosis]:
        """Return the layers from ``low`` to just below ``high``, into which (BP2) carries the error."""
        return [layer for layer in self.layers if low.layer <= layer.layer < high.layer]

    def factors(self, low: LayerDiagnosis, high: LayerDiagnosis) -> tuple[float, float] | None:
        """Return the geometric means of the factors of their weights and slopes; None if an error is 0."""
        pairs = [(layer.by_weights, layer.by_slopes) for layer in self.crossed(low, high)]
        logarithms = [(math.log(one), math.log(other)) for one, other in pairs if one and other]
        if len(logarithms) < len(pairs):
            return None
        by_weights, by_slopes = (math.exp(sum(each) / len(each)) for each in zip(*logarithms, strict=True))
        return by_weights, by_slopes


def find(net: Network, measured: Measured, saturation: float, slow: float) -> tuple[Finding, ...]:
    """Return all findings, in the order in which to remedy them.

    Parameters
    ----------
    net : Network
        The network.
    measured : Measured
        The figures.
    saturation, slow : float
        As :func:`formulations.diagnose` takes them.
    """
    case = _Case(net, measured, saturation, slow)
    return tuple(finding for rule in RULES if (finding := rule(case)) is not None)


def _stationary(case: _Case) -> Finding | None:
    if any(layer.gradient_rms > 0 for layer in case.layers):
        return None
    fits = case.measured.cost_value == 0
    return Finding(
        Symptom.STATIONARY,
        _numbers(case.layers),
        f"The gradient is 0 in every layer: {'the network fits these examples exactly' if fits else 'C is flat here'}.",
        "Take other examples: there is nothing left to learn from these."
        if fits
        else "Start from other weights, such as init='orthogonal'.",
        ("gradient_rms",),
    )


def _symmetric(case: _Case) -> Finding | None:
    found = [layer for layer in case.layers if layer.distinct < layer.neurons]
    if not found:
        return None
    worst = min(found, key=lambda layer: layer.distinct / layer.neurons)
    others = [layer.layer for layer in found if layer is not worst]
    neurons = counted(worst.neurons, "neuron")
    which = (
        f"all {neurons} are equal: they have the same weights, in and out, and the same bias"
        if worst.distinct == 1
        else f"only {worst.distinct} of {neurons} differ: each of the others has the weights, in and out, and the bias "
        "of one of these"
    )
    also = f" {_capital(named_layers(others))} {_has(others)} equal neurons too." if others else ""
    zero = [l for l in range(2, case.net.layout.last + 1) if _is_zero(case.net, l)]
    return Finding(
        Symptom.SYMMETRIC,
        _numbers(found),
        f"In layer {worst.layer}, {which}, so they have the same gradients, and no step makes them differ (BP3, BP4)."
        f"{also}{_zero_weights(zero)}",
        "Draw random weights.",
        ("gradient_rms",),
    )


def _large_inputs(case: _Case) -> Finding | None:
    size = case.measured.input_rms
    if size <= 1 / case.saturation:
        return None
    return Finding(
        Symptom.LARGE_INPUTS,
        (1,),
        f"The inputs are large, {format_brief(size)} rms: the weights out of them learn {_times(size, 1.0)} faster "
        "than the biases (BP4), and need a smaller step.",
        "Standardise the inputs first.",
        ("activation_rms",),
    )


def _dead(case: _Case) -> Finding | None:
    found = [layer for layer in case.layers if layer.dead > 0]
    if not found:
        return None
    worst = max(found, key=lambda layer: layer.dead)
    number, neurons = round(worst.dead * worst.neurons), counted(worst.neurons, "neuron")
    which = f"all {neurons}" if number == worst.neurons > 1 else f"{number} of {neurons}"
    says = (
        "is dead: its slope is 0 on every example, so its error is 0 (BP2) and no step changes its weights."
        if number == 1
        else "are dead: their slopes are 0 on every example, so their errors are 0 (BP2) and no step changes their "
        "weights."
    )
    others = [layer for layer in found if layer is not worst]
    also = "".join(
        f" So {verb} {named_layers(_numbers(some))}."
        for verb, some in (
            ("are all of", [layer for layer in others if layer.dead == 1]),
            ("are some of", [layer for layer in others if layer.dead < 1]),
        )
        if some
    )
    return Finding(
        Symptom.DEAD,
        _numbers(found),
        f"In layer {worst.layer}, {which} {says}{also}",
        f"Take an activation whose slope is never 0, such as {NEVER_FLAT}, and smaller steps: a large one kills "
        "neurons.",
        ("dead", "error_rms"),
    )


def _vanishing(case: _Case) -> Finding | None:
    high = case.fastest
    found = [x for x in case.layers if x.layer < high.layer and _is_slow(case, x)]
    if not found:
        return None
    if case.uniform:
        return None
    low = min(found, key=lambda layer: layer.speed)
    factors = case.factors(low, high)
    zero = [l for l in range(low.layer + 1, high.layer + 1) if _is_zero(case.net, l)]
    steepest = max(case.crossed(low, high), key=lambda layer: layer.largest_slope)
    flat = steepest.largest_slope < 1
    limit = f", which is at most {format_brief(steepest.largest_slope)} for {steepest.activation}" if flat else ""
    return Finding(
        Symptom.VANISHING,
        _numbers(found),
        f"{_slower(low, high)}.{_on_its_way_back(factors, limit)}{_zero_weights(zero)}",
        _against_vanishing(factors, steepest, bool(zero)),
        ("speed", "by_weights", "by_slopes"),
    )


def _against_vanishing(factors: tuple[float, float] | None, steepest: LayerDiagnosis, zero: bool) -> str:
    """Return the remedy against the smaller of the two factors of (BP2), which are those of weights and slopes."""
    if zero:
        return "Draw random weights."
    limit = steepest.largest_slope
    by_weights = factors is not None and factors[0] < factors[1]
    if by_weights and limit < 1:
        return (
            "Start from larger weights, such as init='orthogonal'. σ′ still multiplies the error by at most "
            f"{format_brief(limit)}; if that is too little, take an activation such as {NEVER_FLAT}."
        )
    # Larger weights can make up for slopes as large as those of rectifiers.
    if by_weights or (factors is not None and limit >= 1 and factors[1] >= 0.5):
        return "Start from larger weights, such as init='orthogonal', whose gain makes up for the slopes."
    return (
        f"Take an activation whose slope is always positive and never close to 0, such as {NEVER_FLAT}, with "
        "init='orthogonal', whose gain makes up for the slopes."
    )


def _exploding(case: _Case) -> Finding | None:
    low = case.fastest
    found = [x for x in case.layers if x.layer > low.layer and _is_slow(case, x)]
    if not found:
        return None
    high = min(found, key=lambda layer: layer.speed)
    return Finding(
        Symptom.EXPLODING,
        _numbers(found),
        f"{_slower(high, low)}, and a step that suits the one is too small for the other."
        f"{_on_its_way_back(case.factors(low, high))}",
        "Start from smaller weights, such as init='orthogonal'.",
        ("speed", "by_weights", "by_slopes"),
    )


def _saturated_output(case: _Case) -> Finding | None:
    last = case.layers[-1]
    if last.by_slopes is None or last.by_slopes >= case.saturation * last.largest_slope or last.dead == 1:
        return None
    remedy = {
        "sigmoid": "Take cost='binary_cross_entropy', in which σ′ cancels (66)",
        "softmax": "Take cost='log_likelihood', in which Σ′ cancels (81)",
    }.get(last.activation, f"Take another activation for the outputs, such as {NEVER_FLAT}")
    return Finding(
        Symptom.SATURATED_OUTPUT,
        (last.layer,),
        f"The output neurons have saturated: their slopes multiply ∇C by {format_brief(last.by_slopes)} (BP1), and the "
        f"largest slope of {last.activation} is {format_brief(last.largest_slope)}. This slows down every layer.",
        f"{remedy}, or start from smaller weights.",
        ("saturated", "by_slopes"),
    )


def _saturated(case: _Case) -> Finding | None:
    # Half of the slopes of a fresh relu layer are 0, and the others make up for them.
    found = [
        x
        for x in case.layers[:-1]
        if x.saturated > 0.5 and x.by_slopes is not None and x.by_slopes < 0.5 * x.largest_slope and x.dead < 1
    ]
    if not found:
        return None
    worst = max(found, key=lambda layer: layer.saturated)
    where = f"in layer {worst.layer}, " if len(found) > 1 else ""
    return Finding(
        Symptom.SATURATED,
        _numbers(found),
        f"Most slopes in {named_layers(_numbers(found))} are small: {where}{100 * worst.saturated:.0f} % of them are "
        f"below {case.saturation:g} of their supremum, so the weights into these neurons learn slowly (BP2).",
        _against_saturation(case, worst.layer),
        ("saturated", "by_slopes"),
    )


def _against_saturation(case: _Case, l: int) -> str:
    """Return the remedy against the largest factor of z^l = w^l a^{l−1} + b^l.

    To keep z from saturating, the rows of w^l should have lengths near 1, and the inputs an rms of 1.
    """
    weights, biases = case.net.weights[l - 2], case.net.biases[l - 2]
    length = euclidean_norm(weights.data if issparse(weights) else weights) / math.sqrt(len(biases))
    before = case.measured.input_rms if l == 2 else case.layers[l - 3].activation_rms
    if euclidean_norm(biases) / math.sqrt(len(biases)) > length * before:
        return "Start from smaller biases, such as 0."
    if before <= length:
        return "Start from smaller weights, such as init='glorot'."
    if l == 2:
        return f"Standardise the inputs first: their rms is {format_brief(before)}."
    return f"Make the activations of layer {l - 1} smaller: their rms is {format_brief(before)}."


def _low_activation(case: _Case) -> Finding | None:
    values = [case.measured.input_rms, *(layer.activation_rms for layer in case.layers[:-1])]
    found = [number for number, value in enumerate(values, start=1) if 0 < value < case.saturation]
    if not found:
        return None
    worst = min(found, key=lambda number: values[number - 1])
    where = "The inputs" if worst == 1 else f"The activations of layer {worst}"
    return Finding(
        Symptom.LOW_ACTIVATION,
        tuple(found),
        f"{where} are small, {format_brief(values[worst - 1])} rms: the weights out of them learn "
        f"{_times(1.0, values[worst - 1])} more slowly than the biases (BP4).",
        "Standardise the inputs." if worst == 1 else "Start from weights that keep their size, init='orthogonal'.",
        ("activation_rms",),
    )


def _no_isometry(case: _Case) -> Finding | None:
    first, last = case.layers[0], case.layers[-1]
    smallest, largest = last.smallest_singular_value, last.largest_singular_value
    # Dead layers, which have a finding of their own, make all of them 0.
    if case.uniform or smallest is None or not largest or case.slow <= largest <= 1 / case.slow:
        return None
    fate = "shrinks" if largest < 1 else "grows"
    return Finding(
        Symptom.NO_ISOMETRY,
        (last.layer,),
        f"A change in the inputs {fate} on its way to the outputs: the singular values of ∂a/∂x are {_span(first)} in "
        f"layer {first.layer} and {_span(last)} in layer {last.layer}.",
        "Keep them near 1: init='orthogonal' does so exactly for linear neurons.",
        ("largest_singular_value", "smallest_singular_value"),
    )


def _precision(case: _Case) -> Finding | None:
    order = DTYPE_NAMES.index(format_dtype(case.net.dtype))
    # A layer without a gradient has no conditioning, and needs none.
    found = [
        x
        for x in case.layers
        if x.conditioning is not None and (x.precision is None or DTYPE_NAMES.index(x.precision) > order)
    ]
    if not found or case.uniform:
        return None
    worst = max(found, key=lambda layer: layer.conditioning or 0.0)
    needed = [layer.precision for layer in found]
    enough = None if None in needed else max(filter(None, needed), key=DTYPE_NAMES.index)
    return Finding(
        Symptom.PRECISION,
        _numbers(found),
        f"{DTYPE_NAMES[order]} is not shown to suffice in {named_layers(_numbers(found))}: in layer {worst.layer} the "
        f"terms of the gradient are {format_brief(worst.conditioning or 0.0)} times as large as their sum.",
        "No dtype is shown to suffice; change the weights or the activations first."
        if enough is None
        else f"Take dtype='{enough}', which suffices.",
        ("conditioning", "precision"),
    )


RULES: tuple[Callable[[_Case], Finding | None], ...] = (
    _stationary,
    _symmetric,
    _large_inputs,
    _dead,
    _vanishing,
    _exploding,
    _saturated_output,
    _saturated,
    _low_activation,
    _no_isometry,
    _precision,
)


def _is_slow(case: _Case, layer: LayerDiagnosis) -> bool:
    """Return whether a layer fails to learn because it is slow, rather than because neurons are dead or saturated."""
    if layer.learns or layer.relative_speed >= case.slow or case.fastest.speed == 0:
        return False
    return layer.speed > 0 or all(each.dead < 1 for each in case.layers if each.layer >= layer.layer)


def _is_zero(net: Network, l: int) -> bool:
    """Return whether all weights into layer l are 0."""
    weights = net.weights[l - 2]
    return not (weights.data if issparse(weights) else weights).any()


def _zero_weights(layers: Sequence[int]) -> str:
    """Say which weights are 0, and what follows."""
    if not layers:
        return ""
    return f" The weights of {named_layers(layers)} are 0, so no error passes back through them (BP2)."


def _slower(slow: LayerDiagnosis, fast: LayerDiagnosis) -> str:
    """Compare the speeds of two layers."""
    return (
        f"The biases of layer {slow.layer} change {_times(fast.speed, slow.speed)} more slowly than those of layer "
        f"{fast.layer}"
    )


def _on_its_way_back(factors: tuple[float, float] | None, limit: str = "") -> str:
    """Say by how much (BP2) multiplies the error on average, and how much each factor contributes."""
    if factors is None:
        return ""
    both, weights, slopes = map(format_brief, (factors[0] * factors[1], *factors))
    return (
        f" In the backward pass, a layer multiplies the error by {both} on average: by {weights} through the weights "
        f"and by {slopes} through σ′{limit}."
    )


def _numbers(layers: Sequence[LayerDiagnosis]) -> tuple[int, ...]:
    return tuple(layer.layer for layer in layers)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _has(numbers: Sequence[int]) -> str:
    return "has" if len(numbers) == 1 else "have"


def named_layers(numbers: Sequence[int]) -> str:
    """Name layers in a sentence.

    Examples
    --------
    >>> named_layers([2]), named_layers([2, 3]), named_layers([2, 3, 4, 7])
    ('layer 2', 'layers 2 and 3', 'layers 2–4 and 7')
    """
    *before, last = format_numbers(list(map(str, numbers))).split()
    named = f"{', '.join(before)} and {last}" if before else last
    return f"layer{'' if len(numbers) == 1 else 's'} {named}"


def _times(large: float, small: float) -> str:
    """Return how many times one number is the other, in words; infinitely many if the other is 0."""
    if small == 0:
        return "infinitely"
    quotient = float(f"{large / small:.2g}")
    return f"{quotient:,.0f} times" if 10 <= quotient < 1e6 else f"{format_brief(quotient)} times"


def _span(layer: LayerDiagnosis) -> str:
    ends = [format_brief(value or 0.0) for value in (layer.smallest_singular_value, layer.largest_singular_value)]
    return " to ".join(dict.fromkeys(ends))
