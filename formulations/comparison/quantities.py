"""What is compared: a gradient, a Jacobian, or a product with a Hessian or Gauss–Newton matrix."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np

from formulations.arrays import Array, Budget, as_real, check_finite, format_dtype, use_budget
from formulations.backends import PARAMETERS, Backend, Where
from formulations.data import Problem
from formulations.display import counted
from formulations.exceptions import InvalidInput, UnknownName, WrongShape
from formulations.network import Batch, Network, Point
from formulations.plans import prepare, unreasonable
from formulations.verification import (
    OperatorReference,
    Verdict,
    deviation,
    evaluate,
    judge_backend,
    judge_operator,
    operator_deviation,
    reference_gradient,
)

__all__ = ["COMPARED", "Compared", "Judged", "compared"]

COMPARED = {
    "gradient": "gradient",
    "jacobian": "Jacobian",
    "hessian": "Hessian product",
    "gauss_newton": "Gauss–Newton product",
}
"""What is compared of each operator, in words."""


class Judged(NamedTuple):
    """A result with its verdict.

    Attributes
    ----------
    verdict : Verdict
        The verdict.
    vector, bound : ndarray of shape (n,)
        A copy of the result, and the largest difference of a right one from the exact one.
    forward_passes : int or None
        Forward passes in one gradient.
    """

    verdict: Verdict
    vector: Array
    bound: Array
    forward_passes: int | None


class Compared(ABC):
    """What every backend computes of the same examples.

    Parameters
    ----------
    net : Network
        The network.
    batch : Batch
        Its checked examples.

    Attributes
    ----------
    kinks : int
        How many weighted inputs lie on a kink of their activation.
    """

    noun: ClassVar[str]
    kinks: int

    def __init__(self, net: Network, batch: Batch) -> None:
        self.net, self.batch = net, batch

    @property
    def title(self) -> str:
        """Network, cost, batch and dtype."""
        return Problem(self.net, self.batch.X, self.batch.Y, self.batch.cost.name).title

    def equations(self, backend: Backend) -> tuple[str, ...]:  # noqa: ARG002
        """Return the equations by which the backend computes it; empty if they have no numbers or names."""
        return ()

    def why_not(self, backend: Backend) -> str | None:
        """Return None if the backend computes it, else the reason why it does not."""
        return backend.why_not(self.net, self.batch.cost)

    @abstractmethod
    def too_expensive(self, backend: Backend, budget: Budget) -> str | None:
        """Return None, or the reason why it is estimated to exceed the budget."""

    @abstractmethod
    def prepare(self, backend: Backend, budget: Budget) -> Callable[[], Any]:
        """Return a call that computes it by the backend, prepared."""

    @abstractmethod
    def judge(self, backend: Backend, call: Callable[[], Any], found: Any) -> Judged:
        """Judge the result of a call."""

    @abstractmethod
    def __reduce__(self) -> Any:
        """Return a function and arguments that make it again."""
        # The reference takes more bytes than the examples, so another process computes it anew.


class ComparedGradient(Compared):
    """The gradient, by a prepared plan."""

    noun = COMPARED["gradient"]

    def __init__(self, net: Network, batch: Batch, sample_weight: Any) -> None:
        super().__init__(net, batch)
        self.examples = (batch.X, batch.Y, sample_weight)
        # From copies: a faulty backend may write to its inputs.
        tape = net.copy().record(batch.copy())
        self.kinks = Point.on(tape).kinks
        self.reference = reference_gradient(tape)

    def equations(self, backend: Backend) -> tuple[str, ...]:
        """Return the equations of the backend."""
        return backend.equations

    def too_expensive(self, backend: Backend, budget: Budget) -> str | None:
        """Return None, or the reason why a gradient is estimated to exceed the budget."""
        return unreasonable(backend, self.net, len(self.batch.X), budget)

    def prepare(self, backend: Backend, budget: Budget) -> Callable[[], Any]:
        """Return a prepared plan with its examples."""
        with use_budget(seconds=budget.seconds, memory=budget.memory):
            plan = prepare(self.net, len(self.batch.X), cost=self.batch.cost, backend=backend)
        return _Planned(plan, self.examples)

    def judge(self, backend: Backend, call: Any, found: Any) -> Judged:
        """Judge a gradient by the rule of the backend's tier."""
        tape = call.plan.tape
        verdict = judge_backend(backend, tape, found, self.reference)
        bound = deviation(backend, tape, found, self.reference)
        return Judged(verdict, found.vector.copy(), bound, found.forward_passes)

    def __reduce__(self) -> Any:
        return ComparedGradient, (self.net, self.batch, self.examples[2])


class _Planned:
    """A call of a plan."""

    def __init__(self, plan: Any, examples: tuple[Any, ...]) -> None:
        self.plan, self.examples = plan, examples

    def __call__(self) -> Any:
        return self.plan(*self.examples)


class ComparedOperator(Compared):
    """A Jacobian from input to output, or the product of a matrix with one direction, by a linearisation."""

    def __init__(self, operator: str, net: Network, batch: Batch, direction: Any) -> None:
        super().__init__(net, batch)
        self.operator, self.noun = operator, COMPARED[operator]  # type: ignore[misc]  # one class serves three operators
        self.direction = None if operator == "jacobian" else _direction(net, direction)
        # From copies: a faulty backend may write to its inputs.
        point = Point(net, batch)
        self.kinks = point.kinks
        self.reference = OperatorReference(operator, point, self.direction)

    @property
    def title(self) -> str:
        """Network, batch and dtype, and the cost unless a Jacobian is compared, which has none."""
        if self.operator != "jacobian":
            return super().title
        net = self.net
        examples, dtype = counted(len(self.batch.X), "example"), format_dtype(net.dtype)
        return f"{net.layout}, {net.activation_names}, {examples}, {dtype}"

    def why_not(self, backend: Backend) -> str | None:
        """Return None if the backend provides the operator, else the reason why it does not."""
        return backend.why_not_operator(self.operator, self.net, self.batch.cost)

    def too_expensive(self, backend: Backend, budget: Budget) -> str | None:
        """Return None, or the reason why it is estimated to exceed the budget."""
        wrt: Where = 1 if self.operator == "jacobian" else PARAMETERS
        return unreasonable(backend, self.net, len(self.batch.X), budget, self.operator, wrt)

    def prepare(self, backend: Backend, budget: Budget) -> Callable[[], Any]:
        """Return a call on a linearisation at a point of its own, whose tape is kept."""
        with use_budget(seconds=budget.seconds, memory=budget.memory):
            linearization = backend.linearize(Point(self.net, self.batch))
        return _Linearized(linearization, self.operator, self.direction)

    def judge(self, backend: Backend, call: Any, found: Any) -> Judged:  # noqa: ARG002
        """Judge the result of a linearisation."""
        verdict = judge_operator(call.linearization, found, self.reference)
        bound = operator_deviation(call.linearization, found, self.reference)
        return Judged(verdict, found.ravel().copy(), bound.ravel(), None)

    def __reduce__(self) -> Any:
        return ComparedOperator, (self.operator, self.net, self.batch, self.direction)


class _Linearized:
    """A call of a linearisation."""

    def __init__(self, linearization: Any, operator: str, direction: Array | None) -> None:
        self.linearization, self.operator, self.direction = linearization, operator, direction

    def __call__(self) -> Any:
        return evaluate(self.linearization, self.operator, self.direction)


def compared(operator: str, net: Network, batch: Batch, sample_weight: Any, direction: Any) -> Compared:
    """Return what is compared.

    Raises
    ------
    UnknownName
        If there is no such operator.
    WrongShape, WrongType, NotFinite
        If the direction cannot be used.
    InvalidInput
        If a direction is given for what has none.
    """
    if operator not in COMPARED:
        raise UnknownName("operator", operator, COMPARED)
    if direction is not None and operator in ("gradient", "jacobian"):
        raise InvalidInput(
            f"a direction goes with hessian and gauss_newton, whose products are compared, got one for {operator}; "
            "leave it out."
        )
    if operator == "gradient":
        return ComparedGradient(net, batch, sample_weight)
    return ComparedOperator(operator, net, batch, direction)


def _direction(net: Network, given: Any) -> Array:
    if given is None:
        return np.random.default_rng(0).standard_normal(net.layout.count).astype(net.dtype)
    found = as_real(given, "direction", net.dtype)
    if found.shape != (net.layout.count,):
        raise WrongShape(
            f"direction must have shape ({net.layout.count},), one number for each parameter, got {found.shape}; "
            "pass them in the order of network.vector."
        )
    check_finite(found, "direction")
    return found.copy()
