"""Budgets: what is too long or too large to begin without being asked twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from formulations.contract import Backend
from formulations.inputs import positive_number
from formulations.memory import as_bytes
from formulations.network import Network
from formulations.prediction import Prediction
from formulations.tables import format_seconds

__all__ = ["Budget", "current_budget", "foreseen_seconds", "unreasonable", "use_budget"]

SECONDS_PER_MULTIPLICATION = 1e-9
SECONDS_PER_CALL = 1.5e-6
"""What NumPy takes for an operation on a small array; both are rough, enough to foresee minutes."""


@dataclass(frozen=True)
class Budget:
    """What one gradient may take.

    Attributes
    ----------
    seconds : float
        Foreseen time; ``math.inf`` for any.
    memory : float
        Foreseen bytes beyond the parameters; ``math.inf`` for any.
    """

    seconds: float = 600.0
    memory: float = 4e9


_current: ContextVar[Budget] = ContextVar("formulations_budget", default=Budget())  # noqa: B039 - it is frozen


def current_budget() -> Budget:
    """Return the budget in force."""
    return _current.get()


@contextmanager
def use_budget(seconds: float | None = None, memory: float | str | None = None) -> Iterator[Budget]:
    """Change what one gradient may take, inside a ``with`` block.

    Parameters
    ----------
    seconds : float, optional
        Foreseen time; ``math.inf`` for any. Unchanged where it is left out.
    memory : float or str, optional
        Foreseen bytes, or text such as ``"8GB"``; ``math.inf`` for any. Unchanged where it is left out.

    Yields
    ------
    Budget
        The budget in force.

    Raises
    ------
    InvalidInput, WrongType
        Where a limit is not a positive number.
    """
    limits = {}
    if seconds is not None:
        limits["seconds"] = positive_number(seconds, "seconds", finite=False)
    if memory is not None:
        limits["memory"] = as_bytes(memory, "memory")
    budget = replace(current_budget(), **limits)
    token = _current.set(budget)
    try:
        yield budget
    finally:
        _current.reset(token)


def foreseen_seconds(prediction: Prediction) -> float:
    """Return roughly how long a gradient is going to take."""
    return prediction.multiplications * SECONDS_PER_MULTIPLICATION + prediction.calls * SECONDS_PER_CALL


def unreasonable(backend: Backend, network: Network, m: int, budget: Budget) -> str | None:
    """Return None where a gradient over m examples stays within the budget, else what it would take."""
    prediction = backend.predict(network, m)
    seconds = foreseen_seconds(prediction)
    if seconds <= budget.seconds and prediction.bytes <= budget.memory:
        return None
    detail = prediction.detail or f"{prediction.forward_passes} forward passes"
    return (
        f"one gradient would take about {format_seconds(seconds)} and {prediction.bytes / 1e6:.3g} MB ({detail}, "
        f"{prediction.multiplications:.1e} multiplications), more than the budget"
    )
