"""Autograd: NumPy operations, recorded at every call."""

from __future__ import annotations

from typing import Any

from formulations.comparison.race.contestant import Ready
from formulations.comparison.race.peers.problem import checked, parameters_of, quadratic, verdict_on
from formulations.data import Problem
from formulations.exceptions import needs

__all__ = ["enter"]


def enter(problem: Problem) -> Ready:
    """Prepare the recorded function."""
    needs("peers", "autograd", "this row")
    import autograd
    import autograd.numpy as anp

    problem = checked(problem)
    parameters, X, Y = parameters_of(problem), problem.X, problem.Y
    one = X.dtype.type(1)

    def sigmoid(z: Any) -> Any:
        return one / (one + anp.exp(-z))

    def value(parameters: Any) -> Any:
        return quadratic(sigmoid, parameters, X, Y)

    value_and_gradient = autograd.value_and_grad(value)
    return Ready(lambda: value_and_gradient(parameters), lambda result: verdict_on(problem, result[0], result[1]))
