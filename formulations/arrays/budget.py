"""The budget: limits on the time and memory of one gradient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from formulations.arrays.byte_counts import as_bytes
from formulations.arrays.checks import positive_number

__all__ = ["Budget", "current_budget", "use_budget"]


@dataclass(frozen=True)
class Budget:
    """Limits on the time and memory of one gradient.

    Attributes
    ----------
    seconds : float
        The estimated time; ``math.inf`` for no limit.
    memory : float
        The estimated bytes beyond the parameters; ``math.inf`` for no limit. It also limits the compressed arrays of a
        file.
    """

    seconds: float = 600.0
    memory: float = 4e9


_current: ContextVar[Budget] = ContextVar("formulations_budget", default=Budget())  # noqa: B039 - it is frozen


def current_budget() -> Budget:
    """Return the budget in force."""
    return _current.get()


@contextmanager
def use_budget(seconds: float | None = None, memory: float | str | None = None) -> Iterator[Budget]:
    """Change the limits on the time and memory of one gradient inside a ``with`` block.

    Parameters
    ----------
    seconds : float, optional
        The estimated time; ``math.inf`` for no limit. Unchanged if omitted.
    memory : float or str, optional
        The estimated bytes, or text such as ``"8GB"``; ``math.inf`` for no limit. Unchanged if omitted.

    Yields
    ------
    Budget
        The budget in force.

    Raises
    ------
    InvalidInput, WrongType
        If a limit is not a positive number.
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
