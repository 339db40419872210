"""The limits within which the library works unless it is asked twice: the seconds and the memory of one gradient."""

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
    """What one gradient may take.

    Attributes
    ----------
    seconds : float
        Estimated time; ``math.inf`` for any.
    memory : float
        Estimated bytes beyond the parameters; ``math.inf`` for any. Compressed arrays in a file may take no more.
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
        Estimated time; ``math.inf`` for any. Unchanged if omitted.
    memory : float or str, optional
        Estimated bytes, or text such as ``"8GB"``; ``math.inf`` for any. Unchanged if omitted.

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
