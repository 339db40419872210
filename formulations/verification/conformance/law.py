"""What a law is, and how a backend is asked whether it keeps it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.arrays import Array, Gradient
from formulations.backends import Backend
from formulations.data import Problem
from formulations.network import Network
from formulations.plans import Plan, prepare
from formulations.verification.oracles import Reference, reference_gradient
from formulations.verification.tolerances import deviation

__all__ = ["Answer", "Law", "answer", "apart"]


@dataclass(frozen=True)
class Law:
    """What every backend keeps.

    Attributes
    ----------
    name : str
        What it is called.
    summary : str
        What it says, in one line.
    complaint : callable (Backend, Problem) -> str or None
        One sentence on how the backend breaks it, or None.
    """

    name: str
    summary: str
    complaint: Callable[[Backend, Problem], str | None]


@dataclass(frozen=True)
class Answer:
    """A gradient that a backend has computed.

    Attributes
    ----------
    plan : Plan
        As the call has left it.
    gradient : Gradient
        A copy.
    """

    plan: Plan
    gradient: Gradient

    @property
    def reference(self) -> Reference:
        """The gradient of the same examples in a higher precision."""
        with np.errstate(all="ignore"):
            return reference_gradient(self.plan.tape)

    @property
    def bound(self) -> Array:
        """How far the gradient may be from the truth, shape (P + N,)."""
        with np.errstate(all="ignore"):
            return deviation(self.plan.backend, self.plan.tape, self.gradient, self.reference)


def answer(backend: Backend, problem: Problem, network: Network | None = None, **changed: Any) -> Answer:
    """Return what a fresh plan makes of a problem, or of one that differs in X, Y, sample_weight or cost."""
    given = {"X": problem.X, "Y": problem.Y, "sample_weight": problem.sample_weight, "cost": problem.cost} | changed
    plan = prepare(network or problem.network, len(given["X"]), cost=given["cost"], backend=backend)
    with np.errstate(all="ignore"):
        return Answer(plan, plan(given["X"], given["Y"], given["sample_weight"]).copy())


def apart(found: Array, expected: Array, bound: Array, what: str) -> str | None:
    """Return None where two arrays differ by no more than the bound, else where they differ most."""
    with np.errstate(all="ignore"):
        residual = np.abs(found - expected)
        wrong = ~(residual <= bound) & np.isfinite(bound) & np.isfinite(expected)
    if not wrong.any():
        return None
    place = int(np.flatnonzero(wrong)[0])
    return (
        f"{what}: entry {place} of the vector is {found.ravel()[place]:.17g} and should be "
        f"{expected.ravel()[place]:.17g}, to {bound.ravel()[place]:.2g}."
    )
