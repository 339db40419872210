"""Scenarios: named problems, most of them with the gradient in closed form.

Tests, benchmarks and documentation use them. The ``expected`` gradient of a scenario is worked out by hand and shares
no code with any backend. ``digits`` is the first mini-batch of the default problem of the command line.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.arrays import as_dtype
from formulations.data.problems import Problem, make_problem
from formulations.functions import PerNeuron
from formulations.network import Network

__all__ = ["SCENARIOS", "Scenario"]


@dataclass(frozen=True)
class Scenario:
    """A named problem for every dtype.

    Attributes
    ----------
    name : str
        Its name.
    summary : str
        What it shows, in one line.
    make : callable (dtype) -> Problem
        Makes the problem.
    """

    name: str
    summary: str
    make: Callable[[np.dtype[Any]], Problem]

    def __call__(self, dtype: Any = "float64") -> Problem:
        """Return the problem with its network and examples in ``dtype``."""
        return self.make(as_dtype(dtype))


def _chain(dtype: np.dtype[Any], activations: Any, weights: list[float], x: float, y: float, **more: Any) -> Problem:
    """Return a problem with one neuron per layer, biases 0 and one example."""
    matrices = [np.full((1, 1), w, dtype) for w in weights]
    biases = [np.zeros(1, dtype) for _ in weights]
    expected = more.pop("expected", None)
    return Problem(
        Network(matrices, biases, activations),
        np.full((1, 1), x, dtype),
        np.full((1, 1), y, dtype),
        expected=None if expected is None else np.array(expected, dtype),
        **more,
    )


def _sigmoid(z: float) -> tuple[float, float]:
    a = 1 / (1 + math.exp(-z))
    return a, math.exp(-z) * a * a


def _digits(dtype: np.dtype[Any]) -> Problem:
    return make_problem(dtype=dtype).first(10)


def _single_neuron(dtype: np.dtype[Any]) -> Problem:
    a, slope = _sigmoid(2.0)
    delta = a * slope  # (a − 0)·σ′(2)
    return _chain(dtype, "sigmoid", [2.0], x=1.0, y=0.0, expected=[delta, delta])


def _saturated_neuron(dtype: np.dtype[Any]) -> Problem:
    a, slope = _sigmoid(40.0)
    return _chain(dtype, "sigmoid", [40.0], x=1.0, y=0.0, expected=[a * slope, a * slope])


def _saturated_cross_entropy(dtype: np.dtype[Any]) -> Problem:
    # δ = a − y = 1
    return _chain(dtype, "sigmoid", [800.0], x=1.0, y=0.0, cost="binary_cross_entropy", expected=[1.0, 1.0])


def _vanishing_chain(dtype: np.dtype[Any]) -> Problem:
    weights, a = [0.5] * 6, 1.0
    activations, slopes = [a], []
    for w in weights:
        a, slope = _sigmoid(w * a)
        activations.append(a)
        slopes.append(slope)
    delta = a * slopes[-1]
    expected: list[float] = []
    for i in reversed(range(len(weights))):
        expected[:0] = [delta * activations[i], delta]
        delta *= weights[i] * slopes[i - 1]
    return _chain(dtype, "sigmoid", weights, x=1.0, y=0.0, expected=expected)


def _linear_regression(dtype: np.dtype[Any]) -> Problem:
    # wx + b − y of the four examples: 1, 0, −1, 2, for w = (2, −1), b = 1.
    X = np.array([[1, 2], [0, 1], [3, 0], [2, 2]], dtype)
    Y = np.array([[0], [0], [8], [1]], dtype)
    network = Network([np.array([[2, -1]], dtype)], [np.array([1], dtype)], "identity")
    return Problem(network, X, Y, expected=np.array([0.5, 1.5, 0.5], dtype))


def _modified_neuron(dtype: np.dtype[Any]) -> Problem:
    # Layer 2: a square and a linear neuron, z = (3, 5), a = (9, 5); output 9 − 5 = 4 for the target 3, so δ^L = 1.
    network = Network(
        [np.array([[3.0], [5.0]], dtype), np.array([[1.0, -1.0]], dtype)],
        [np.zeros(2, dtype), np.zeros(1, dtype)],
        [PerNeuron(["square", "identity"]), "identity"],
    )
    one = np.ones((1, 1), dtype)
    return Problem(network, one, 3 * one, expected=np.array([6, -1, 6, -1, 9, 5, 1], dtype))


def _exact_fit(dtype: np.dtype[Any]) -> Problem:
    return _chain(dtype, ["square", "identity"], [3.0, 2.0], x=1.0, y=18.0, expected=[0.0] * 4)


def _dead_neuron(dtype: np.dtype[Any]) -> Problem:
    return _chain(dtype, ["relu", "identity"], [-3.0, 2.0], x=1.0, y=1.0, expected=[0.0, 0.0, 0.0, -1.0])


def _weighted_examples(dtype: np.dtype[Any]) -> Problem:
    # C = ¼·½(2·1 − 1)² + ¾·½(2·3 − 2)²: δ = (¼·1, ¾·4).
    network = Network([np.array([[2.0]], dtype)], [np.zeros(1, dtype)], "identity")
    return Problem(
        network,
        np.array([[1], [3]], dtype),
        np.array([[1], [2]], dtype),
        sample_weight=np.array([1, 3], dtype),
        expected=np.array([9.25, 3.25], dtype),
    )


SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("digits", "64-30-10 on ten handwritten digits", _digits),
        Scenario("single_neuron", "one sigmoid neuron, w = 2", _single_neuron),
        Scenario(
            "saturated_neuron",
            "one sigmoid neuron at z = 40, where 1 − σ rounds to 0 and σ′ does not",
            _saturated_neuron,
        ),
        Scenario("saturated_cross_entropy", "cross-entropy at z = 800: δ = 1, not 0·∞", _saturated_cross_entropy),
        Scenario("vanishing_chain", "six sigmoid neurons in a row: the gradient shrinks", _vanishing_chain),
        Scenario("linear_regression", "one linear neuron, four examples", _linear_regression),
        Scenario("modified_neuron", "one neuron of a layer has a different function", _modified_neuron),
        Scenario("exact_fit", "the output equals the target: the gradient is exactly 0", _exact_fit),
        Scenario("dead_neuron", "a ReLU that is off has the error 0", _dead_neuron),
        Scenario("weighted_examples", "two examples with the weights 1 and 3", _weighted_examples),
    )
}
