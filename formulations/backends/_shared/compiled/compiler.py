"""Compilation of functions, once for each type of argument and machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from logging import getLogger
from time import perf_counter
from typing import Any, TypeVar

from numba import njit, types
from numba.core.event import Listener, register

from formulations.backends._shared.compiled.cache import fingerprint
from formulations.display import format_seconds

__all__ = ["compiled", "compiled_sums"]

Function = TypeVar("Function", bound=Callable[..., Any])

logger = getLogger("formulations")


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
    # numba considers cached code up to date if the function's own file is unchanged, even if functions and constants
    # that it uses have changed. The cache is named after the function.
    function.__qualname__ += f"_{fingerprint(function.__module__, __name__)}"
    made: Function = njit(cache=True, error_model="numpy", fastmath=allowed)(function)
    return made


class _Announcement(Listener):  # type: ignore[misc]
    """Tells the logger ``formulations`` what is compiled, which takes seconds; cached code is not."""

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._start = 0.0

    def on_start(self, event: Any) -> None:
        """Announce a function; those that it calls are compiled meanwhile."""
        function = event.data["dispatcher"].py_func
        self._waiting.append(f"{function.__module__.removeprefix(__package__ + '.')}.{function.__name__.lstrip('_')}")
        if len(self._waiting) == 1 and _is_ours(function):
            self._start = perf_counter()
            dtypes = ", ".join(sorted(set(_dtypes(event.data["args"]))))
            text = "compiling %s of backend fused for %s, which takes some seconds once on this machine"
            logger.info(text, self._waiting[0], dtypes)

    def on_end(self, event: Any) -> None:
        """Say how long it took."""
        name = self._waiting.pop()
        if not self._waiting and _is_ours(event.data["dispatcher"].py_func):
            logger.info("compiled %s in %s", name, format_seconds(perf_counter() - self._start))


def _is_ours(function: Any) -> bool:
    return bool(function.__module__.startswith(__package__))


def _dtypes(arguments: Iterable[Any]) -> Iterator[str]:
    """Yield the names of the floating-point types among numba's types of arguments."""
    for argument in arguments:
        if isinstance(argument, types.BaseTuple):
            yield from _dtypes(argument)
        elif isinstance(dtype := getattr(argument, "dtype", argument), types.Float):
            yield dtype.name


register("numba:compile", _Announcement())
