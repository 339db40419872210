"""Which backends an experiment times: those that serve the problem in reasonable time with a correct gradient."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial

from formulations.arrays import current_budget
from formulations.backends import DEFAULT, Backend
from formulations.comparison.race.ours import prepared
from formulations.comparison.timing import Timing, interleave
from formulations.data import Problem
from formulations.functions import get_cost
from formulations.plans import Plan, seconds_for, unreasonable
from formulations.verification import Reference, Status, judge_backend, reference_gradient

__all__ = ["Jury", "estimated_seconds", "reason_against", "time_beside_default"]


def reason_against(problem: Problem, backend: Backend) -> str | None:
    """Return why a backend cannot serve a problem, or not within the budget; None if it can."""
    net = problem.network
    refusal = backend.why_not(net, get_cost(problem.cost))
    return refusal or unreasonable(backend, net, len(problem.X), current_budget())


def estimated_seconds(problem: Problem, backend: Backend) -> float:
    """Return roughly how many seconds a gradient will take."""
    return seconds_for(backend.estimate(problem.network, len(problem.X)))


class Jury:
    """Judges plans by one reference.

    Parameters
    ----------
    problem : Problem
        Whose gradient is judged; a plan may be prepared for more examples than it has.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    @cached_property
    def reference(self) -> Reference:
        """The gradient in a higher precision, from a forward pass that no plan shares."""
        problem = self.problem
        return reference_gradient(problem.network.forward(problem.X, problem.Y, cost=problem.cost))

    def difference(self, plan: Plan) -> str | None:
        """Return how a plan's gradient differs; None if it does not."""
        gradient = plan(self.problem.X, self.problem.Y)
        verdict = judge_backend(plan.backend, plan.tape, gradient, self.reference)
        return verdict.reason if verdict.status is Status.DIFFERENT else None


def time_beside_default(
    problem: Problem, plans: Mapping[str, Plan], baseline: Plan | None = None, *, budget: float
) -> dict[str, Timing]:
    """Time plans in turn, and beside them the default backend, to which their ratios refer.

    Parameters
    ----------
    problem : Problem
        Whose gradients are timed.
    plans : mapping of str to Plan
        By label; the default backend need not be among them.
    baseline : Plan, optional
        The default backend's plan, if there is one already.
    budget : float
        Seconds to spend on each.
    """
    timed = dict(plans)
    if DEFAULT not in timed:
        timed[DEFAULT] = prepared(problem) if baseline is None else baseline
    calls = {label: partial(plan, problem.X, problem.Y) for label, plan in timed.items()}
    return interleave(calls, baseline=DEFAULT, budget=budget)
