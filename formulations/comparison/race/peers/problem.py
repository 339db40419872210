"""The problem that peers get: sigmoid neurons and the quadratic cost, in plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.comparison.race.contestant import judge_elsewhere
from formulations.data import Problem
from formulations.exceptions import Refused
from formulations.verification import Verdict

__all__ = ["checked", "flattened", "parameters_of", "quadratic", "verdict_on", "weighted_output"]


def checked(problem: Problem) -> Problem:
    """Return a problem if peers can compute it.

    Raises
    ------
    Refused
        If the network has other than sigmoid neurons, or the cost is not quadratic.
    """
    if problem.cost != "quadratic" or problem.network.activation_names != "sigmoid":
        raise Refused("peers need sigmoid neurons and the quadratic cost.")
    return problem


def parameters_of(problem: Problem) -> list[Array]:
    """Return copies of w², b², w³, b³ and so on."""
    net = problem.network
    return [part.copy() for pair in zip(net.weights, net.biases, strict=True) for part in pair]


def weighted_output(sigmoid: Callable[[Any], Any], parameters: Sequence[Any], X: Any) -> Any:
    """Return z^L by (25), for arrays of any package."""
    a, *rest, w, b = X, *parameters
    for below, bias in zip(rest[::2], rest[1::2], strict=True):
        a = sigmoid(a @ below.T + bias)
    return a @ w.T + b


def quadratic(sigmoid: Callable[[Any], Any], parameters: Sequence[Any], X: Any, Y: Any) -> Any:
    """Return C = Σ(a^L − y)²/2m, for arrays of any package."""
    difference = sigmoid(weighted_output(sigmoid, parameters, X)) - Y
    return (difference * difference).sum() * (0.5 / len(X))


def flattened(parts: Sequence[Any]) -> Array:
    """Return w², b², w³, b³, … as a flat vector."""
    return np.concatenate([np.asarray(part).ravel() for part in parts])


def verdict_on(problem: Problem, cost: Any, parts: Sequence[Any]) -> Verdict:
    """Judge the ∂C/∂w², ∂C/∂b², … that a peer returned."""
    return judge_elsewhere(problem, cost, flattened(parts))
