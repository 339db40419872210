"""The costs that peers compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from formulations.comparison.race import quadratic, weighted_output
from formulations.data import Problem
from formulations.exceptions import Refused

__all__ = ["cost_of"]


def cost_of(
    problem: Problem, sigmoid: Callable[[Any], Any], log_softmax: Callable[[Any], Any]
) -> Callable[[Sequence[Any], Any, Any], Any]:
    """Return the function (parameters, X, Y) → C of a problem, in a package's functions.

    Raises
    ------
    Refused
        If its hidden neurons are not sigmoid, or its outputs are neither sigmoid with the quadratic cost nor softmax
        with the log-likelihood.
    """
    *hidden, last = [activation.name for activation in problem.network.activations]
    if set(hidden) <= {"sigmoid"} and (last, problem.cost) == ("sigmoid", "quadratic"):
        return partial(quadratic, sigmoid)
    if set(hidden) <= {"sigmoid"} and (last, problem.cost) == ("softmax", "log_likelihood"):

        def value(parameters: Sequence[Any], X: Any, Y: Any) -> Any:
            return -(Y * log_softmax(weighted_output(sigmoid, parameters, X))).sum() * (1 / len(X))

        return value
    raise Refused(
        "peers need sigmoid neurons, with the quadratic cost, or with softmax outputs and the log-likelihood."
    )
