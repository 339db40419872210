"""Judging: whether a gradient is right, by a derived tolerance.

A backend's tier says how it relates to the tape, and so decides which bound judges it: T1 a recurrence, layer by layer;
T2 a product, over its paths; T4 a forward pass of its own, by propagated roundoff; P a perturbation, by truncation and
roundoff. A recurrence without δ is judged as a product. If the first rule does not say "equal", further rules are
tried: for a product T1, if it has δ, and then T3; for a forward pass of its own, T4 equation by equation, and T4 by
exact Jacobians. A gradient from elsewhere is different only if the bound that covers customary formulas
(:mod:`formulations.verification.tolerances.customary`) says so too.

T1, T2 and T3 see only the backward pass, on the tape as the backend left it. A gradient that they do not call different
is therefore compared with the reference by T4 as well, and is different if T4 says so. The cost that a candidate claims
is judged by a separate bound: a wrong cost makes the whole different, and an inconclusive one leaves the verdict on the
gradient as it is. "Equal" means that every residual is within its bound, and that every layer's bound is sharp enough
to have shown a fault. If a bound is too wide for that, the verdict is inconclusive, never equal.

>>> import formulations as fm
>>> net = fm.Network.random([2, 3, 1], seed=0)
>>> plan = fm.prepare(net, 2)
>>> gradient = plan([[0.0, 1.0], [1.0, 0.0]], [[1.0], [0.0]])
>>> verdict = judge(plan.tape, gradient, plan.backend.tier)
>>> print(verdict.status, verdict.rule, verdict.ratio < 1)
equal T1 True
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np

from formulations.arrays import Array
from formulations.backends import Backend, Tier
from formulations.network import Gradient, Tape
from formulations.verification.oracles import Reference, reference_gradient
from formulations.verification.tolerances.customary import APPROXIMATION, Formulas, approximates
from formulations.verification.tolerances.forward_bounds import forward_checks, local_forward_checks
from formulations.verification.tolerances.local import local_checks
from formulations.verification.tolerances.partial import partial_checks
from formulations.verification.tolerances.path import path_checks
from formulations.verification.tolerances.perturbation import Quotients, perturbation_checks, quotients_of
from formulations.verification.tolerances.propagation import propagate_bounds
from formulations.verification.tolerances.verdict import Check, EquationVerdict, Status, Verdict, conclude, cost_check

__all__ = ["CHECKS", "FURTHER", "judge", "judge_backend"]

Checks: TypeAlias = Callable[[Tape, Gradient, Reference, Quotients | None], list[Check]]
Judged = TypeVar("Judged", Verdict, EquationVerdict)


def _forward_rules(formulas: Formulas) -> tuple[tuple[str, Checks], ...]:
    """Return T4 in the order in which it is tried: whole, equation by equation, then both by exact Jacobians."""

    def rule(checks: Callable[..., list[Check]], exactly: bool) -> Checks:
        return lambda _, gradient, reference, __: checks(gradient, reference, exactly=exactly, formulas=formulas)

    return tuple(
        ("T4", rule(checks, exactly)) for exactly in (False, True) for checks in (forward_checks, local_forward_checks)
    )


_FORWARD = _forward_rules(Formulas.CAREFUL)

CHECKS: dict[Tier, tuple[str, Checks]] = {
    Tier.RECURRENCE: ("T1", lambda tape, gradient, *_: local_checks(tape, gradient)),
    Tier.PRODUCT: ("T2", lambda tape, gradient, *_: path_checks(tape, gradient)),
    Tier.FORWARD: _FORWARD[0],
    Tier.ELSEWHERE: _FORWARD[0],
    Tier.PERTURBATION: ("P", perturbation_checks),
}
"""The rule that judges each tier: its name, and its checks."""

FURTHER: dict[Tier, tuple[tuple[str, Checks], ...]] = {
    Tier.PRODUCT: (CHECKS[Tier.RECURRENCE], ("T3", lambda tape, gradient, *_: partial_checks(tape, gradient))),
    Tier.FORWARD: _FORWARD[1:],
    Tier.ELSEWHERE: _FORWARD[1:],
}
"""The rules tried in turn if a tier's own does not say "equal"; a rule that cannot judge the gradient has no checks."""


def judge(
    tape: Tape,
    gradient: Gradient,
    tier: Tier,
    quotients: Quotients | None = None,
    reference: Reference | None = None,
    given: Array | None = None,
) -> Verdict:
    """Judge a gradient by the rule of its tier and, if it was computed on the tape, by T4 too.

    Parameters
    ----------
    tape : Tape
        The tape that it was computed on, as the backend left it. T4 reads the reference instead.
    gradient : Gradient
        The candidate; not changed.
    tier : Tier
        How the candidate relates to the tape, which decides the rule. T4 can overrule the rule for a recurrence or a
        product. A recurrence without errors is judged as a product.
    quotients : Quotients, optional
        How to take its difference quotients with another step; used for ``Tier.PERTURBATION`` only.
    reference : Reference, optional
        :func:`~formulations.verification.reference_gradient` of the same examples. Pass it to judge several gradients,
        or if the candidate may have written to the tape. By default it is computed from the tape as it is now.
    given : ndarray of bool of shape (P + N,), optional
        Which entries of the flat vector the candidate has; the layers' weights and biases that it lacks are not judged.

    Returns
    -------
    Verdict
        The status, the largest ratio of residual to bound, and the verdict on each equation in each layer, all by the
        rule that decided.

    Raises
    ------
    InvalidInput
        If the tape has no targets.
    """
    if tier is Tier.RECURRENCE and gradient.errors is None:
        # T1 judges each δ by the one above, so it needs δ.
        tier = Tier.PRODUCT
    # Overflow and NaN are judged in the results, not operation by operation.
    with np.errstate(all="ignore"):
        reference = reference or reference_gradient(tape)
        difference = np.abs(gradient.vector - reference.vector)
        judged = _Judged(gradient, reference, given, float(np.max(difference if given is None else difference[given])))
        verdict = judged.by((CHECKS[tier], *FURTHER.get(tier, ())), tape, quotients)
        if verdict.status is not Status.DIFFERENT:
            verdict = _judged_whole(judged, tier) or verdict
        elif tier is Tier.ELSEWHERE:
            verdict = _granted(
                lambda formulas: judged.by(_forward_rules(formulas), tape),
                reference,
            )
        return verdict.with_cost(_judged_cost(gradient, tier, reference))


@dataclass(frozen=True)
class _Judged:
    """A gradient, its reference, the entries that there are (None: all), and the largest difference among them."""

    gradient: Gradient
    reference: Reference
    given: Array | None
    difference: float

    def by(self, rules: tuple[tuple[str, Checks], ...], tape: Tape, quotients: Quotients | None = None) -> Verdict:
        """Return the verdict of the first rule, or of the first further rule that says "equal"."""
        (rule, checks), *further = rules
        verdict = self.conclude(rule, checks(tape, self.gradient, self.reference, quotients))
        if verdict.status is Status.EQUAL:
            return verdict
        # A gradient within a sharp bound is right however it was computed. Only the first rule may say "different".
        answer = verdict
        for name, checks in further:
            found = checks(tape, self.gradient, self.reference, quotients)
            other = self.conclude(name, found) if found else verdict
            if other.status is Status.EQUAL:
                return other
            # Judged equation by equation, the fault has a place.
            if name == rule and answer is verdict and other.status is verdict.status:
                answer = other
            if verdict.status is Status.DIFFERENT:
                break
        return answer

    def conclude(self, rule: str, checks: list[Check]) -> Verdict:
        """Return the verdict on the parts that there are."""
        given = self.given
        if given is not None:
            checks = [check for check in checks if check.part is None or given[check.part].all()]
        return conclude(rule, checks, self.difference)


def _granted(by: Callable[[Formulas], Judged], reference: Reference) -> Judged:
    """Return the verdict on a result whose activations may come from formulas that lose more digits than ours."""
    found = by(Formulas.CUSTOMARY)
    if found.status is not Status.DIFFERENT or not approximates(reference.tape.network.activations):
        return found
    return found if by(Formulas.APPROXIMATE).status is Status.DIFFERENT else found.excused(APPROXIMATION)


def _judged_cost(gradient: Gradient, tier: Tier, reference: Reference) -> EquationVerdict | None:
    """Return the verdict on the cost that a candidate claims, by the bound of a separate forward pass."""
    if gradient.cost is None:
        return None
    claimed = np.asarray(gradient.cost).astype(np.promote_types(np.asarray(gradient.cost).dtype, gradient.dtype))

    def by(formulas: Formulas) -> EquationVerdict:
        bound = propagate_bounds(reference, formulas=formulas, summation=gradient.summation).cost
        return cost_check(reference.layout.last, claimed, np.asarray(reference.cost), bound).verdict()

    found = by(Formulas.CAREFUL)
    return _granted(by, reference) if found.status is Status.DIFFERENT and tier is Tier.ELSEWHERE else found


def _judged_whole(judged: _Judged, tier: Tier) -> Verdict | None:
    """Return the verdict on tape and gradient together if it is "different".

    A backend that reads a wrong tape, or writes to it, satisfies every equation of the backward pass and still returns
    another gradient.
    """
    if tier not in (Tier.RECURRENCE, Tier.PRODUCT):
        return None
    verdict = judged.conclude("T4", forward_checks(judged.gradient, judged.reference))
    if verdict.status is not Status.DIFFERENT:
        return None
    # Judged equation by equation, the fault has a place.
    found = local_forward_checks(judged.gradient, judged.reference)
    named = judged.conclude("T4", found) if found else verdict
    return named if named.status is Status.DIFFERENT else verdict


def judge_backend(backend: Backend, tape: Tape, gradient: Gradient, reference: Reference | None = None) -> Verdict:
    """Judge the gradient that a backend computed on a tape; see :func:`judge`."""
    return judge(tape, gradient, backend.tier, quotients_of(backend, tape), reference)
