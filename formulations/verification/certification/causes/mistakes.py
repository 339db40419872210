"""The usual mistakes in hand-written gradients, each with the gradients that it produces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from formulations.verification.certification.causes import variants
from formulations.verification.certification.causes.recomputation import Pass

__all__ = ["MISTAKES", "Mistake"]


@dataclass(frozen=True)
class Mistake:
    """A possible mistake.

    Attributes
    ----------
    name : str
        The name of the mistake.
    sentence, remedy : str
        What is wrong, and how to correct it. Placeholders: ``{l}`` is the layer, ``{a}`` the layer above and ``{b}``
        the layer below, as superscripts; ``{n}`` is the number of the layer.
    variants : callable (Pass) -> iterator of (layer or None, Parts or ndarray)
        The backward passes, or the gradients, with the mistake in one layer, or in all layers for None.
    """

    name: str
    sentence: str
    remedy: str
    variants: Callable[[Pass], variants.Variants]


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "nothing_computed", "every entry is zero",
        "compute the gradient", variants.all_factors(0.0),
    ),
    Mistake(
        "sign", "every entry has the opposite sign, as with y − a instead of a − y",
        "use a^L − y in ∇_aC; the minus sign of gradient descent belongs in the update", variants.all_factors(-1.0),
    ),
    Mistake(
        "factor_two", "every entry is too large by a factor of 2: the factor ½ of the cost is missing",
        "the cost is ½‖a − y‖², whose gradient is a − y, not 2(a − y)", variants.all_factors(2.0),
    ),
    Mistake(
        "half", "every entry is too small by a factor of 2: the factor ½ of the cost was kept",
        "the derivative of ½(a − y)² is a − y", variants.all_factors(0.5),
    ),
    Mistake(
        "sum_for_mean", "the examples are summed, not averaged: a factor of m too large",
        "divide by the number of examples once", variants.by_m(1),
    ),
    Mistake(
        "mean_twice", "the mean over the examples is taken twice: a factor of m too small",
        "divide by the number of examples only once, in ∇_aC or in the sums", variants.by_m(-1),
    ),
    Mistake(
        "slope_missing", "σ′(z{l}) is missing",
        "multiply by σ′(z{l}), entry by entry", variants.slope_missing,
    ),
    Mistake(
        "other_cost", "δ{l} is that of another cost",
        "check which cost the gradient is for: its ∇_aC, and whether σ′ cancels", variants.other_cost,
    ),
    Mistake(
        "value_for_slope", "σ(z{l}) is used instead of σ′(z{l})",
        "use the derivative of the activation", variants.value_for_slope,
    ),
    Mistake(
        "slope_at_activation", "σ′ is evaluated at a{l} instead of z{l}",
        "pass the weighted input to σ′, or write σ′ in terms of a, as a(1 − a)", variants.slope_at_activation,
    ),
    Mistake(
        "logistic_slope", "a(1 − a) is used as the slope of layer {n}, whose activation is not the sigmoid",
        "use the derivative of that layer's activation", variants.logistic_slope,
    ),
    Mistake(
        "diagonal_slope", "only the diagonal of Σ′(z{l}) is used, but the activation couples its neurons",
        "apply the whole matrix: for softmax, a ⊙ (v − aᵀv)", variants.diagonal_slope,
    ),
    Mistake(
        "slope_of_other_layer", "the slope of another layer is used instead of σ′(z{l})",
        "check the index of z: δ{l} needs σ′(z{l})", variants.slope_of_other_layer,
    ),
    Mistake(
        "gelu_by_tanh", "gelu is replaced by its tanh approximation, the default of JAX",
        "use the exact function: approximate=False in JAX, approximate='none' in PyTorch", variants.gelu_by_tanh,
    ),
    Mistake(
        "weights_transposed", "δ{a} is multiplied by w{a} instead of its transpose",
        "compute (w{a})ᵀδ{a}, with examples as rows delta @ w", variants.weights_transposed,
    ),
    Mistake(
        "weights_of_other_layer", "δ{a} is multiplied by the weights of another layer",
        "check the index of w: δ{l} needs (w{a})ᵀ", variants.weights_of_other_layer,
    ),
    Mistake(
        "sign_in_layer", "δ{l} has the opposite sign",
        "look for a minus sign in (BP2)", variants.sign_in_layer,
    ),
    Mistake(
        "biases_lost", "∂C/∂b{l} is zero",
        "sum δ{l} over the examples", variants.of_biases(0.0),
    ),
    Mistake(
        "weights_lost", "∂C/∂w{l} is zero",
        "compute δ{l}(a{b})ᵀ", variants.of_weights(0.0),
    ),
    Mistake(
        "sign_of_biases", "∂C/∂b{l} has the opposite sign",
        "it is +δ{l}", variants.of_biases(-1.0),
    ),
    Mistake(
        "sign_of_weights", "∂C/∂w{l} has the opposite sign",
        "it is +δ{l}(a{b})ᵀ", variants.of_weights(-1.0),
    ),
    Mistake(
        "example_dropped", "the first or the last example is left out",
        "check the range of the loop over the examples", variants.example_dropped,
    ),
    Mistake(
        "one_example", "only the first or the last example counts",
        "sum over the examples: += instead of =", variants.one_example,
    ),
    Mistake(
        "sample_weights_ignored", "the sample weights are ignored",
        "weight each example by its share", variants.shares_ignored,
    ),
    Mistake(
        "input_of_next_layer", "a{l} is used instead of a{b}: off by one layer",
        "use the activations that enter the layer", variants.input_of_next_layer,
    ),
    Mistake(
        "gradient_transposed", "∂C/∂w{l} is transposed",
        "rows are neurons and columns are inputs: δ{l}(a{b})ᵀ, with examples as rows delta.T @ a",
        variants.gradient_transposed,
    ),
    Mistake(
        "layers_reversed", "the layers are in reverse order",
        "put the gradient of the first layer first", variants.layers_reversed,
    ),
    Mistake(
        "weighted_input_for_activation", "z{b} is used instead of a{b}",
        "use the output of the layer below, after its activation", variants.weighted_input_for_activation,
    ),
)  # fmt: skip
"""In order of preference, if several explain the same gradient."""
