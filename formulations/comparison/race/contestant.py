"""What takes part in a race: something to call, and a way to judge what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from formulations.arrays import Array, Gradient
from formulations.backends import Tier
from formulations.data import Problem
from formulations.verification import Verdict, judge

__all__ = ["Contestant", "Kind", "Ready", "judge_elsewhere"]


class Kind(StrEnum):
    """What a row of the race stands for."""

    PLAN = "plan"
    """A backend, prepared."""
    CALL = "call"
    """A backend in one call, which allocates its result as peers do."""
    LOOP = "loop"
    """One example at a time."""
    PEER = "peer"
    """Another package."""
    FLOOR = "floor"
    """The matrix products alone."""
    NULL = "null"
    """What the harness costs."""
    CONTROL = "control"
    """The baseline once more: how noisy the machine is."""


@dataclass(frozen=True)
class Ready:
    """A contestant that is prepared for one problem.

    Attributes
    ----------
    call : callable () -> Any
        Computes the gradient once.
    judge : callable (result) -> Verdict, or None
        Judges what a call returned; None where it computes no gradient.
    first : float or None
        Seconds of preparation and first call, where whoever prepared it has taken them.
    """

    call: Callable[[], Any]
    judge: Callable[[Any], Verdict] | None
    first: float | None = None


@dataclass(frozen=True)
class Contestant:
    """Who takes part.

    Attributes
    ----------
    name : str
        What tables and flags call it.
    kind : Kind
        What it stands for.
    enter : callable (Problem) -> Ready
        Prepares it; raises one of the library's exceptions where it cannot take part.
    why_not : callable (Problem) -> str or None, optional
        The reason why it does not take part, where that can be said beforehand.
    """

    name: str
    kind: Kind
    enter: Callable[[Problem], Ready]
    why_not: Callable[[Problem], str | None] | None = None


def judge_elsewhere(problem: Problem, cost: Any, vector: Array) -> Verdict:
    """Judge a gradient with a forward pass of its own, flat in the order w², b², w³, b³, …, by T4."""
    net = problem.network
    tape = net.forward(problem.X, problem.Y, cost=problem.cost)
    return judge(tape, Gradient(net.layout, vector, cost=cost, backend="elsewhere"), Tier.ELSEWHERE)
