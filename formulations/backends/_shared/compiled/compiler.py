"""Compilation of functions, once for each type of argument and machine."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from numba import njit

__all__ = ["compiled", "compiled_sums"]

Function = TypeVar("Function", bound=Callable[..., Any])

_SOURCES = sha256(b"".join(file.read_bytes() for file in sorted(Path(__file__).parent.rglob("*.py")))).hexdigest()[:8]
"""Names this state of the package's files."""


def compiled(function: Function) -> Function:
    """Compile a function.

    Division by zero gives infinity, as in NumPy. Products may be contracted with additions; no other operation is
    reordered, since :mod:`formulations.backends._shared.compiled.exponential` depends on the order of rounding.
    """
    return _compiled(function, {"contract"})


def compiled_sums(function: Function) -> Function:
    """Compile a function as :func:`compiled`, but with sums in the order in which the processor is fastest."""
    return _compiled(function, {"contract", "reassoc"})


def _compiled(function: Function, allowed: set[str]) -> Function:
    # numba takes cached code to be up to date if the function's own file is, whatever has become of the functions that
    # it calls. The cache is named after the function.
    function.__qualname__ += f"_{_SOURCES}"
    made: Function = njit(cache=True, error_model="numpy", fastmath=allowed)(function)
    return made
