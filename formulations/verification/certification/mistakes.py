"""Mistakes: the mistakes that hand-written gradients are made of, each with the gradient that it would give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from formulations.verification.certification import variants
from formulations.verification.certification.recomputation import Pass

__all__ = ["MISTAKES", "Mistake"]


@dataclass(frozen=True)
class Mistake:
    """A mistake that could be.

    Attributes
    ----------
    name : str
        What it is called.
    sentence, remedy : str
        What it looks like, and what to do; ``{l}`` stands for the layer, ``{a}`` for the one above, ``{b}`` below, in
        superscript, and ``{n}`` for the layer's number.
    variants : callable (Pass) -> iterator of (layer or None, Parts or ndarray)
        The backward passes, or the gradients, that have it; None stands for all layers.
    """

    name: str
    sentence: str
    remedy: str
    variants: Callable[[Pass], variants.Variants]


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "nothing_computed", "everything is zero",
        "compute it", variants.all_factors(0.0),
    ),
    Mistake(
        "sign", "every entry has the other sign, as with y − a in place of a − y",
        "take a^L − y in ∇_aC, and step downhill in the descent, not in the gradient", variants.all_factors(-1.0),
    ),
    Mistake(
        "factor_two", "every entry is twice what it should be: the cost's factor ½ is not there",
        "the cost is ½‖a − y‖², whose gradient is a − y, not 2(a − y)", variants.all_factors(2.0),
    ),
    Mistake(
        "half", "every entry is half of what it should be: the ½ of the cost was kept",
        "the derivative of ½(a − y)² is a − y", variants.all_factors(0.5),
    ),
    Mistake(
        "sum_for_mean", "the examples are summed and not averaged: a factor m too much",
        "divide by the number of examples, once", variants.by_m(1),
    ),
    Mistake(
        "mean_twice", "the mean over the examples is taken twice: a factor m too little",
        "divide by the number of examples once, in ∇_aC or in the sums", variants.by_m(-1),
    ),
    Mistake(
        "slope_missing", "σ′(z{l}) is missing",
        "multiply by σ′(z{l}), entry by entry", variants.slope_missing,
    ),
    Mistake(
        "other_cost", "δ{l} is that of another cost",
        "check which cost was asked for: ∇_aC, and whether σ′ cancels against it", variants.other_cost,
    ),
    Mistake(
        "value_for_slope", "σ(z{l}) stands where σ′(z{l}) belongs",
        "take the derivative of the activation", variants.value_for_slope,
    ),
    Mistake(
        "slope_at_activation", "σ′ is taken at a{l} and not at z{l}",
        "hand the weighted input to σ′, or write σ′ as a function of a, as a(1 − a)", variants.slope_at_activation,
    ),
    Mistake(
        "logistic_slope", "a(1 − a) stands for the slope of layer {n}, whose activation is no sigmoid",
        "take the derivative of that layer's own activation", variants.logistic_slope,
    ),
    Mistake(
        "diagonal_slope", "only the diagonal of Σ′(z{l}) is used, and the activation couples its neurons",
        "apply the whole matrix: for softmax, a ⊙ (v − aᵀv)", variants.diagonal_slope,
    ),
    Mistake(
        "slope_of_other_layer", "the slope of another layer stands where σ′(z{l}) belongs",
        "check the index of z: δ{l} takes σ′(z{l})", variants.slope_of_other_layer,
    ),
    Mistake(
        "gelu_by_tanh", "gelu is computed by its approximation with tanh, which is JAX's default",
        "take the exact function: approximate=False in JAX, approximate='none' in PyTorch", variants.gelu_by_tanh,
    ),
    Mistake(
        "weights_transposed", "w{a} carries δ{a} back untransposed",
        "multiply by the transpose: (w{a})ᵀδ{a}, with examples as rows delta @ w", variants.weights_transposed,
    ),
    Mistake(
        "weights_of_other_layer", "another layer's weights carry δ{a} back",
        "check the index of w: δ{l} takes (w{a})ᵀ", variants.weights_of_other_layer,
    ),
    Mistake(
        "sign_in_layer", "δ{l} has the other sign",
        "look for a minus in (BP2)", variants.sign_in_layer,
    ),
    Mistake(
        "biases_lost", "∂C/∂b{l} is zero",
        "sum δ{l} over the examples", variants.of_biases(0.0),
    ),
    Mistake(
        "weights_lost", "∂C/∂w{l} is zero",
        "write δ{l}(a{b})ᵀ there", variants.of_weights(0.0),
    ),
    Mistake(
        "sign_of_biases", "∂C/∂b{l} has the other sign",
        "it is +δ{l}", variants.of_biases(-1.0),
    ),
    Mistake(
        "sign_of_weights", "∂C/∂w{l} has the other sign",
        "it is +δ{l}(a{b})ᵀ", variants.of_weights(-1.0),
    ),
    Mistake(
        "example_dropped", "the first or the last example is left out",
        "check the range of the loop", variants.example_dropped,
    ),
    Mistake(
        "one_example", "only the first or the last example counts",
        "add up the examples: += and not =", variants.one_example,
    ),
    Mistake(
        "sample_weights_ignored", "all examples count the same",
        "weigh each by its share", variants.shares_ignored,
    ),
    Mistake(
        "input_of_next_layer", "a{l} stands where a{b} belongs: off by one layer",
        "take the activations that come into the layer", variants.input_of_next_layer,
    ),
    Mistake(
        "gradient_transposed", "∂C/∂w{l} is transposed",
        "rows are neurons and columns are inputs: δ{l}(a{b})ᵀ, with examples as rows delta.T @ a",
        variants.gradient_transposed,
    ),
    Mistake(
        "layers_reversed", "the layers stand in reverse order",
        "put the first layer's gradients first", variants.layers_reversed,
    ),
    Mistake(
        "weighted_input_for_activation", "z{b} stands where a{b} belongs",
        "take what the layer below hands on, after its activation", variants.weighted_input_for_activation,
    ),
)  # fmt: skip
"""In the order in which they are believed where several explain the same gradient."""
