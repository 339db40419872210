"""The usual mistakes in hand-written gradients, each with the gradients that it produces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from formulations.verification.certification.causes import (
    backward,
    behavior,
    examples,
    finished,
    multiples,
    problems,
)
from formulations.verification.certification.causes.backward import Variants
from formulations.verification.certification.causes.case import Case

__all__ = ["MISTAKES", "Family", "Mistake"]


class Family(Enum):
    """Where a mistake is made, which decides what it can be combined with."""

    BACKWARD = "in the backward pass"
    EXAMPLES = "in the sum over the examples"
    PROBLEM = "in the problem"
    MULTIPLE = "in a factor"
    DECAY = "in the weight decay"
    FINISHED = "with the finished gradient"
    CALLS = "from call to call"


@dataclass(frozen=True)
class Mistake:
    """A possible mistake.

    Attributes
    ----------
    name : str
        The name of the mistake.
    family : Family
        Where it is made. A multiple and a weight decay can come on top of a mistake in the backward pass, in the sum
        over the examples or in the problem, and weight decay on top of a multiple.
    sentence, remedy : str
        What is wrong, and how to correct it. Placeholders: ``{l}`` is the layer, ``{above}`` the layer above and
        ``{below}`` the layer below, as superscripts; ``{number}`` is the number of the layer; others are the
        facts of the variant.
    variants : callable (Case) -> iterator of Variant
        The backward passes, or the gradients, with the mistake in one layer, or in all layers for None.
    general : bool
        Whether it explains so much that it is asked only if no other mistake explains the gradient.
    """

    name: str
    family: Family
    sentence: str
    remedy: str
    variants: Callable[[Case], Variants]
    general: bool = False


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "call_accumulated", Family.CALLS, "each call adds its gradient to that of the call before",
        "start every call from zero, as with zero_grad()", behavior.call_accumulated,
    ),
    Mistake(
        "cached_answer", Family.CALLS, "the function returns the same gradient for other examples",
        "compute it anew in every call", behavior.cached_answer,
    ),
    Mistake(
        "dropout_left_on", Family.CALLS,
        "identical calls return different gradients, with exact zeros in different places, as dropout makes them",
        "switch dropout off, as with eval()", behavior.dropout_left_on,
    ),
    Mistake(
        "nothing_computed", Family.MULTIPLE, "every entry is zero",
        "compute the gradient", multiples.everywhere(0.0),
    ),
    Mistake(
        "parameters_returned", Family.FINISHED, "these are the parameters, not their gradient",
        "pass the gradient, such as the .grad of each parameter", finished.parameters_returned,
    ),
    Mistake(
        "parameters_updated", Family.FINISHED,
        "these are the parameters after a step of gradient descent with the learning rate {rate}{decay}",
        "pass the gradient instead", finished.parameters_updated,
    ),
    Mistake(
        "sign", Family.MULTIPLE, "every entry has the opposite sign, as with y − a instead of a − y",
        "use a^L − y in ∇_aC; the minus sign of gradient descent belongs in the update", multiples.everywhere(-1.0),
    ),
    Mistake(
        "factor_two", Family.MULTIPLE, "every entry is too large by a factor of 2: the factor ½ of the cost is missing",
        "the cost is ½‖a − y‖², whose gradient is a − y, not 2(a − y)", multiples.factor_two,
    ),
    Mistake(
        "half", Family.MULTIPLE, "every entry is too small by a factor of 2{why}",
        "{remedy}", multiples.half,
    ),
    Mistake(
        "sum_for_mean", Family.MULTIPLE, "the examples are summed, not averaged: a factor of m too large",
        "divide by the number of examples once", multiples.by_m(1),
    ),
    Mistake(
        "mean_twice", Family.MULTIPLE, "the mean over the examples is taken twice: a factor of m too small",
        "divide by the number of examples only once, in ∇_aC or in the sums", multiples.by_m(-1),
    ),
    Mistake(
        "outputs_averaged", Family.MULTIPLE,
        "the cost is averaged over the outputs: a factor of {factor} = {size}",
        "sum over the outputs, and average over the examples alone", multiples.outputs_averaged,
    ),
    Mistake(
        "outputs_summed", Family.MULTIPLE, "the cost is summed over {what}: a factor of {factor} = {size}",
        "average over {what}", multiples.outputs_summed,
    ),
    Mistake(
        "calls_accumulated", Family.MULTIPLE,
        "the gradient is the sum of {count} equal gradients, as {count} calls add up",
        "set the gradient to zero before each call, as with zero_grad()", multiples.calls_accumulated,
    ),
    Mistake(
        "norm_clipped", Family.MULTIPLE, "{what} is clipped to {limit}",
        "pass the gradient before it is clipped", multiples.norm_clipped,
    ),
    Mistake(
        "step", Family.MULTIPLE, "this is a step of gradient descent, {factor} times the gradient with η = {rate}",
        "the gradient has no learning rate", multiples.step,
    ),
    Mistake(
        "batch_size", Family.MULTIPLE, "the sum over the examples is divided by {count} instead of {m}",
        "divide by the number of examples", multiples.batch_size,
    ),
    Mistake(
        "slope_missing", Family.BACKWARD, "σ′(z{l}) is missing",
        "multiply by σ′(z{l}), entry by entry", backward.slope_missing,
    ),
    Mistake(
        "other_cost", Family.PROBLEM, "δ{l} is that of another cost",
        "check which cost the gradient is for: its ∇_aC, and whether σ′ cancels", problems.other_cost,
    ),
    Mistake(
        "value_for_slope", Family.BACKWARD, "σ(z{l}) is used instead of σ′(z{l})",
        "use the derivative of the activation", backward.value_for_slope,
    ),
    Mistake(
        "slope_at_activation", Family.BACKWARD, "σ′ is evaluated at a{l} instead of z{l}",
        "pass the weighted input to σ′, or write σ′ in terms of a, as a(1 − a)", backward.slope_at_activation,
    ),
    Mistake(
        "slope_by_activation_at_input", Family.BACKWARD,
        "σ′ is written as a function of a{l}, such as a(1 − a), but given z{l}",
        "pass it the activation", backward.slope_by_activation_at_input,
    ),
    Mistake(
        "logistic_slope", Family.BACKWARD,
        "a(1 − a) is used as the slope of layer {number}, whose activation is not the sigmoid",
        "use the derivative of that layer's activation", backward.logistic_slope,
    ),
    Mistake(
        "slope_twice", Family.BACKWARD, "σ′(z{l}) is applied twice",
        "multiply by σ′(z{l}) once", backward.slope_twice,
    ),
    Mistake(
        "diagonal_slope", Family.BACKWARD,
        "only the diagonal of Σ′(z{l}) is used, but the activation couples its neurons",
        "apply the whole matrix: for softmax, a ⊙ (v − aᵀv)", backward.diagonal_slope,
    ),
    Mistake(
        "slope_of_other_layer", Family.BACKWARD, "the slope of another layer is used instead of σ′(z{l})",
        "check the index of z: δ{l} needs σ′(z{l})", backward.slope_of_other_layer,
    ),
    Mistake(
        "gelu_by_tanh", Family.PROBLEM, "gelu is replaced by its tanh approximation, the default of JAX",
        "use the exact function: approximate=False in JAX, approximate='none' in PyTorch", problems.gelu_by_tanh,
    ),
    Mistake(
        "output_activation_twice", Family.PROBLEM, "the output activation {activation} is applied twice",
        "a loss that takes logits applies it itself: pass it z{l}, not a{l}", problems.output_activation_twice,
    ),
    Mistake(
        "labels_shifted_by_class", Family.PROBLEM, "the classes of the labels are shifted by {step}",
        "check whether the classes are counted from 0 or from 1", problems.labels_shifted_by_class,
    ),
    Mistake(
        "labels_recoded", Family.PROBLEM, "the labels are {recoded} instead of y",
        "check which numbers stand for the two classes", problems.labels_recoded,
    ),
    Mistake(
        "targets_broadcast", Family.PROBLEM,
        "each output is compared with the mean of all targets, as where shapes (m, 1) and (m,) are broadcast to (m, m)",
        "give the targets the shape of the outputs, as with y.unsqueeze(1)", problems.targets_broadcast,
    ),
    Mistake(
        "labels_shifted_by_row", Family.PROBLEM, "each example has the label of {which}",
        "shuffle and slice inputs and labels together", problems.labels_shifted_by_row,
    ),
    Mistake(
        "label_smoothing", Family.PROBLEM, "the labels are smoothed with ε = {epsilon}",
        "switch label smoothing off, or pass the smoothed targets as Y", problems.label_smoothing,
    ),
    Mistake(
        "weights_transposed", Family.BACKWARD, "δ{above} is multiplied by w{above} instead of its transpose",
        "compute (w{above})ᵀδ{above}, with examples as rows delta @ w", backward.weights_transposed,
    ),
    Mistake(
        "weights_of_other_layer", Family.BACKWARD, "δ{above} is multiplied by the weights of another layer",
        "check the index of w: δ{l} needs (w{above})ᵀ", backward.weights_of_other_layer,
    ),
    Mistake(
        "sign_in_layer", Family.BACKWARD, "δ{l} has the opposite sign",
        "look for a minus sign in (BP2)", backward.sign_in_layer,
    ),
    Mistake(
        "biases_lost", Family.FINISHED, "∂C/∂b{l} is zero",
        "sum δ{l} over the examples", multiples.of_biases(0.0),
    ),
    Mistake(
        "weights_lost", Family.FINISHED, "∂C/∂w{l} is zero",
        "compute δ{l}(a{below})ᵀ", multiples.of_weights(0.0),
    ),
    Mistake(
        "layers_lost", Family.FINISHED, "the gradient of {lost} is zero",
        "look for detach(), for frozen parameters, or for a loop that ends too early", multiples.layers_lost,
    ),
    Mistake(
        "sign_of_biases", Family.FINISHED, "∂C/∂b{l} has the opposite sign",
        "it is +δ{l}", multiples.of_biases(-1.0),
    ),
    Mistake(
        "sign_of_weights", Family.FINISHED, "∂C/∂w{l} has the opposite sign",
        "it is +δ{l}(a{below})ᵀ", multiples.of_weights(-1.0),
    ),
    Mistake(
        "sample_weights_ignored", Family.EXAMPLES, "the sample weights are ignored",
        "weight each example by its share", examples.sample_weights_ignored,
    ),
    Mistake(
        "sample_weights_twice", Family.EXAMPLES, "the sample weights are applied twice",
        "weight each example by its share once", examples.sample_weights_twice,
    ),
    Mistake(
        "classes_weighted", Family.EXAMPLES, "the examples are weighted by class: {weights}",
        "give all classes the same weight, or pass the weights as sample_weight", examples.classes_weighted,
    ),
    Mistake(
        "example_dropped", Family.EXAMPLES, "{dropped} left out{all_of}",
        "check the range of the loop over the examples, drop_last and ignore_index", examples.example_dropped,
    ),
    Mistake(
        "one_example", Family.EXAMPLES, "only {kept} counts",
        "sum over the examples: += instead of =", examples.one_example,
    ),
    Mistake(
        "examples_repeated", Family.EXAMPLES, "{repeated} as much as the others",
        "check the indices of the mini-batch, how it is filled up, and whether means of unequal batches are averaged",
        examples.examples_repeated,
    ),
    Mistake(
        "padded_with_zeros", Family.EXAMPLES, "the mini-batch is filled up with {count} examples of zeros{label}",
        "leave them out, or give them the weight 0", examples.padded_with_zeros,
    ),
    Mistake(
        "input_of_next_layer", Family.BACKWARD, "a{l} is used instead of a{below}: off by one layer",
        "use the activations that enter the layer", backward.input_of_next_layer,
    ),
    Mistake(
        "gradient_transposed", Family.FINISHED, "∂C/∂w{l} is transposed",
        "rows are neurons and columns are inputs: δ{l}(a{below})ᵀ, with examples as rows delta.T @ a",
        finished.gradient_transposed,
    ),
    Mistake(
        "layers_reversed", Family.FINISHED, "the layers are in reverse order",
        "put the gradient of the first layer first", finished.layers_reversed,
    ),
    Mistake(
        "weighted_input_for_activation", Family.BACKWARD, "z{below} is used instead of a{below}",
        "use the output of the layer below, after its activation", backward.weighted_input_for_activation,
    ),
    Mistake(
        "equal_entries", Family.FINISHED,
        "every entry has the size {size} and the sign of {sign}∂C/∂θ, as in the first step of Adam",
        "pass the gradient, not the optimizer's step", finished.equal_entries,
    ),
    Mistake(
        "value_clipped", Family.FINISHED, "{count} entries are clipped to ±{limit}",
        "pass the gradient before it is clipped", finished.value_clipped,
    ),
    Mistake(
        "decay_missing", Family.DECAY, "the weight decay λw is missing",
        "add l2 times w to ∂C/∂w", finished.decay_missing,
    ),
    Mistake(
        "decay_of_weights", Family.DECAY, "the gradient contains the weight decay λw with λ = {size}",
        "leave λw out{or_say}", finished.decay_of_weights,
    ),
    Mistake(
        "decay_of_all", Family.DECAY,
        "the gradient contains the weight decay λθ with λ = {size}, of weights and biases",
        "leave it out; weight decay that belongs in the gradient is of weights alone{with_l2}", finished.decay_of_all,
    ),
    Mistake(
        "multiple", Family.MULTIPLE, "every entry is multiplied by {factor}",
        "look for this factor in ∇_aC, in the sums and in what is done with the gradient", multiples.multiple,
        general=True,
    ),
    Mistake(
        "parameters_moved", Family.FINISHED, "these are near the parameters, as those after a step of an optimizer are",
        "pass the gradient instead", finished.parameters_moved, general=True,
    ),
    Mistake(
        "single_entry", Family.FINISHED, "only one entry is wrong, {entry}",
        "look for code that writes to this entry only, or for an index out of range", finished.single_entry,
        general=True,
    ),
    Mistake(
        "examples_weighted", Family.EXAMPLES, "the examples have other weights than {given}: {weights}",
        "weight each example by its share", examples.examples_weighted, general=True,
    ),
    Mistake(
        "single_precision", Family.FINISHED, "the differences are of the size of float32 roundoff",
        "look for an array, a constant or a sum in float32", finished.single_precision, general=True,
    ),
    Mistake(
        "random_calls", Family.CALLS, "two identical calls return different gradients",
        "fix the seed, and switch off what is random", behavior.random_calls, general=True,
    ),
)  # fmt: skip
"""In order of preference, if several explain the same gradient."""
