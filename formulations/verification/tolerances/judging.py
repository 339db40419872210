"""Certificates: is a gradient right? Judged by a tolerance that is derived, never chosen.

A backend's tier says how it relates to the tape, and thereby which bound judges it: a recurrence is judged locally
(T1), a product by its paths (T2), a forward pass of its own by propagated roundoff (T4), a perturbation by truncation
and roundoff (P). A recurrence that does not offer its δ is judged as a product. Where that does not say "equal",
others are asked: for a product T1, where δ is offered, and its exact partial products (T3), for a forward pass of its
own its equations one by one, and exact Jacobians. A gradient from elsewhere is different only where the bound that
covers customary formulas (:mod:`formulations.verification.oracles.customary`) says so too. T1, T2 and T3 see the
backward pass alone, on the tape as it was left: what they do not call "different" is held against the reference by T4,
too, and is different where T4 says so. A cost that the candidate claims is judged by a bound of its own: where it is
wrong, the whole is different; where nothing can be said of it, the verdict on the gradient stands. "Equal" means that
every residual is within its bound and that every layer's bound is sharp enough to have seen a fault; where it is not,
the verdict is inconclusive, never equal.

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
from typing import TypeAlias

import numpy as np

from formulations.arrays import Gradient
from formulations.backends import Backend, Tier
from formulations.network import Tape
from formulations.verification.oracles import APPROXIMATION, Formulas, Reference, approximates, reference_gradient
from formulations.verification.tolerances.forward import forward_checks, local_forward_checks
from formulations.verification.tolerances.local import local_checks
from formulations.verification.tolerances.partial import partial_checks
from formulations.verification.tolerances.path import path_checks
from formulations.verification.tolerances.perturbation import Quotients, perturbation_checks, quotients_of
from formulations.verification.tolerances.propagation import propagate_bounds
from formulations.verification.tolerances.verdict import (
    RESOLUTION,
    Check,
    EquationVerdict,
    Status,
    Verdict,
    conclude,
    cost_check,
)

__all__ = [
    "CHECKS",
    "RESOLUTION",
    "EquationVerdict",
    "Quotients",
    "Reference",
    "Status",
    "Verdict",
    "judge",
    "judge_backend",
    "reference_gradient",
]

Checks: TypeAlias = Callable[[Tape, Gradient, Reference, Quotients | None], list[Check]]


def _forward_rules(formulas: Formulas) -> tuple[tuple[str, Checks], ...]:
    """Return T4 in the order in which it is asked: as a whole and equation by equation, then by exact Jacobians."""

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
"""The rules asked in turn where a tier's own does not say "equal"; one that cannot judge the gradient has no checks."""


def judge(
    tape: Tape,
    gradient: Gradient,
    tier: Tier,
    quotients: Quotients | None = None,
    reference: Reference | None = None,
) -> Verdict:
    """Judge a gradient by the rule of a tier, and one that was computed on the tape by T4 too.

    Parameters
    ----------
    tape : Tape
        The one that it was computed on, as it was left. T4 does not read it: its examples are the reference's.
    gradient : Gradient
        The candidate; not changed.
    tier : Tier
        How it relates to the tape, which decides the rule; for a recurrence or a product T4 can overrule it. A
        recurrence without errors is judged as a product.
    quotients : Quotients, optional
        How to take its difference quotients at another step; of use to ``Tier.PERTURBATION`` alone.
    reference : Reference, optional
        From :func:`reference_gradient` for the same examples, where several gradients are judged, or where the
        candidate may have written to the tape; by default that of the tape as it was left.

    Returns
    -------
    Verdict
        Its status, the largest ratio of residual to bound, and what each equation says in each layer, all by the rule
        that decided.

    Raises
    ------
    InvalidInput
        Where the tape has no targets.
    """
    # What overflows or is not a number is judged by what comes out, not operation by operation.
    if tier is Tier.RECURRENCE and gradient.errors is None:
        # T1 judges each δ by the one above. A recurrence that shows none is judged as a product over layers.
        tier = Tier.PRODUCT
    with np.errstate(all="ignore"):
        reference = reference or reference_gradient(tape)
        difference = float(np.max(np.abs(gradient.vector - reference.vector)))
        rules = CHECKS[tier], *FURTHER.get(tier, ())
        verdict = _by_rules(rules, tape, gradient, quotients, reference, difference)
        if verdict.status is not Status.DIFFERENT:
            verdict = _judged_whole(gradient, tier, reference, difference) or verdict
        elif tier is Tier.ELSEWHERE:
            verdict = _granted(tape, gradient, reference, difference)
        return verdict.with_cost(_judged_cost(gradient, tier, reference))


def _by_rules(
    rules: tuple[tuple[str, Checks], ...],
    tape: Tape,
    gradient: Gradient,
    quotients: Quotients | None,
    reference: Reference,
    difference: float,
) -> Verdict:
    """Return the verdict of the first rule, or of a further one that says "equal"."""
    (rule, checks), *further = rules
    verdict = conclude(rule, checks(tape, gradient, reference, quotients), difference)
    if verdict.status is Status.EQUAL:
        return verdict
    # A small bound that is kept proves equality, however the gradient was found; "different" stays the first one's.
    answer = verdict
    for name, checks in further:
        found = checks(tape, gradient, reference, quotients)
        other = conclude(name, found, difference) if found else verdict
        if other.status is Status.EQUAL:
            return other
        # Equation by equation, the same fault has a name.
        if name == rule and answer is verdict and other.status is verdict.status:
            answer = other
        if verdict.status is Status.DIFFERENT:
            break
    return answer


def _granted(tape: Tape, gradient: Gradient, reference: Reference, difference: float) -> Verdict:
    """Return the verdict on a gradient whose activations may be computed by formulas that lose more than ours."""
    rules = _forward_rules(Formulas.CUSTOMARY)
    verdict = _by_rules(rules, tape, gradient, None, reference, difference)
    if verdict.status is not Status.DIFFERENT or not approximates(reference.tape.network.activations):
        return verdict
    rules = _forward_rules(Formulas.APPROXIMATE)
    if _by_rules(rules, tape, gradient, None, reference, difference).status is Status.DIFFERENT:
        return verdict
    return verdict.excused(APPROXIMATION)


def _judged_cost(gradient: Gradient, tier: Tier, reference: Reference) -> EquationVerdict | None:
    """Return the verdict on the cost that a candidate claims, by the bound of a forward pass of its own."""
    if gradient.cost is None:
        return None
    claimed = np.asarray(gradient.cost).astype(np.promote_types(np.asarray(gradient.cost).dtype, gradient.dtype))

    def by(formulas: Formulas) -> EquationVerdict:
        bound = propagate_bounds(reference, formulas=formulas).cost
        return cost_check(reference.layout.last, claimed, np.asarray(reference.cost), bound).verdict()

    found = by(Formulas.CAREFUL)
    if found.status is not Status.DIFFERENT or tier is not Tier.ELSEWHERE:
        return found
    found = by(Formulas.CUSTOMARY)
    if found.status is Status.DIFFERENT and approximates(reference.tape.network.activations):
        approximate = by(Formulas.APPROXIMATE)
        return found if approximate.status is Status.DIFFERENT else found.excused(APPROXIMATION)
    return found


def _judged_whole(gradient: Gradient, tier: Tier, reference: Reference, difference: float) -> Verdict | None:
    """Return the verdict on tape and gradient together, where it is "different"; the way back says nothing of the tape.

    Whoever reads a tape that is wrong, or has been written to, keeps every equation, and yet has another gradient.
    """
    if tier not in (Tier.RECURRENCE, Tier.PRODUCT):
        return None
    verdict = conclude("T4", forward_checks(gradient, reference), difference)
    if verdict.status is not Status.DIFFERENT:
        return None
    # Equation by equation, the same fault has a name.
    found = local_forward_checks(gradient, reference)
    named = conclude("T4", found, difference) if found else verdict
    return named if named.status is Status.DIFFERENT else verdict


def judge_backend(backend: Backend, tape: Tape, gradient: Gradient, reference: Reference | None = None) -> Verdict:
    """Judge the gradient that a backend has computed on a tape; see :func:`judge`."""
    return judge(tape, gradient, backend.tier, quotients_of(backend, tape), reference)
