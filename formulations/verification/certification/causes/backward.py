"""Mistakes in the backward pass: one function for each, which yields it in every layer that can have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np

from formulations.arrays import Array
from formulations.functions import ELU, Sigmoid, Softplus, Tanh
from formulations.verification.certification.causes.case import Case
from formulations.verification.certification.causes.parts import Parts, Predicted, Rounded, rounding_of
from formulations.verification.oracles import OuterBlocks
from formulations.verification.tolerances import Formulas, activation_bounds

__all__ = [
    "Variant",
    "Variants",
    "diagonal_slope",
    "input_of_next_layer",
    "logistic_slope",
    "sign_in_layer",
    "slope_at_activation",
    "slope_by_activation_at_input",
    "slope_missing",
    "slope_of_other_layer",
    "slope_twice",
    "value_for_slope",
    "weighted_input_for_activation",
    "weights_of_other_layer",
    "weights_transposed",
]


class Variant(NamedTuple):
    """A mistake in one place.

    Attributes
    ----------
    layer : int or None
        The layer; None for all layers.
    made : Parts or Predicted
        The backward pass, or the gradient, with the mistake there.
    facts : mapping of str to str
        What the mistake's sentence says of this case: a factor, a size, examples.
    observed : bool
        Whether the mistake is seen in something else than the gradient, which it does not predict.
    """

    layer: int | None
    made: Parts | Predicted
    facts: Mapping[str, str] = {}
    observed: bool = False


Variants: TypeAlias = Iterator[Variant]

BY_ACTIVATION: dict[type, Callable[[Array], Array]] = {
    Sigmoid: lambda a: a * (1 - a),
    Tanh: lambda a: 1 - a * a,
    Softplus: lambda a: -np.expm1(-a),
    ELU: lambda a: np.where(a > 0, 1.0, a + 1),
}
"""σ′ as a function of a = σ(z)."""


def _slopes(case: Case, slope: Callable[[int], Rounded | None]) -> Variants:
    """Yield the pass with another slope in each layer that can have it, then in all hidden ones, then in all."""
    found = {l: made for l in case.layers if (made := slope(l)) is not None}
    if case.parts.combined:
        found.pop(case.layout.last, None)
    for l, made in found.items():
        yield Variant(l, case.parts.with_slope(l, made))
    for layers in (range(2, case.layout.last), range(2, case.layout.last + 1)):
        changed = [l for l in layers if l in found]
        if len(changed) > 1:
            parts = case.parts
            for l in changed:
                parts = parts.with_slope(l, found[l])
            yield Variant(None, parts)


def slope_missing(case: Case) -> Variants:
    """Leave σ′ out."""
    # What remains is exact.
    return _slopes(case, lambda l: Rounded(np.ones_like(a := case.activations[l - 1].value), lambda: np.zeros_like(a)))


def value_for_slope(case: Case) -> Variants:
    """Use σ(z) instead of σ′(z)."""
    return _slopes(case, lambda l: case.activations[l - 1])


def slope_at_activation(case: Case) -> Variants:
    """Use σ′(a) instead of σ′(z)."""

    def slope(l: int) -> Rounded | None:
        activation, a = case.tape.network.activations[l - 2], case.activations[l - 1]
        if activation.coupled:
            return None

        def error() -> Array:
            _, of_slope = activation_bounds(activation, a.value, a.error(), case.precision, Formulas.CUSTOMARY)
            return np.asarray(of_slope)

        return Rounded(activation.slope(a.value), error)

    return _slopes(case, slope)


def slope_by_activation_at_input(case: Case) -> Variants:
    """Write σ′ as a function of a, and pass it z."""

    def slope(l: int) -> Rounded | None:
        of_a, z = BY_ACTIVATION.get(type(case.tape.network.activations[l - 2])), case.weighted_inputs[l - 2]
        return None if of_a is None else _function(case, of_a, z)

    return _slopes(case, slope)


def logistic_slope(case: Case) -> Variants:
    """Use a(1 − a) as the slope of another activation."""

    def slope(l: int) -> Rounded | None:
        if isinstance(case.tape.network.activations[l - 2], Sigmoid):
            return None
        return _function(case, BY_ACTIVATION[Sigmoid], case.activations[l - 1])

    return _slopes(case, slope)


def _function(case: Case, function: Callable[[Array], Array], at: Rounded) -> Rounded:
    return Rounded(function(at.value), lambda: rounding_of(function, at.value, at.error(), case.precision.u))


def slope_twice(case: Case) -> Variants:
    """Multiply by σ′ twice."""

    def slope(l: int) -> Rounded | None:
        d = case.parts.slopes[l - 2]
        if d.value.ndim > 2:
            return None
        return Rounded(d.value**2, lambda: (2 * d.size + d.error()) * d.error())

    return _slopes(case, slope)


def diagonal_slope(case: Case) -> Variants:
    """Use only the diagonal of a coupled Σ′."""

    def diagonal(matrices: object) -> Array | None:
        if isinstance(matrices, OuterBlocks):
            return matrices.diagonal
        blocks = np.asarray(matrices)
        return np.einsum("mjj->mj", blocks) if blocks.ndim == 3 else None

    def slope(l: int) -> Rounded | None:
        full = case.parts.slopes[l - 2]
        found = diagonal(full.value)
        return None if found is None else Rounded(found, lambda: diagonal(full.error()))

    return _slopes(case, slope)


def slope_of_other_layer(case: Case) -> Variants:
    """Use the slope of a neighbouring layer."""
    for step in (-1, 1):
        for l in case.layers:
            if 2 <= l + step <= case.layout.last and not (case.parts.combined and l == case.layout.last):
                other = case.parts.slopes[l + step - 2]
                if other.value.shape == case.parts.slopes[l - 2].value.shape:
                    yield Variant(l, case.parts.with_slope(l, other))


def weights_transposed(case: Case) -> Variants:
    """Multiply δ by w instead of wᵀ, if w is square."""
    found = [l for l in case.layers[1:] if case.parts.weights[l - 2].shape[0] == case.layout.sizes[l - 1]]
    parts = case.parts
    for l in found:
        yield Variant(l, case.parts.with_weights(l, case.parts.weights[l - 2].T))
        parts = parts.with_weights(l, case.parts.weights[l - 2].T)
    if len(found) > 1:
        yield Variant(None, parts)


def weights_of_other_layer(case: Case) -> Variants:
    """Multiply δ by the weights of a neighbouring layer."""
    own = [w.astype(np.float64) for w in case.tape.network.weights]
    for step in (-1, 1):
        for l in case.layers[1:]:
            i = l - 1 + step
            if 0 <= i < len(own) and own[i].shape == own[l - 1].shape:
                yield Variant(l, case.parts.with_weights(l, own[i]))


def sign_in_layer(case: Case) -> Variants:
    """Change the sign of one hidden δ."""
    for l in case.layers[1:]:
        yield Variant(l, replace(case.parts, factors={l: -1.0}))


def input_of_next_layer(case: Case) -> Variants:
    """Use a^l instead of a^{l−1} in (BP4)."""
    for l in case.layers:
        if case.activations[l - 1].value.shape == case.activations[l - 2].value.shape:
            yield Variant(l, case.parts.with_input(l, case.activations[l - 1]))


def weighted_input_for_activation(case: Case) -> Variants:
    """Use z^{l−1} instead of a^{l−1} in (BP4)."""
    parts = case.parts
    for l in case.layers[:-1]:
        yield Variant(l, case.parts.with_input(l, case.weighted_inputs[l - 3]))
        parts = parts.with_input(l, case.weighted_inputs[l - 3])
    if case.layout.last > 3:
        yield Variant(None, parts)
