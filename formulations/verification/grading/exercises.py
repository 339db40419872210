r"""The exercises: what each function gets, what it must return, and which equation each part of that answers for.

Every answer is judged as part of a gradient: what the exercise does not ask for comes from the library, in double
precision, and follows from the answer where it depends on it. Each equation is judged with the answer's own δ of the
layer above (:func:`~formulations.verification.tolerances.forward_bounds.local_forward_checks`), so a mistake costs the
points of its own equation and not of those that build on it. An equation is right, too, if its result is that of the
whole backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import InvalidInput, UnknownName
from formulations.network import Gradient
from formulations.verification.grading.questions import Question, drawn
from formulations.verification.tolerances import (
    Check,
    EquationVerdict,
    Formulas,
    Status,
    local_forward_checks,
    propagate_bounds,
)

__all__ = ["EXERCISES", "Exercise", "Finding", "Judgement", "choose"]

Shape: TypeAlias = tuple[int, ...]

RESULTS = {"BP1": "δ", "BP2": "δ", "BP3": "∂C/∂b", "BP4": "∂C/∂w"}
"""The result of each equation, as a verdict names it."""


@dataclass(frozen=True)
class Finding:
    """Whether an equation is right in one layer.

    Attributes
    ----------
    equation : str
        Its number.
    layer : int
        The layer.
    right : bool
        Whether every entry is within its bound.
    """

    equation: str
    layer: int
    right: bool


@dataclass(frozen=True)
class Judgement:
    """What is found in an answer.

    Attributes
    ----------
    findings : tuple of Finding
        In the order of the computation.
    gradient : Gradient or None
        The gradient that is wrong by the first of these mistakes alone; None if there is none, or no gradient.
    """

    findings: tuple[Finding, ...]
    gradient: Gradient | None = None


@dataclass(frozen=True)
class Exercise:
    """An exercise.

    Attributes
    ----------
    name : str
        Its name, which is that of the function.
    says : str
        What the function computes.
    equations : tuple of str
        The equations that give points.
    depths : int or tuple of int
        What the function returns: 0 is an array, 1 a list of arrays, a tuple has several results.
    draw : callable (Generator) -> list of Question
        Draws the networks.
    arguments : callable (Question) -> list
        The arguments of the function for one of them.
    shapes : callable (Question) -> mapping
        The names of the results, and the shape of each, or the shapes of a list of arrays.
    judge : callable (Question, mapping) -> Judgement
        Judges the results that have these shapes.
    of_result : mapping
        The equations that a result answers for, if it is not all of them: one that does not fit costs only these.
    """

    name: str
    says: str
    equations: tuple[str, ...]
    depths: int | tuple[int, ...]
    draw: Callable[[np.random.Generator], list[Question]]
    arguments: Callable[[Question], list[Any]]
    shapes: Callable[[Question], Mapping[str, Shape | list[Shape]]]
    judge: Callable[[Question, Mapping[str, Any]], Judgement]
    of_result: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _one_example(random: np.random.Generator) -> list[Question]:
    return drawn(random, batches=(1, 1, 1, 1))


def _hidden(random: np.random.Generator) -> list[Question]:
    return drawn(random, batches=(1, 1, 1, 1), output=(False,) * 4)


def _modified(random: np.random.Generator) -> list[Question]:
    questions = drawn(random, batches=(1, 1, 1, 1), output=(False, True, False, True))
    return [question.with_function(("tanh", "square")[i // 2]) for i, question in enumerate(questions)]


def _layers(question: Question) -> range:
    """Return the layers from the output backwards."""
    return range(question.last, 1, -1)


def _parameters(question: Question) -> list[Any]:
    return [list(question.network.weights), list(question.network.biases)]


def _square(question: Question) -> list[Shape]:
    return [(n, n) for n in question.network.sizes[1:]]


def _columns(question: Question) -> list[Shape]:
    return [(n,) for n in question.network.sizes[1:]]


def _assembled(
    question: Question,
    *,
    weights: Mapping[int, Array] | None = None,
    biases: Mapping[int, Array] | None = None,
    errors: Mapping[int, Array] | None = None,
) -> Gradient:
    """Return the gradient that follows from an answer's arrays, by layer: what it lacks is computed from the rest."""
    network, tape, gradient, m = question.network, question.tape, question.gradient.copy(), len(question.X)
    deltas = list(gradient.errors or ())
    given = {l: array.reshape(deltas[l - 2].shape) / m for l, array in (errors or {}).items()}
    for l in _layers(question):
        if l in given:
            deltas[l - 2] = given[l]
        elif any(above in given for above in range(l + 1, question.last + 1)):
            slope = network.activations[l - 2].slope(tape.weighted_inputs[l - 2])
            deltas[l - 2] = (deltas[l - 1] @ network.weights[l - 1]) * slope
        if given:
            gradient.weights[l - 2][...] = deltas[l - 2].T @ tape.activations[l - 2]
            gradient.biases[l - 2][...] = deltas[l - 2].sum(axis=0)
        gradient.weights[l - 2][...] = (weights or {}).get(l, gradient.weights[l - 2])
        gradient.biases[l - 2][...] = (biases or {}).get(l, gradient.biases[l - 2])
    gradient.errors = tuple(deltas)
    return gradient


def _judged(question: Question, gradient: Gradient, wanted: Iterable[tuple[str, int]]) -> Judgement:
    """Judge equations in layers: each from the answer's own δ, or as part of the whole."""
    reference = question.reference
    bounds = propagate_bounds(reference, formulas=Formulas.CUSTOMARY)
    checks = local_forward_checks(gradient, reference, formulas=Formulas.CUSTOMARY) + bounds.checks(gradient)
    lines = [check.verdict() for check in checks]
    right = {(line.equation, line.layer) for line in lines if line.status is Status.EQUAL}
    findings = [
        Finding(equation, layer, not right.isdisjoint({(equation, layer), (RESULTS[equation], layer)}))
        for equation, layer in wanted
    ]
    first = next((finding for finding in findings if not finding.right), None)
    return Judgement(tuple(findings), None if first is None else _isolated(question, gradient, first))


def _isolated(question: Question, gradient: Gradient, first: Finding) -> Gradient:
    """Return the right gradient with one wrong equation in one layer, and what follows from it."""
    l = first.layer
    if first.equation == "BP4":
        return _assembled(question, weights={l: gradient.weights[l - 2]})
    if first.equation == "BP3":
        return _assembled(question, biases={l: gradient.biases[l - 2]})
    return _assembled(question, errors={l: len(question.X) * (gradient.errors or ())[l - 2]})


def _by_layer(arrays: Sequence[Array]) -> dict[int, Array]:
    return dict(enumerate(arrays, start=2))


def _of_errors(question: Question) -> list[tuple[str, int]]:
    """(BP1) in the output layer, and (BP2) in the hidden ones."""
    return [("BP1" if l == question.last else "BP2", l) for l in _layers(question)]


def _verdict(layer: int, equation: str, candidate: Array, expected: Array, bound: Array) -> EquationVerdict:
    return Check(layer, equation, candidate, expected, bound, lambda entry: (str(entry), "")).verdict()


def _judge_forward(question: Question, results: Mapping[str, Any]) -> Judgement:
    reference = question.reference
    findings = [Finding("25", 1, np.array_equal(results["activations"][0], question.X[0]))]
    bounds = propagate_bounds(reference, formulas=Formulas.CUSTOMARY)
    sides = bounds.precision.sides
    for l in range(2, question.last + 1):
        z, a = results["weighted_inputs"][l - 2][None], results["activations"][l - 1][None]
        lines = [
            _verdict(l, "25", z, reference.weighted_inputs[l - 2], sides * bounds.weighted_inputs[l - 2]),
            _verdict(l, "25", a, reference.activations[l - 1], sides * bounds.activations[l - 1]),
        ]
        findings.append(Finding("25", l, all(line.status is Status.EQUAL for line in lines)))
    return Judgement(tuple(findings))


def _judge_matrices(question: Question, results: Mapping[str, Any]) -> Judgement:
    """Judge Σ′ and δ: the first off its diagonal must be zero, the second is judged as (BP1) and (BP2)."""
    reference, bounds = question.reference, propagate_bounds(question.reference, formulas=Formulas.CUSTOMARY)
    errors = _judged(question, _assembled(question, errors=_by_layer(results["errors"])), _of_errors(question))
    # The slopes of sigmoids are the diagonals of their Σ′ alone.
    slopes = cast("list[Array]", [slope.matrix for slope in reference.slopes])
    limits, findings = cast("list[Array]", bounds.slopes), []
    for finding in errors.findings:
        l = finding.layer
        matrix = results["matrices"][l - 2]
        diagonal = matrix.diagonal()
        line = _verdict(l, "33", diagonal[None], slopes[l - 2], bounds.precision.sides * limits[l - 2])
        # Every other entry is zero without rounding.
        right = line.status is Status.EQUAL and np.array_equal(matrix, np.diag(diagonal))
        equation = "33" if l == question.last else "34"
        findings.append(Finding(equation, l, finding.right and right))
    return Judgement(tuple(findings), errors.gradient)


EXERCISES = {
    exercise.name: exercise
    for exercise in (
        Exercise(
            "feedforward",
            "z and a of every layer, for one example",
            equations=("25",),
            depths=(1, 1),
            draw=_one_example,
            arguments=lambda q: [*_parameters(q), q.X[0]],
            shapes=lambda q: {"weighted_inputs": _columns(q), "activations": [(n,) for n in q.network.sizes]},
            judge=_judge_forward,
        ),
        Exercise(
            "bp1",
            "δ of the output layer, for one example",
            equations=("BP1",),
            depths=0,
            draw=_one_example,
            arguments=lambda q: [q.tape.weighted_inputs[-1][0], q.Y[0]],
            shapes=lambda q: {"delta": q.network.sizes[-1:]},
            judge=lambda q, results: _judged(q, _assembled(q, errors={q.last: results["delta"]}), [("BP1", q.last)]),
        ),
        Exercise(
            "bp2",
            "δ of a hidden layer, from that of the next layer, for one example",
            equations=("BP2",),
            depths=0,
            draw=_hidden,
            arguments=lambda q: [
                q.network.weights[q.layer - 1],
                q.errors[q.layer - 1][0],
                q.tape.weighted_inputs[q.layer - 2][0],
            ],
            shapes=lambda q: {"delta": (q.network.sizes[q.layer - 1],)},
            judge=lambda q, results: _judged(q, _assembled(q, errors={q.layer: results["delta"]}), [("BP2", q.layer)]),
        ),
        Exercise(
            "bp3",
            "the gradient with respect to the biases of a layer, from its δ for a mini-batch",
            equations=("BP3",),
            depths=0,
            draw=drawn,
            arguments=lambda q: [q.errors[q.layer - 2]],
            shapes=lambda q: {"gradient": (q.network.sizes[q.layer - 1],)},
            judge=lambda q, results: _judged(
                q, _assembled(q, biases={q.layer: results["gradient"]}), [("BP3", q.layer)]
            ),
        ),
        Exercise(
            "bp4",
            "the gradient with respect to the weights of a layer, from its δ and its inputs for a mini-batch",
            equations=("BP4",),
            depths=0,
            draw=drawn,
            arguments=lambda q: [q.tape.activations[q.layer - 2], q.errors[q.layer - 2]],
            shapes=lambda q: {"gradient": q.network.layout.shapes[q.layer - 2]},
            judge=lambda q, results: _judged(
                q, _assembled(q, weights={q.layer: results["gradient"]}), [("BP4", q.layer)]
            ),
        ),
        Exercise(
            "backprop",
            "the gradient of a mini-batch, with δ of each example",
            equations=("BP1", "BP2", "BP3", "BP4"),
            depths=(1, 1, 1),
            draw=drawn,
            arguments=lambda q: [*_parameters(q), q.X, q.Y],
            shapes=lambda q: {
                "weights": list(q.network.layout.shapes),
                "biases": _columns(q),
                "errors": [(len(q.X), n) for n in q.network.sizes[1:]],
            },
            judge=lambda q, results: _judged(
                q,
                _assembled(q, **{name: _by_layer(arrays) for name, arrays in results.items()}),
                _of_errors(q) + [(equation, l) for l in _layers(q) for equation in ("BP4", "BP3")],
            ),
            of_result={"weights": ("BP4",), "biases": ("BP3",), "errors": ("BP1", "BP2")},
        ),
        Exercise(
            "sigma_form",
            "Σ′ and δ of every layer, in matrix form, for one example",
            equations=("33", "34"),
            depths=(1, 1),
            draw=_one_example,
            arguments=lambda q: [*_parameters(q), q.X[0], q.Y[0]],
            shapes=lambda q: {"matrices": _square(q), "errors": _columns(q)},
            judge=_judge_matrices,
        ),
        Exercise(
            "modified_neuron",
            "δ of every layer, with another function in one neuron, for one example",
            equations=("BP1", "BP2"),
            depths=1,
            draw=_modified,
            arguments=lambda q: [
                *_parameters(q),
                q.X[0],
                q.Y[0],
                q.layer,
                q.neuron,
                q.function,
                f"slope of {q.function}",
            ],
            shapes=lambda q: {"errors": _columns(q)},
            judge=lambda q, results: _judged(q, _assembled(q, errors=_by_layer(results["errors"])), _of_errors(q)),
        ),
    )
}
"""Exercise by name, in the order of the chapter."""


def choose(names: str | Iterable[str]) -> list[Exercise]:
    """Return exercises by their names, which a text separates by commas.

    Raises
    ------
    UnknownName
        If there is no such exercise.
    InvalidInput
        If none is named, or one twice.
    """
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    for name in names:
        if name not in EXERCISES:
            raise UnknownName("exercise", name, EXERCISES)
    if not names or len(set(names)) < len(names):
        raise InvalidInput(f"exercises must be at least one name, each once, got {names}; leave them out for all.")
    return [EXERCISES[name] for name in names]
