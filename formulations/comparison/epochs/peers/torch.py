"""PyTorch: each step recorded and differentiated, or with the cost compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from formulations.arrays import Array
from formulations.comparison.epochs.course import Course
from formulations.comparison.epochs.peers.costs import cost_of
from formulations.comparison.race import flattened, parameters_of, weighted_output
from formulations.exceptions import needs

__all__ = ["compiled", "recorded"]


def recorded(course: Course) -> Torch:
    """Return the engine that records each step."""
    return Torch(course, lambda function: function)


def compiled(course: Course) -> Torch:
    """Return the engine whose cost is compiled."""
    torch = needs("peers", "torch", "this row")
    # Functions compiled for earlier networks are not used again, and count towards a limit.
    torch.compiler.reset()
    return Torch(course, torch.compile)


class Torch:
    """Tensors that record, and a cost."""

    def __init__(self, course: Course, made: Callable[[Any], Any]) -> None:
        self._torch = torch = needs("peers", "torch", "this row")
        self._first = [torch.from_numpy(part) for part in parameters_of(course.problem)]
        self._parameters = [part.clone().requires_grad_() for part in self._first]
        self._X, self._Y = torch.from_numpy(course.problem.X), torch.from_numpy(course.problem.Y)
        self._size, self._rate = course.batch_size, course.rate
        self._value = made(cost_of(course.problem, torch.sigmoid, lambda z: torch.nn.functional.log_softmax(z, dim=1)))

    def reset(self) -> None:
        """Take the parameters of the start."""
        torch = self._torch
        with torch.no_grad():
            for part, first in zip(self._parameters, self._first, strict=True):
                part.copy_(first)

    def epoch(self, order: Array) -> None:
        """Gather the examples at once, and take the steps one by one."""
        torch, parameters, rate = self._torch, self._parameters, self._rate
        chosen = torch.from_numpy(order)
        for x, y in zip(self._X[chosen].split(self._size), self._Y[chosen].split(self._size), strict=True):
            gradients = torch.autograd.grad(self._value(parameters, x, y), parameters)
            with torch.no_grad():
                for part, gradient in zip(parameters, gradients, strict=True):
                    part.sub_(gradient, alpha=rate)

    def vector(self) -> Array:
        """Return the parameters."""
        return flattened([part.detach().numpy() for part in self._parameters])

    def outputs(self, X: Array) -> Array:
        """Return z^L."""
        torch = self._torch
        with torch.no_grad():
            found: Array = weighted_output(torch.sigmoid, self._parameters, torch.from_numpy(X)).numpy()
        return found
