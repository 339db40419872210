"""The library's contestants: backends, prepared and in one call, and two that test the measurement itself."""

from __future__ import annotations

from functools import partial

from formulations.backends import DEFAULT, Backend, BackendLike, Tier, get_backend, list_backends
from formulations.comparison.race.contestant import Contestant, Kind, Ready, judge_elsewhere
from formulations.data import Problem
from formulations.functions import get_cost
from formulations.network import Gradient, Network, Tape
from formulations.plans import Plan, gradient, prepare
from formulations.verification import Verdict, judge_backend

__all__ = ["CONTROL", "NULL", "default_flags", "one_call", "planned", "prepared"]

FACES = {"sigma": ("sigma", "sigma:matrix=sparse", "sigma:matrix=dense")}
"""Backends that are raced in several forms: Σ planned, built at every call, and dense."""


def default_flags() -> list[str]:
    """Return the flags raced by default: every backend except the engines, which are raced as peers."""
    names = [name for name in list_backends() if not name.startswith("autodiff_")]
    return [flag for name in names for flag in FACES.get(name, (name,))] + [f"{DEFAULT}:batch=example"]


def prepared(problem: Problem, backend: BackendLike = DEFAULT) -> Plan:
    """Return a backend's plan for a problem's network, cost and number of examples."""
    return prepare(problem.network, len(problem.X), problem.cost, backend)


def planned(flag: str) -> Contestant[Problem]:
    """Return a backend that is prepared once, then called with the same batch.

    Raises
    ------
    UnknownName
        If the backend does not exist.
    """
    backend = get_backend(flag)
    kind = Kind.LOOP if backend.inner is not backend else Kind.PLAN

    def enter(problem: Problem) -> Ready:
        plan = prepared(problem, backend)
        return Ready(partial(plan, problem.X, problem.Y), partial(_verdict, plan))

    return Contestant(backend.label, kind, enter, partial(_why_not, backend))


def _why_not(backend: Backend, problem: Problem) -> str | None:
    return backend.why_not(problem.network, get_cost(problem.cost))


def _verdict(plan: Plan, result: Gradient) -> Verdict:
    return judge_backend(plan.backend, plan.tape, result)


def one_call(flag: str) -> Contestant[Problem]:
    """Return a backend in one call of :func:`formulations.gradient`, with all its checks and a new result."""
    backend = get_backend(flag)

    def enter(problem: Problem) -> Ready:
        call = partial(gradient, problem.network, problem.X, problem.Y, problem.cost, backend)

        def verdict(result: Gradient) -> Verdict:
            return judge_elsewhere(problem, result.cost, result.vector)

        return Ready(call, verdict)

    return Contestant(f"gradient({backend.label})", Kind.CALL, enter, partial(_why_not, backend))


class _Nothing(Backend):
    """Computes nothing, which shows the overhead of a plan's checks and of the measurement."""

    name = "null"
    summary = "nothing"
    equations: tuple[str, ...] = ()
    tier = Tier.RECURRENCE

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:  # noqa: ARG002
        gradient.cost = tape.cost_value


def _enter_null(problem: Problem) -> Ready:
    plan = prepared(problem, _Nothing())
    return Ready(partial(plan, problem.X, problem.Y), None)


def _enter_control(problem: Problem) -> Ready:
    return planned(DEFAULT).enter(problem)


NULL = Contestant("null", Kind.NULL, _enter_null)
"""A plan that computes nothing."""

CONTROL = Contestant("control", Kind.CONTROL, _enter_control)
"""``hadamard`` again, in memory of its own."""
