"""Certificates: is a gradient right? Judged by a tolerance that is derived, never chosen.

A backend's tier says how it relates to the tape, and thereby which bound judges it: a recurrence is judged locally
(T1), a product by its paths (T2), a forward pass of its own by propagated roundoff (T4), a perturbation by truncation
and roundoff (P). "Equal" means that every residual is within its bound and that every layer's bound is sharp enough
to have seen a fault; where it is not, the verdict is inconclusive, never equal.

>>> import formulations as fm
>>> net = fm.Network.random([2, 3, 1], seed=0)
>>> plan = fm.prepare(net, 2)
>>> gradient = plan([[0.0, 1.0], [1.0, 0.0]], [[1.0], [0.0]])
>>> verdict = judge(plan.backend, plan.tape, gradient)
>>> print(verdict.status, verdict.bound, verdict.ratio < 1)
equal T1 True
"""

from __future__ import annotations

import numpy as np

from formulations.certificate.forward import forward_checks
from formulations.certificate.local import local_checks
from formulations.certificate.path import path_checks
from formulations.certificate.perturbation import perturbation_checks
from formulations.certificate.reference import Reference, reference_gradient
from formulations.certificate.verdict import LayerVerdict, Status, Verdict, conclude
from formulations.contract import Backend, Tier
from formulations.parameters import Gradient
from formulations.tape import Tape

__all__ = ["LayerVerdict", "Reference", "Status", "Verdict", "judge", "reference_gradient"]


def judge(backend: Backend, tape: Tape, gradient: Gradient, reference: Reference | None = None) -> Verdict:
    """Judge a gradient by the bound that its backend's tier calls for.

    Parameters
    ----------
    backend : Backend
        The one that computed it; its tier chooses the bound.
    tape : Tape
        The one that it was computed on, as it was left.
    gradient : Gradient
        The candidate; not changed.
    reference : Reference, optional
        From :func:`reference_gradient` for the same examples, where several gradients are judged.

    Returns
    -------
    Verdict
        Its status, the largest ratio of residual to bound, and what each equation says in each layer.
    """
    # What overflows or is not a number is judged by what comes out, not operation by operation.
    with np.errstate(all="ignore"):
        if reference is None:
            reference = reference_gradient(tape)
        if backend.tier is Tier.RECURRENCE:
            name, checks = "T1", local_checks(tape, gradient)
        elif backend.tier is Tier.PRODUCT:
            name, checks = "T2", path_checks(tape, gradient)
        elif backend.tier is Tier.FORWARD:
            name, checks = "T4", forward_checks(tape, gradient, reference)
        else:
            name, checks = "P", perturbation_checks(backend, tape, gradient, reference)
        difference = float(np.max(np.abs(gradient.vector - reference.vector)))
        return conclude(name, checks, difference)
