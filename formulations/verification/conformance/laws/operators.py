"""Laws about operators: those that a backend declares are right, linear, symmetric, and each other's transposes."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array, gamma, unit_roundoff
from formulations.backends import Backend
from formulations.data import Problem
from formulations.exceptions import Refused
from formulations.functions import COSTS, get_cost
from formulations.network import Point
from formulations.verification.conformance.law import NotAsked, apart
from formulations.verification.operators import OperatorReference, evaluate, judge_operator, operator_deviation
from formulations.verification.tolerances import Status

__all__ = ["operators_equal", "operators_linear", "operators_repeatable", "operators_symmetric"]


def operators_equal(backend: Backend, problem: Problem) -> str | None:
    """Check that every declared operator is within its derived bound."""
    for operator in _declared(backend, problem):
        made = _Made(backend, problem, operator)
        (v, _) = made.directions
        verdict = judge_operator(made.linearization, made.along(v), made.reference(v))
        if verdict.status is Status.DIFFERENT:
            return f"{operator}: {verdict.reason}"
    return None


def operators_linear(backend: Backend, problem: Problem) -> str | None:
    """Check that a product with 2v − 3w is twice that with v minus three times that with w."""
    for operator in _declared(backend, problem, "hessian", "gauss_newton"):
        made = _Made(backend, problem, operator)
        v, w = made.directions
        by_v, by_w = made.along(v), made.along(w)
        expected = 2 * by_v - 3 * by_w
        both = 2 * v - 3 * w
        slack = made.slack(3 * (np.abs(by_v) + np.abs(by_w)))
        found = made.along(both)
        bound = made.bound(both, found) + 2 * made.bound(v, by_v) + 3 * made.bound(w, by_w) + slack
        if complaint := apart(found, expected, bound, f"{operator} along 2v − 3w"):
            return complaint
    return None


def operators_symmetric(backend: Backend, problem: Problem) -> str | None:
    """Check that wᵀHv is vᵀHw, that vᵀGv is not negative if ∇²C is not, and that Jᵀ is the transpose of J."""
    for operator in _declared(backend, problem):
        made = _Made(backend, problem, operator)
        complaint = made.transposes() if operator == "jacobian" else made.symmetric()
        if complaint:
            return f"{operator}: {complaint}"
    return None


def operators_repeatable(backend: Backend, problem: Problem) -> str | None:
    """Check that a product again has the same bits and the network's dtype, and that v and the parameters stay."""
    for operator in _declared(backend, problem):
        made = _Made(backend, problem, operator)
        v, w = made.directions
        before = v.copy(), made.linearization.point.network.vector.copy()
        first = np.array(made.along(v))
        made.along(w)
        again, fresh = made.along(v), _Made(backend, problem, operator).along(v)
        if not (np.array_equal(first, again, equal_nan=True) and np.array_equal(first, fresh, equal_nan=True)):
            return f"{operator}: the same product must have the same bits, but has others the second time."
        if first.dtype != problem.network.dtype:
            return f"{operator}: a product must have the network's dtype {problem.network.dtype}, got {first.dtype}."
        if not all(map(np.array_equal, before, (v, made.linearization.point.network.vector))):
            return f"{operator}: v and the parameters must not change, but were changed."
    return None


class _Made:
    """An operator of a backend on a problem."""

    def __init__(self, backend: Backend, problem: Problem, operator: str) -> None:
        net = problem.network
        batch = net.check_examples(problem.X, problem.Y, cost=problem.cost, sample_weight=problem.sample_weight)
        self.operator, self.net = operator, net
        self.linearization = backend.linearize(Point(net, batch))
        random = np.random.default_rng(0)
        self.directions = tuple(random.standard_normal((2, net.layout.count)).astype(net.dtype))
        self._reference = OperatorReference(operator, Point(net, batch), self.directions[0])
        # Computed here, so that all references share it.
        self._enclosed = self._reference.enclosed

    def along(self, v: Array) -> Array:
        """Return the product with v, or the Jacobian."""
        return evaluate(self.linearization, self.operator, v)

    def reference(self, v: Array) -> OperatorReference:
        """Return the reference of the product with v."""
        return self._reference.along(v)

    def bound(self, v: Array, found: Array) -> Array:
        """Return the largest distance of a right product with v, of which ``found`` is one, from the exact one."""
        return operator_deviation(self.linearization, found, self.reference(v))

    def slack(self, size: Any, terms: int = 8) -> Any:
        """Return a bound of the roundoff of a sum of products whose absolute values add up to ``size``."""
        tiny = float(np.finfo(self.net.dtype).smallest_normal)
        return gamma(terms, unit_roundoff(self.net.dtype)) * size + terms * tiny

    def symmetric(self) -> str | None:
        """Return a complaint unless wᵀHv = vᵀHw, and vᵀGv ≥ 0 for a Gauss–Newton matrix of a convex cost."""
        v, w = (direction.astype(np.promote_types(self.net.dtype, np.float64)) for direction in self.directions)
        by_v, by_w = map(self.along, self.directions)
        of_v, of_w = map(self.bound, self.directions, (by_v, by_w))
        left, right = w @ by_v, v @ by_w
        size = np.abs(w) @ np.abs(by_v) + np.abs(v) @ np.abs(by_w)
        bound = np.abs(w) @ of_v + np.abs(v) @ of_w + self.slack(size, len(v) + 4)
        if np.isfinite(bound) and not abs(left - right) <= bound:
            return f"wᵀHv must be vᵀHw = {right:.17g} ± {bound:.2g}, but is {left:.17g}."
        convex = self.operator == "gauss_newton" and type(self._reference.point.tape.cost) in map(type, COSTS.values())
        limit = np.abs(v) @ of_v + self.slack(np.abs(v) @ np.abs(by_v), len(v) + 4)
        if convex and np.isfinite(limit) and not v @ by_v >= -limit:
            return f"vᵀGv must not be negative, since ∇²C is not, but is {v @ by_v:.17g}."
        return None

    def transposes(self) -> str | None:
        """Return a complaint unless uᵀ(Jv) = (Jᵀu)ᵀv, for the inputs."""
        net, m = self.net, self._reference.point.m
        random, last = np.random.default_rng(1), net.layout.last
        v = random.standard_normal((m, net.sizes[0])).astype(net.dtype)
        u = random.standard_normal((m, net.sizes[-1])).astype(net.dtype)
        left = (u.astype(float) * self.linearization.push(v[None], last, 1)[0]).sum()
        right = (v.astype(float) * self.linearization.pull(u[None], last, 1)[0]).sum()
        # A difference quotient along v is not the sum of those along the axes, but each is off by its own truncation.
        of_entries = self.bound(v, self.along(v))
        size = np.einsum("mj,mjk,mk->", np.abs(u), np.abs(self.reference(v).value) + of_entries, np.abs(v))
        bound = 4 * np.einsum("mj,mjk,mk->", np.abs(u), of_entries, np.abs(v))
        bound = float(bound + self.slack(size, 4 * max(u.size, v.size)))
        if self.linearization.backend.difference() is None and np.isfinite(bound) and not abs(left - right) <= bound:
            return f"uᵀ(Jv) must be (Jᵀu)ᵀv = {right:.17g} ± {bound:.2g}, but is {left:.17g}."
        return None


def _declared(backend: Backend, problem: Problem, *of: str) -> list[str]:
    """Return the operators, among ``of``, that the backend declares and serves.

    Raises
    ------
    NotAsked
        If it declares none.
    Refused
        If it declares some and serves none on this problem.
    """
    cost = get_cost(problem.cost)
    wanted = [operator for operator in backend.operators if not of or operator in of]
    reasons = {operator: backend.why_not_operator(operator, problem.network, cost) for operator in wanted}
    served = [operator for operator, reason in reasons.items() if reason is None]
    if not wanted:
        raise NotAsked("the backend declares no such operators")
    if not served:
        raise Refused(str(next(iter(reasons.values()))))
    return served
