"""Backward passes with a mistake: one function for each mistake, which yields it in every layer that can have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import FormulationsException
from formulations.functions import ACTIVATIONS, COSTS
from formulations.network import Tape
from formulations.verification.certification.causes.approximations import with_gelu_by_tanh
from formulations.verification.certification.causes.recomputation import Parts, Pass
from formulations.verification.oracles import OuterBlocks, reference_gradient

__all__ = [
    "Variants",
    "all_factors",
    "by_m",
    "diagonal_slope",
    "example_dropped",
    "gelu_by_tanh",
    "gradient_transposed",
    "input_of_next_layer",
    "layers_reversed",
    "logistic_slope",
    "of_biases",
    "of_weights",
    "one_example",
    "other_cost",
    "shares_ignored",
    "sign_in_layer",
    "slope_at_activation",
    "slope_missing",
    "slope_of_other_layer",
    "value_for_slope",
    "weighted_input_for_activation",
    "weights_of_other_layer",
    "weights_transposed",
]

Variants: TypeAlias = Iterator[tuple[int | None, Parts | Array]]
"""A layer, or None for all layers, and the backward pass, or the gradient, with the mistake there."""


def _layers(p: Pass) -> range:
    return range(p.layout.last, 1, -1)


def _slopes(p: Pass, slope: Callable[[int], Array | None]) -> Variants:
    """Yield the pass with another slope in each layer, then in all hidden ones, then in all."""
    found = {l: made for l in _layers(p) if (made := slope(l)) is not None}
    if p.parts.combined:
        found.pop(p.layout.last, None)
    for l, made in found.items():
        yield l, p.parts.with_slope(l, made)
    for layers in (range(2, p.layout.last), range(2, p.layout.last + 1)):
        if len(layers) > 1 and all(l in found for l in layers):
            parts = p.parts
            for l in layers:
                parts = parts.with_slope(l, found[l])
            yield None, parts


def slope_missing(p: Pass) -> Variants:
    """Leave σ′ out."""
    return _slopes(p, lambda l: np.ones_like(p.activations[l - 1]))


def value_for_slope(p: Pass) -> Variants:
    """Use σ(z) instead of σ′(z)."""
    return _slopes(p, lambda l: p.activations[l - 1])


def slope_at_activation(p: Pass) -> Variants:
    """Use σ′(a) instead of σ′(z)."""

    def slope(l: int) -> Array | None:
        activation = p.tape.network.activations[l - 2]
        return None if activation.coupled else activation.slope(p.activations[l - 1])

    return _slopes(p, slope)


def logistic_slope(p: Pass) -> Variants:
    """Use a(1 − a) as the slope of another activation."""

    def slope(l: int) -> Array | None:
        a = p.activations[l - 1]
        return None if p.tape.network.activations[l - 2] == ACTIVATIONS["sigmoid"] else a * (1 - a)

    return _slopes(p, slope)


def diagonal_slope(p: Pass) -> Variants:
    """Use only the diagonal of a coupled Σ′."""

    def slope(l: int) -> Array | None:
        full = p.parts.slopes[l - 2]
        if isinstance(full, OuterBlocks):
            return full.diagonal
        return np.einsum("mjj->mj", full) if full.ndim == 3 else None

    return _slopes(p, slope)


def gelu_by_tanh(p: Pass) -> Variants:
    """Approximate gelu in the forward and the backward pass."""
    network = with_gelu_by_tanh(p.tape.network)
    if network is not None:
        tape = Tape(network, p.tape.cost, p.tape.m)
        tape.load(p.tape.X, p.tape.Y, p.tape.shares)
        try:
            approximate = reference_gradient(tape)
        except FormulationsException:
            # The cost may be undefined for these outputs.
            return
        yield None, approximate.vector.astype(np.float64)


def slope_of_other_layer(p: Pass) -> Variants:
    """Use the slope of a neighbouring layer."""
    for step in (-1, 1):
        for l in _layers(p):
            if 2 <= l + step <= p.layout.last and not (p.parts.combined and l == p.layout.last):
                other = p.parts.slopes[l + step - 2]
                if other.shape == p.parts.slopes[l - 2].shape:
                    yield l, p.parts.with_slope(l, other)


def weights_transposed(p: Pass) -> Variants:
    """Multiply δ by w instead of wᵀ, if w is square."""
    found = [l for l in range(p.layout.last - 1, 1, -1) if p.parts.weights[l - 2].shape[0] == p.layout.sizes[l - 1]]
    parts = p.parts
    for l in found:
        yield l, p.parts.with_weights(l, p.parts.weights[l - 2].T)
        parts = parts.with_weights(l, p.parts.weights[l - 2].T)
    if len(found) > 1:
        yield None, parts


def weights_of_other_layer(p: Pass) -> Variants:
    """Multiply δ by the weights of a neighbouring layer."""
    own = [w.astype(np.float64) for w in p.tape.network.weights]
    for step in (-1, 1):
        for l in range(p.layout.last - 1, 1, -1):
            i = l - 1 + step
            if 0 <= i < len(own) and own[i].shape == own[l - 1].shape:
                yield l, p.parts.with_weights(l, own[i])


def all_factors(factor: float) -> Callable[[Pass], Variants]:
    """Return the variants that multiply every entry by a factor."""

    def variants(p: Pass) -> Variants:
        yield None, replace(p.parts, examples=p.parts.examples * factor)

    return variants


def sign_in_layer(p: Pass) -> Variants:
    """Change the sign of one hidden δ."""
    for l in range(p.layout.last - 1, 1, -1):
        yield l, replace(p.parts, factors={l: -1.0})


def by_m(power: int) -> Callable[[Pass], Variants]:
    """Return the variants that multiply sums over the examples by a power of m."""

    def variants(p: Pass) -> Variants:
        factor, layers = float(p.tape.m) ** power, _layers(p)
        if p.tape.m > 1:
            yield None, replace(p.parts, examples=p.parts.examples * factor)
            yield None, replace(p.parts, of_weights=dict.fromkeys(layers, factor))
            yield None, replace(p.parts, of_biases=dict.fromkeys(layers, factor))
            for l in layers:
                yield l, replace(p.parts, of_weights={l: factor})
                yield l, replace(p.parts, of_biases={l: factor})

    return variants


def of_weights(factor: float) -> Callable[[Pass], Variants]:
    """Return the variants that multiply ∂C/∂w by a factor."""

    def variants(p: Pass) -> Variants:
        yield None, replace(p.parts, of_weights=dict.fromkeys(_layers(p), factor))
        for l in _layers(p):
            yield l, replace(p.parts, of_weights={l: factor})

    return variants


def of_biases(factor: float) -> Callable[[Pass], Variants]:
    """Return the variants that multiply ∂C/∂b by a factor."""

    def variants(p: Pass) -> Variants:
        yield None, replace(p.parts, of_biases=dict.fromkeys(_layers(p), factor))
        for l in _layers(p):
            yield l, replace(p.parts, of_biases={l: factor})

    return variants


def _examples(p: Pass, kept: Callable[[Array], Array]) -> Variants:
    m = p.tape.m
    if m < 2:
        return
    for x in (m - 1, 0):
        chosen = kept(np.arange(m) == x)[:, None].astype(float)
        yield None, replace(p.parts, examples=chosen)
        yield None, replace(p.parts, examples=chosen / float((p.shares * chosen).sum()))


def example_dropped(p: Pass) -> Variants:
    """Leave the last or the first example out."""
    return _examples(p, lambda chosen: ~chosen)


def one_example(p: Pass) -> Variants:
    """Use only the last or the first example."""
    return _examples(p, lambda chosen: chosen)


def shares_ignored(p: Pass) -> Variants:
    """Give every example the share 1/m."""
    if p.tape.shares is not None:
        shares = np.where(p.shares > 0, p.shares, 1)
        yield None, replace(p.parts, examples=np.where(p.shares > 0, 1 / (p.tape.m * shares), 1.0))


def input_of_next_layer(p: Pass) -> Variants:
    """Use a^l instead of a^{l−1} in (BP4)."""
    for l in _layers(p):
        if p.activations[l - 1].shape == p.activations[l - 2].shape:
            yield l, p.parts.with_input(l, p.activations[l - 1])


def weighted_input_for_activation(p: Pass) -> Variants:
    """Use z^{l−1} instead of a^{l−1} in (BP4)."""
    parts = p.parts
    for l in range(p.layout.last, 2, -1):
        yield l, p.parts.with_input(l, p.weighted_inputs[l - 3])
        parts = parts.with_input(l, p.weighted_inputs[l - 3])
    if p.layout.last > 3:
        yield None, parts


def gradient_transposed(p: Pass) -> Variants:
    """Transpose ∂C/∂w, if it is square."""
    right = p.parts.gradient(p.layout)
    everywhere, found = right.copy(), []
    for l in _layers(p):
        (rows, columns), part = p.layout.shapes[l - 2], p.layout.slices[l - 2][0]
        if rows == columns > 1 and p.layout.patterns[l - 2] is None:
            vector = right.copy()
            vector[part] = everywhere[part] = right[part].reshape(rows, columns).T.ravel()
            found.append(l)
            yield l, vector
    if len(found) > 1:
        yield None, everywhere


def layers_reversed(p: Pass) -> Variants:
    """Put the layers in reverse order."""
    right, vector = p.parts.gradient(p.layout), np.empty(p.layout.count)
    slices = [part for pair in p.layout.slices for part in pair]
    others = [part for pair in p.layout.slices[::-1] for part in pair]
    if len(p.layout.shapes) > 1 and p.layout.shapes == p.layout.shapes[::-1] and not p.layout.is_sparse:
        for mine, other in zip(slices, others, strict=True):
            vector[mine] = right[other]
        yield None, vector


def other_cost(p: Pass) -> Variants:
    """Use ∇_aC of another cost, or its combined δ^L."""
    for cost in COSTS.values():
        combined = cost.combined(p.tape.network.activations[-1])
        if p.tape.cost is not cost:
            output = np.empty_like(p.activations[-1])
            try:
                if combined is None:
                    cost.evaluate(p.activations[-1], p.targets, output)
                else:
                    combined.error(p.weighted_inputs[-1], p.activations[-1], p.targets, output)
            except FormulationsException:
                continue
            yield p.layout.last, replace(p.parts, output=output * p.shares, combined=combined is not None)
