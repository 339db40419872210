"""A contestant of the race: a call, and a way to judge its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from formulations.arrays import Array
from formulations.backends import Tier
from formulations.data import Problem
from formulations.network import Gradient
from formulations.verification import Verdict, judge

__all__ = ["Contestant", "Kind", "Ready", "judge_elsewhere"]


class Kind(StrEnum):
    """What a row of the race represents."""

    PLAN = "plan"
    """A backend, prepared."""
    CALL = "call"
    """A backend in one call, which allocates its result, as peers do."""
    LOOP = "loop"
    """One example at a time."""
    PEER = "peer"
    """Another package."""
    FLOOR = "floor"
    """The matrix products alone."""
    NULL = "null"
    """The overhead of the measurement."""
    CONTROL = "control"
    """The baseline again, which shows the machine's noise."""


@dataclass(frozen=True)
class Ready:
    """A contestant that is prepared for one problem.

    Attributes
    ----------
    call : callable () -> Any
        Computes the gradient once.
    judge : callable (result) -> Verdict, or None
        Judges the result of a call; None if it is not a gradient.
    first : float or None
        Seconds of preparation and first call, if it ran in another process.
    """

    call: Callable[[], Any]
    judge: Callable[[Any], Verdict] | None
    first: float | None = None


@dataclass(frozen=True)
class Contestant:
    """A named participant in the race.

    Attributes
    ----------
    name : str
        Its name in tables and flags.
    kind : Kind
        What it represents.
    enter : callable (Problem) -> Ready
        Prepares it; raises one of the library's exceptions if it cannot take part.
    why_not : callable (Problem) -> str or None, optional
        The reason why it cannot take part, if that is known before it is prepared.
    """

    name: str
    kind: Kind
    enter: Callable[[Problem], Ready]
    why_not: Callable[[Problem], str | None] | None = None


def judge_elsewhere(problem: Problem, cost: Any, vector: Array) -> Verdict:
    """Judge by T4 a gradient from another implementation, flat in the order w², b², w³, b³, …."""
    net = problem.network
    tape = net.forward(problem.X, problem.Y, cost=problem.cost)
    return judge(tape, Gradient(net.layout, vector, cost=cost, backend="elsewhere"), Tier.ELSEWHERE)
