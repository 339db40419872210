"""How functions are compiled: for every type of array that comes, once on a machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function.

    A division by zero is infinite, as in NumPy. A product may be added without being rounded in between; nothing else
    is taken in another order than written, for :mod:`formulations.backends._shared.compiled.exponential` rounds by an
    order.
    """
    made: Function = njit(cache=True, error_model="numpy", fastmath={"contract"})(function)
    return made
