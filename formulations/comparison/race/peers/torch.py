"""PyTorch: its automatic differentiation, recorded at every call or compiled once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from formulations.comparison.race.contestant import Ready
from formulations.comparison.race.peers.problem import checked, parameters_of, quadratic, verdict_on
from formulations.data import Problem
from formulations.exceptions import Refused, needs

__all__ = ["enter", "enter_compiled"]


def enter(problem: Problem) -> Ready:
    """Prepare the recorded function."""
    return _enter(problem, lambda function: function)


def enter_compiled(problem: Problem) -> Ready:
    """Prepare the compiled function; the first call compiles.

    Raises
    ------
    Refused
        If there is no compiler, or it fails.
    """
    torch = needs("peers", "torch", "this row")
    # Functions compiled for earlier networks are not used again, and count towards a limit.
    torch.compiler.reset()
    ready = _enter(problem, torch.compile)
    try:
        ready.call()
    except Exception as caught:  # a compiler may raise anything
        raise Refused(f"torch.compile raised {type(caught).__name__}: {str(caught).splitlines()[0]}") from caught
    return ready


def _enter(problem: Problem, made: Callable[[Any], Any]) -> Ready:
    torch = needs("peers", "torch", "this row")
    problem = checked(problem)
    parameters = [torch.from_numpy(part).requires_grad_() for part in parameters_of(problem)]
    X, Y = torch.from_numpy(problem.X.copy()), torch.from_numpy(problem.Y.copy())

    def value(parameters: Any, X: Any, Y: Any) -> Any:
        return quadratic(torch.sigmoid, parameters, X, Y)

    value = made(value)

    def call() -> tuple[Any, Any]:
        C = value(parameters, X, Y)
        return C, torch.autograd.grad(C, parameters)

    return Ready(call, lambda result: verdict_on(problem, result[0].item(), result[1]))
