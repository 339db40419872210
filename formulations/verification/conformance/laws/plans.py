"""Laws about plans: they serve smaller batches, follow the parameters, and refuse what they were not prepared for."""

from __future__ import annotations

import numpy as np

from formulations.backends import Backend
from formulations.data import Problem
from formulations.exceptions import Refused, StalePlan
from formulations.functions import get_cost
from formulations.plans import prepare
from formulations.verification.conformance.law import answer

__all__ = ["counted_passes", "plan_reuse", "refusals", "stale_plans"]


def plan_reuse(backend: Backend, problem: Problem) -> str | None:
    """Check that a plan gives the bits of a new plan for fewer examples, changed parameters and another network."""
    net, m = problem.network.copy(), len(problem.X)
    plan = prepare(net, m + 1, cost=problem.cost, backend=backend)
    weights = problem.sample_weight
    with np.errstate(all="ignore"):
        for count in dict.fromkeys((m, max(1, m // 2), 1, m)):
            part = None if weights is None else weights[:count]
            if part is not None and not part.any():
                continue
            found = plan(problem.X[:count], problem.Y[:count], part).vector.copy()
            fresh = answer(backend, problem, X=problem.X[:count], Y=problem.Y[:count], sample_weight=part)
            if not np.array_equal(found, fresh.gradient.vector, equal_nan=True):
                return f"a plan for {m + 1} examples must give the bits of a new plan for {count}, but gave others."
        net.vector[...] *= net.dtype.type(0.5)
        found = plan(problem.X, problem.Y, weights).vector.copy()
        changed = answer(backend, problem, net.copy()).gradient.vector
        if not np.array_equal(found, changed, equal_nan=True):
            return "a plan must follow changed parameters, but gave another gradient than a new plan."
        other = problem.network.copy()
        found = plan(problem.X, problem.Y, weights, network=other).vector
        if not np.array_equal(found, answer(backend, problem).gradient.vector, equal_nan=True):
            return "a plan must serve another network of the same kind, but gave another gradient than a new plan."
    return None


def stale_plans(backend: Backend, problem: Problem) -> str | None:
    """Check that a plan refuses a larger batch than it was prepared for."""
    plan = prepare(problem.network, len(problem.X), cost=problem.cost, backend=backend)
    X, Y = np.concatenate([problem.X, problem.X[:1]]), np.concatenate([problem.Y, problem.Y[:1]])
    try:
        plan(X, Y)
    except StalePlan:
        return None
    return f"a plan for {len(problem.X)} examples must refuse {len(X)} with StalePlan, but did not."


def refusals(backend: Backend, problem: Problem) -> str | None:
    """Check that a refusal has a reason in words, and a problem that is not refused is served."""
    reason = backend.why_not(problem.network, get_cost(problem.cost))
    if reason is not None:
        if not (isinstance(reason, str) and reason):
            return f"why_not must return None or a reason in words, got {reason!r}."
        raise Refused(reason)
    answer(backend, problem)
    return None


def counted_passes(backend: Backend, problem: Problem) -> str | None:
    """Check that the number of forward passes is the estimated one."""
    found = answer(backend, problem).gradient.forward_passes
    estimated = backend.estimate(problem.network, len(problem.X)).forward_passes
    return None if found == estimated else f"forward_passes must be {estimated}, as estimated, but is {found}."
