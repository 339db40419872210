"""Admission: a backend is asked and foreseen before it begins, and judged before it is timed.

A wrong gradient's speed means nothing, and what is foreseen to take minutes is not worth them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial

from formulations.arrays import current_budget
from formulations.backends import DEFAULT, Backend, BackendLike
from formulations.comparison.timing import Timing, interleave
from formulations.data import Problem
from formulations.functions import get_cost
from formulations.plans import Plan, foreseen_seconds, prepare, unreasonable
from formulations.verification import Reference, Status, judge_backend, reference_gradient

__all__ = ["Jury", "beside_default", "foreseen", "prepared", "reason_against"]


def prepared(problem: Problem, backend: BackendLike = DEFAULT) -> Plan:
    """Return a backend's plan for a problem's network, cost and number of examples."""
    return prepare(problem.network, len(problem.X), problem.cost, backend)


def reason_against(problem: Problem, backend: Backend) -> str | None:
    """Return why a backend cannot serve a problem, or not within the budget; None where it can."""
    net = problem.network
    refusal = backend.why_not(net, get_cost(problem.cost))
    return refusal or unreasonable(backend, net, len(problem.X), current_budget())


def foreseen(problem: Problem, backend: Backend) -> float:
    """Return roughly how many seconds a gradient is going to take."""
    return foreseen_seconds(backend.estimate(problem.network, len(problem.X)))


class Jury:
    """Judges plans by one reference.

    Parameters
    ----------
    problem : Problem
        Whose gradient it is; a plan may be made for more examples than these.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    @cached_property
    def reference(self) -> Reference:
        """The gradient in a higher precision, from a forward pass that no plan has touched."""
        problem = self.problem
        return reference_gradient(problem.network.forward(problem.X, problem.Y, cost=problem.cost))

    def difference(self, plan: Plan) -> str | None:
        """Return how a plan's gradient is different; None where it is not."""
        gradient = plan(self.problem.X, self.problem.Y)
        verdict = judge_backend(plan.backend, plan.tape, gradient, self.reference)
        return verdict.reason if verdict.status is Status.DIFFERENT else None


def beside_default(
    problem: Problem, plans: Mapping[str, Plan], baseline: Plan | None = None, *, budget: float
) -> dict[str, Timing]:
    """Time plans in turn, and the default backend beside them, to which their ratios refer, whether or not it competes.

    Parameters
    ----------
    problem : Problem
        Whose gradients are timed.
    plans : mapping of str to Plan
        By label.
    baseline : Plan, optional
        The default backend's, where it has been made.
    budget : float
        Seconds to spend on each.
    """
    raced = dict(plans)
    if DEFAULT not in raced:
        raced[DEFAULT] = prepared(problem) if baseline is None else baseline
    calls = {label: partial(plan, problem.X, problem.Y) for label, plan in raced.items()}
    return interleave(calls, baseline=DEFAULT, budget=budget)
