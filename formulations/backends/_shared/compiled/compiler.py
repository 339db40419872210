"""Compilation of functions, once for each type of argument and machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function.

    Division by zero gives infinity, as in NumPy. Products may be contracted with additions; no other operation is
    reordered, since :mod:`formulations.backends._shared.compiled.exponential` depends on the order of rounding.
    """
    made: Function = njit(cache=True, error_model="numpy", fastmath={"contract"})(function)
    return made
