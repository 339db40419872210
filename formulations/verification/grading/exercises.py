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
from formulations.network import Gradient
from formulations.verification.grading.points import Point, drawn
from formulations.verification.tolerances import (
    Check,
    EquationVerdict,
    Formulas,
    Status,
    local_forward_checks,
    propagate_bounds,
)

__all__ = ["EXERCISES", "Exercise", "Finding", "Judgement"]

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
    draw : callable (Generator) -> list of Point
        Draws the networks.
    arguments : callable (Point) -> list
        The arguments of the function for one of them.
    shapes : callable (Point) -> mapping
        The names of the results, and the shape of each, or the shapes of a list of arrays.
    judge : callable (Point, mapping) -> Judgement
        Judges the results that have these shapes.
    of_result : mapping
        The equations that a result answers for, if it is not all of them: one that does not fit costs only these.
    """

    name: str
    says: str
    equations: tuple[str, ...]
    depths: int | tuple[int, ...]
    draw: Callable[[np.random.Generator], list[Point]]
    arguments: Callable[[Point], list[Any]]
    shapes: Callable[[Point], Mapping[str, Shape | list[Shape]]]
    judge: Callable[[Point, Mapping[str, Any]], Judgement]
    of_result: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _one_example(random: np.random.Generator) -> list[Point]:
    return drawn(random, batches=(1, 1, 1, 1))


def _hidden(random: np.random.Generator) -> list[Point]:
    return drawn(random, batches=(1, 1, 1, 1), output=(False,) * 4)


def _modified(random: np.random.Generator) -> list[Point]:
    points = drawn(random, batches=(1, 1, 1, 1), output=(False, True, False, True))
    return [point.with_function(("tanh", "square")[i // 2]) for i, point in enumerate(points)]


def _layers(point: Point) -> range:
    """Return the layers from the output backwards."""
    return range(point.last, 1, -1)


def _parameters(point: Point) -> list[Any]:
    return [list(point.network.weights), list(point.network.biases)]


def _square(point: Point) -> list[Shape]:
    return [(n, n) for n in point.network.sizes[1:]]


def _columns(point: Point) -> list[Shape]:
    return [(n,) for n in point.network.sizes[1:]]


def _assembled(
    point: Point,
    *,
    weights: Mapping[int, Array] | None = None,
    biases: Mapping[int, Array] | None = None,
    errors: Mapping[int, Array] | None = None,
) -> Gradient:
    """Return the gradient that follows from an answer's arrays, by layer: what it lacks is computed from the rest."""
    network, tape, gradient, m = point.network, point.tape, point.gradient.copy(), len(point.X)
    deltas = list(gradient.errors or ())
    given = {l: array.reshape(deltas[l - 2].shape) / m for l, array in (errors or {}).items()}
    for l in _layers(point):
        if l in given:
            deltas[l - 2] = given[l]
        elif any(above in given for above in range(l + 1, point.last + 1)):
            slope = network.activations[l - 2].slope(tape.weighted_inputs[l - 2])
            deltas[l - 2] = (deltas[l - 1] @ network.weights[l - 1]) * slope
        if given:
            gradient.weights[l - 2][...] = deltas[l - 2].T @ tape.activations[l - 2]
            gradient.biases[l - 2][...] = deltas[l - 2].sum(axis=0)
        gradient.weights[l - 2][...] = (weights or {}).get(l, gradient.weights[l - 2])
        gradient.biases[l - 2][...] = (biases or {}).get(l, gradient.biases[l - 2])
    gradient.errors = tuple(deltas)
    return gradient


def _judged(point: Point, gradient: Gradient, wanted: Iterable[tuple[str, int]]) -> Judgement:
    """Judge equations in layers: each from the answer's own δ, or as part of the whole."""
    reference = point.reference
    bounds = propagate_bounds(reference, formulas=Formulas.CUSTOMARY)
    checks = local_forward_checks(gradient, reference, formulas=Formulas.CUSTOMARY) + bounds.checks(gradient)
    lines = [check.verdict() for check in checks]
    right = {(line.equation, line.layer) for line in lines if line.status is Status.EQUAL}
    findings = [
        Finding(equation, layer, not right.isdisjoint({(equation, layer), (RESULTS[equation], layer)}))
        for equation, layer in wanted
    ]
    first = next((finding for finding in findings if not finding.right), None)
    return Judgement(tuple(findings), None if first is None else _isolated(point, gradient, first))


def _isolated(point: Point, gradient: Gradient, first: Finding) -> Gradient:
    """Return the right gradient with one wrong equation in one layer, and what follows from it."""
    l = first.layer
    if first.equation == "BP4":
        return _assembled(point, weights={l: gradient.weights[l - 2]})
    if first.equation == "BP3":
        return _assembled(point, biases={l: gradient.biases[l - 2]})
    return _assembled(point, errors={l: len(point.X) * (gradient.errors or ())[l - 2]})


def _by_layer(arrays: Sequence[Array]) -> dict[int, Array]:
    return dict(enumerate(arrays, start=2))


def _of_errors(point: Point) -> list[tuple[str, int]]:
    """(BP1) in the output layer, and (BP2) in the hidden ones."""
    return [("BP1" if l == point.last else "BP2", l) for l in _layers(point)]


def _verdict(layer: int, equation: str, candidate: Array, expected: Array, bound: Array) -> EquationVerdict:
    return Check(layer, equation, candidate, expected, bound, lambda entry: (str(entry), "")).verdict()


def _judge_forward(point: Point, results: Mapping[str, Any]) -> Judgement:
    reference, findings = point.reference, [Finding("25", 1, np.array_equal(results["activations"][0], point.X[0]))]
    bounds = propagate_bounds(reference, formulas=Formulas.CUSTOMARY)
    sides = bounds.precision.sides
    for l in range(2, point.last + 1):
        z, a = results["weighted_inputs"][l - 2][None], results["activations"][l - 1][None]
        lines = [
            _verdict(l, "25", z, reference.weighted_inputs[l - 2], sides * bounds.weighted_inputs[l - 2]),
            _verdict(l, "25", a, reference.activations[l - 1], sides * bounds.activations[l - 1]),
        ]
        findings.append(Finding("25", l, all(line.status is Status.EQUAL for line in lines)))
    return Judgement(tuple(findings))


def _judge_matrices(point: Point, results: Mapping[str, Any]) -> Judgement:
    """Judge Σ′ and δ: the first off its diagonal must be zero, the second is judged as (BP1) and (BP2)."""
    reference, bounds = point.reference, propagate_bounds(point.reference, formulas=Formulas.CUSTOMARY)
    errors = _judged(point, _assembled(point, errors=_by_layer(results["errors"])), _of_errors(point))
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
        equation = "33" if l == point.last else "34"
        findings.append(Finding(equation, l, finding.right and right))
    return Judgement(tuple(findings), errors.gradient)


EXERCISES = {
    exercise.name: exercise
    for exercise in (
        Exercise(
            "feedforward",
            "z and a of every layer, for one example",
            ("25",),
            (1, 1),
            _one_example,
            lambda p: [*_parameters(p), p.X[0]],
            lambda p: {"weighted_inputs": _columns(p), "activations": [(n,) for n in p.network.sizes]},
            _judge_forward,
        ),
        Exercise(
            "bp1",
            "δ of the output layer, for one example",
            ("BP1",),
            0,
            _one_example,
            lambda p: [p.tape.weighted_inputs[-1][0], p.Y[0]],
            lambda p: {"delta": p.network.sizes[-1:]},
            lambda p, results: _judged(p, _assembled(p, errors={p.last: results["delta"]}), [("BP1", p.last)]),
        ),
        Exercise(
            "bp2",
            "δ of a hidden layer, from that of the next layer, for one example",
            ("BP2",),
            0,
            _hidden,
            lambda p: [
                p.network.weights[p.layer - 1],
                p.errors[p.layer - 1][0],
                p.tape.weighted_inputs[p.layer - 2][0],
            ],
            lambda p: {"delta": (p.network.sizes[p.layer - 1],)},
            lambda p, results: _judged(p, _assembled(p, errors={p.layer: results["delta"]}), [("BP2", p.layer)]),
        ),
        Exercise(
            "bp3",
            "the gradient with respect to the biases of a layer, from its δ for a mini-batch",
            ("BP3",),
            0,
            drawn,
            lambda p: [p.errors[p.layer - 2]],
            lambda p: {"gradient": (p.network.sizes[p.layer - 1],)},
            lambda p, results: _judged(p, _assembled(p, biases={p.layer: results["gradient"]}), [("BP3", p.layer)]),
        ),
        Exercise(
            "bp4",
            "the gradient with respect to the weights of a layer, from its δ and its inputs for a mini-batch",
            ("BP4",),
            0,
            drawn,
            lambda p: [p.tape.activations[p.layer - 2], p.errors[p.layer - 2]],
            lambda p: {"gradient": p.network.layout.shapes[p.layer - 2]},
            lambda p, results: _judged(p, _assembled(p, weights={p.layer: results["gradient"]}), [("BP4", p.layer)]),
        ),
        Exercise(
            "backprop",
            "the gradient of a mini-batch, with δ of each example",
            ("BP1", "BP2", "BP3", "BP4"),
            (1, 1, 1),
            drawn,
            lambda p: [*_parameters(p), p.X, p.Y],
            lambda p: {
                "weights": list(p.network.layout.shapes),
                "biases": _columns(p),
                "errors": [(len(p.X), n) for n in p.network.sizes[1:]],
            },
            lambda p, results: _judged(
                p,
                _assembled(p, **{name: _by_layer(arrays) for name, arrays in results.items()}),
                _of_errors(p) + [(equation, l) for l in _layers(p) for equation in ("BP4", "BP3")],
            ),
            {"weights": ("BP4",), "biases": ("BP3",), "errors": ("BP1", "BP2")},
        ),
        Exercise(
            "sigma_form",
            "Σ′ and δ of every layer, in matrix form, for one example",
            ("33", "34"),
            (1, 1),
            _one_example,
            lambda p: [*_parameters(p), p.X[0], p.Y[0]],
            lambda p: {"matrices": _square(p), "errors": _columns(p)},
            _judge_matrices,
        ),
        Exercise(
            "modified_neuron",
            "δ of every layer, with another function in one neuron, for one example",
            ("BP1", "BP2"),
            1,
            _modified,
            lambda p: [*_parameters(p), p.X[0], p.Y[0], p.layer, p.neuron, p.function, f"slope of {p.function}"],
            lambda p: {"errors": _columns(p)},
            lambda p, results: _judged(p, _assembled(p, errors=_by_layer(results["errors"])), _of_errors(p)),
        ),
    )
}
"""Exercise by name, in the order of the chapter."""
