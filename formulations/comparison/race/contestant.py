"""A contestant of the race: a call, and a way to judge its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from formulations.arrays import Array
from formulations.backends import Tier
from formulations.data import Problem
from formulations.network import Gradient
from formulations.verification import Status, Verdict, judge

__all__ = ["Contestant", "Kind", "Prepares", "Ready", "VerdictLike", "judge_elsewhere"]

T = TypeVar("T")
Prepared = TypeVar("Prepared", covariant=True)


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
    """The matrix products alone; of an epoch, with the mini-batches gathered."""
    NULL = "null"
    """The overhead of the measurement."""
    CONTROL = "control"
    """The baseline again, which shows the machine's noise."""


class VerdictLike(Protocol):
    """What a row shows of a verdict."""

    @property
    def status(self) -> Status:
        """Whether the result is equal, different, or nothing can be said."""

    @property
    def rule(self) -> str:
        """The rule that judged, or the unit of the ratio."""

    @property
    def ratio(self) -> float:
        """The largest residual in units of its bound."""

    @property
    def reason(self) -> str:
        """One sentence unless equal."""


class Prepares(Protocol[Prepared]):
    """A cell, which makes the same problem in every process."""

    def problem(self, dtype: Any) -> Prepared:
        """Return the problem in newly allocated memory."""


@dataclass(frozen=True)
class Ready:
    """A contestant that is prepared for one problem.

    Attributes
    ----------
    call : callable () -> Any
        Does once what is timed.
    judge : callable (result) -> VerdictLike, or None
        Judges the result of the first call; None if there is nothing to judge.
    first : float or None
        Seconds of preparation and first call, if it ran in another process.
    """

    call: Callable[[], Any]
    judge: Callable[[Any], VerdictLike] | None
    first: float | None = None


@dataclass(frozen=True)
class Contestant(Generic[T]):
    """A named participant in a race.

    Attributes
    ----------
    name : str
        Its name in tables and flags.
    kind : Kind
        What it represents.
    enter : callable (problem) -> Ready
        Prepares it; raises one of the library's exceptions if it cannot take part.
    why_not : callable (problem) -> str or None, optional
        The reason why it cannot take part, if that is known before it is prepared.
    alone : bool
        Whether it has its own threads, and therefore runs in a separate process.
    """

    name: str
    kind: Kind
    enter: Callable[[T], Ready]
    why_not: Callable[[T], str | None] | None = None
    alone: bool = False


def judge_elsewhere(problem: Problem, cost: Any, vector: Array) -> Verdict:
    """Judge by T4 a gradient from another implementation, flat in the order w², b², w³, b³, …."""
    net = problem.network
    tape = net.forward(problem.X, problem.Y, cost=problem.cost)
    return judge(tape, Gradient(net.layout, vector, cost=cost, backend="elsewhere"), Tier.ELSEWHERE)
