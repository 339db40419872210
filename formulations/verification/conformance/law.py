"""Laws of the backend contract, and helpers to check them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.backends import Backend
from formulations.data import Problem
from formulations.network import Gradient, Network
from formulations.plans import Plan, prepare
from formulations.verification.conformance.plain import PlainFunction
from formulations.verification.oracles import Reference, reference_gradient
from formulations.verification.tolerances import deviation

__all__ = ["Answer", "Law", "NotAsked", "answer", "apart", "takes_weights"]


class NotAsked(Exception):
    """A law says nothing about this backend or problem; the message is the reason, and no user gets to see it."""


@dataclass(frozen=True)
class Law:
    """A property that every backend must have.

    Attributes
    ----------
    name : str
        The name of the law.
    summary : str
        The law in one line.
    complaint : callable (Backend, Problem) -> str or None
        Returns one sentence on how the backend breaks the law, or None if it keeps it; raises :class:`NotAsked`.
    of_backends : str
        Why the law says nothing about a plain function; empty if it does.
    """

    name: str
    summary: str
    complaint: Callable[[Backend, Problem], str | None]
    of_backends: str = ""


@dataclass(frozen=True)
class Answer:
    """The gradient of a backend, with its plan.

    Attributes
    ----------
    plan : Plan
        The plan after the call.
    gradient : Gradient
        A copy of the result.
    """

    plan: Plan
    gradient: Gradient

    @property
    def reference(self) -> Reference:
        """The gradient for the same examples in a higher precision."""
        with np.errstate(all="ignore"):
            return reference_gradient(self.plan.tape)

    @property
    def bound(self) -> Array:
        """The bound on the difference from the reference, shape (P + N,)."""
        with np.errstate(all="ignore"):
            return deviation(self.plan.backend, self.plan.tape, self.gradient, self.reference)


def answer(backend: Backend, problem: Problem, network: Network | None = None, **changed: Any) -> Answer:
    """Return the gradient of a new plan for a problem, or for one with another X, Y, sample_weight or cost."""
    given = {"X": problem.X, "Y": problem.Y, "sample_weight": problem.sample_weight, "cost": problem.cost} | changed
    plan = prepare(network or problem.network, len(given["X"]), cost=given["cost"], backend=backend)
    with np.errstate(all="ignore"):
        return Answer(plan, plan(given["X"], given["Y"], given["sample_weight"]).copy())


def apart(found: Array, expected: Array, bound: Array, what: str) -> str | None:
    """Return None if two arrays differ by at most the bound, else a sentence with the first entry that differs more."""
    with np.errstate(all="ignore"):
        residual = np.abs(found - expected)
        wrong = ~(residual <= bound) & np.isfinite(bound) & np.isfinite(expected)
    if not wrong.any():
        return None
    place = int(np.flatnonzero(wrong)[0])
    return (
        f"{what}: entry {place} of the vector is {found.ravel()[place]:.17g}, expected "
        f"{expected.ravel()[place]:.17g} ± {bound.ravel()[place]:.2g}."
    )


def takes_weights(backend: Backend) -> bool:
    """Whether a backend takes sample weights; a plain function does not get them."""
    return not isinstance(backend, PlainFunction)
