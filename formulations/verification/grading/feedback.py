"""Feedback: which equation is wrong, where, and what to look at, without the answer.

The likely cause that a certificate finds names the mistake and its remedy, which would be the answer. Feedback tells
only the part of the equation that it is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from formulations.verification.certification import certify
from formulations.verification.grading.exercises import Exercise, Finding, Judgement, Shape
from formulations.verification.grading.questions import Question

__all__ = ["sentence", "wrong_shape"]

ORDER = "the order of the layers"

PARTS = {
    "the factor σ′: which function it is, and where it is evaluated": (
        "slope_missing", "slope_twice", "value_for_slope", "slope_at_activation", "slope_by_activation_at_input",
        "logistic_slope", "slope_of_other_layer", "diagonal_slope",
    ),
    "the weights: which layer's they are, and over which of their two indices the sum runs": (
        "weights_transposed", "weights_of_other_layer",
    ),
    "the signs": ("sign", "sign_in_layer", "sign_of_biases", "sign_of_weights"),
    "constant factors": ("factor_two", "half", "multiple"),
    "how the examples of a mini-batch are combined": (
        "sum_for_mean", "mean_twice", "batch_size", "example_dropped", "one_example", "examples_repeated",
        "examples_weighted",
    ),
    "which layer's a or z it takes": ("input_of_next_layer", "weighted_input_for_activation"),
    "the order of the indices of the result": ("gradient_transposed",),
    ORDER: ("layers_reversed",),
    "the gradient of the cost with respect to the output": ("other_cost",),
    "what is left at zero": ("nothing_computed", "biases_lost", "weights_lost", "layers_lost"),
    "arrays in float32": ("single_precision",),
    "the index of a single entry": ("single_entry",),
}  # fmt: skip
"""What to look at, and the causes that it answers."""

LOOK_AT = {cause: part for part, causes in PARTS.items() for cause in causes}

EQUATIONS = {
    "25": "each term of the equation and its layer",
    "33": "the entries of Σ′, and what it multiplies",
    "34": "each factor of the equation, their order and their layers",
    "BP1": "both factors of the equation, for this cost",
    "BP2": "each factor of the equation and its layer",
    "BP3": "what the equation says for one example, and then the mean",
    "BP4": "which a and which δ the equation multiplies, the order of j and k, and then the mean",
}
"""What to look at if no known mistake explains an answer."""

MODIFIED = "each factor of the equation, and where the modified neuron enters"
"""The same, if one neuron is modified."""


ANY_FAULT = {"multiple", "single_entry"}
"""Mistakes that explain any fault in an array of one entry."""


def sentence(exercise: Exercise, question: Question, results: Mapping[str, Any], judgement: Judgement) -> str:
    """Say which equation of an answer is the first that is wrong, what to look at, and which others are wrong."""
    first, *others = (finding for finding in judgement.findings if not finding.right)
    # An exercise on one equation in one layer has said which.
    where = f" in layer {first.layer}" if len(judgement.findings) > 1 else ""
    if _right_if_reversed(exercise, question, results):
        return f"({first.equation}) is wrong{where}; look at {ORDER}"
    too = "".join(
        f"; ({equation}) is wrong, too"
        for equation in dict.fromkeys(each.equation for each in others)
        if equation != first.equation
    )
    return f"({first.equation}) is wrong{where}; look at {_part(question, judgement, first)}{too}"


def _right_if_reversed(exercise: Exercise, question: Question, results: Mapping[str, Any]) -> bool:
    """Whether an answer is right but for the order of one of its lists, in which all arrays have the same shape."""
    for name, held in results.items():
        if isinstance(held, list) and len({array.shape for array in held}) == 1:
            judgement = exercise.judge(question, {**results, name: held[::-1]})
            if all(finding.right for finding in judgement.findings):
                return True
    return False


def _part(question: Question, judgement: Judgement, first: Finding) -> str:
    names: tuple[str, ...] = ()
    if judgement.gradient is not None:
        certificate = certify(question.network, question.X, question.Y, judgement.gradient)
        if certificate.cause is not None and certificate.layer == first.layer:
            names = certificate.cause.names
            if _entries(question, first) == 1:
                names = tuple(name for name in names if name not in ANY_FAULT)
    otherwise = MODIFIED if question.function else EQUATIONS[first.equation]
    return next((LOOK_AT[name] for name in names if name in LOOK_AT), otherwise)


def _entries(question: Question, finding: Finding) -> int:
    """Return the number of entries of the array that an equation gives in a layer."""
    before, size = question.network.sizes[finding.layer - 2 : finding.layer]
    return size * {"BP3": 1, "BP4": before}.get(finding.equation, len(question.X))


def wrong_shape(found: Any, wanted: Shape | Sequence[Shape], name: str) -> str:
    """Say why a result does not have its shape, or those of its arrays; empty if it has."""
    if isinstance(wanted, tuple):
        if found.shape != wanted:
            return f"{name} must have shape {wanted}, got {found.shape}"
        return f"{name} must hold real numbers, got {found.dtype}" if found.dtype.kind == "c" else ""
    if len(found) != len(wanted):
        return f"{name} must hold {len(wanted)} arrays, one a layer, got {len(found)}"
    parts = enumerate(zip(found, wanted, strict=True))
    return next(filter(None, (wrong_shape(array, shape, f"{name}[{i}]") for i, (array, shape) in parts)), "")
