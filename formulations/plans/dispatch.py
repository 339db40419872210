"""Independent calls of one function, computed here or by an executor, in their order."""

from __future__ import annotations

import pickle
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from functools import partial
from itertools import islice
from os.path import isfile
from typing import TYPE_CHECKING, Any, TypeVar

from formulations.arrays import Budget, current_budget, quiet, use_budget
from formulations.exceptions import WorkersLost, WrongType, why_absent
from formulations.plans.workers import limit_blas_elsewhere, this_worker

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

__all__ = ["check_travels", "in_order"]

Result = TypeVar("Result")

AHEAD = 256
"""The calls that are submitted before the first of them has returned, at most."""


def in_order(
    function: Callable[..., Result],
    cases: Iterable[tuple[Any, ...]],
    executor: Executor | None,
    sent: Mapping[str, Any] | None = None,
) -> Generator[Result, None, None]:
    """Yield the result of each case, in the order of the cases, whoever computes it.

    Whatever ends the iteration early, an exception or Ctrl-C, cancels the cases that have not begun.

    Parameters
    ----------
    function : callable
        Of a module, so that it can be pickled. It runs within the caller's budget.
    cases : iterable of tuple
        The arguments of each call.
    executor : concurrent.futures.Executor or None
        None computes each case when its result is needed.
    sent : mapping of str to object, optional
        What the cases consist of that users define, by names for messages, such as ``"backend 'sigma'"``.

    Yields
    ------
    object
        What the function returns.

    Raises
    ------
    WrongType
        If the executor is none, or something cannot be sent to it; then no case has been submitted.
    Refused
        If the executor was shut down.
    WorkersLost
        If a process of it has ended.
    """
    if executor is None:
        yield from (function(*case) for case in cases)
        return
    # Only those who have an executor load what uses it.
    from formulations.plans.executors import checked_executor

    executor, waiting = checked_executor(executor), iter(cases)
    for name, thing in (sent or {}).items():
        check_travels(executor, thing, name)
    one = partial(_call, this_worker().process, current_budget(), function)
    begun: deque[Future[Result]] = deque()
    try:
        while True:
            begun.extend(executor.submit(one, case) for case in islice(waiting, AHEAD - len(begun)))
            if not begun:
                return
            yield begun.popleft().result()
    except Exception as caught:
        # Dask gives a task up whose workers have died one after the other.
        if not isinstance(caught, BrokenExecutor) and type(caught).__name__ != "KilledWorker":
            raise
        raise WorkersLost(
            f"workers must last until all results are there, and one has ended ({type(caught).__name__}: {caught}); "
            "what it computes must fit its memory and be defined in a module that it can import: try executor=None."
        ) from caught
    finally:
        for future in begun:
            future.cancel()


@quiet
def _call(home: tuple[str, int], budget: Budget, function: Callable[..., Result], case: tuple[Any, ...]) -> Result:
    """Compute a case within the budget of the caller, which neither threads nor processes inherit."""
    if why_absent("threadpoolctl") is None:
        # Processes with as many threads as there are cores wait for one another.
        limit_blas_elsewhere(home)
    with use_budget(seconds=budget.seconds, memory=budget.memory):
        return function(*case)


def check_travels(executor: Executor, things: Any, what: str) -> None:
    """Raise an exception if an executor's workers cannot receive something, before it is submitted.

    Parameters
    ----------
    executor : concurrent.futures.Executor
        Threads receive anything. The processes of ``concurrent.futures`` receive what pickle can write, and other
        executors also what cloudpickle can.
    things : object
        What is to be sent.
    what : str
        What it is, for the message.

    Raises
    ------
    WrongType
        If it cannot be pickled, or is defined where a new process cannot import it.
    """
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

    if isinstance(executor, ThreadPoolExecutor):
        return
    probe = _Probe()
    try:
        probe.dump(things)
    except Exception as caught:  # __reduce__ and __getstate__ may raise anything
        if not isinstance(executor, ProcessPoolExecutor) and _cloudpickled(things):
            return
        raise WrongType(
            f"{what} must be something that can be pickled, to be sent to processes, and it cannot be ({caught}); "
            "define its class or function at the top of a module, or use an executor of threads."
        ) from caught
    if probe.of_main and isinstance(executor, ProcessPoolExecutor) and not _main_is_imported(executor):
        raise WrongType(
            f"{what} must be defined where a new process can import it, and {probe.of_main[0]} is defined in an "
            "interactive session; put it in a module, or use an executor of threads or of loky."
        )


class _Probe(pickle.Pickler):
    """Pickles for nothing, to see whether it can be done and what of it belongs to the main module."""

    def __init__(self) -> None:
        super().__init__(_Nowhere(), protocol=pickle.HIGHEST_PROTOCOL)
        self.of_main: list[str] = []

    def persistent_id(self, thing: Any) -> None:
        """Note a class or function that pickle writes by its name."""
        if getattr(thing, "__module__", None) == "__main__" and hasattr(thing, "__qualname__"):
            self.of_main.append(thing.__qualname__)


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        """Drop the data."""
        return len(data)


def _cloudpickled(things: Any) -> bool:
    """Whether cloudpickle, which the executor has loaded, can write them."""
    loaded = sys.modules.get("cloudpickle") or sys.modules.get("joblib.externals.cloudpickle")
    if loaded is None:
        return False
    try:
        loaded.dumps(things)
    except Exception:  # as above
        return False
    return True


def _main_is_imported(executor: ProcessPoolExecutor) -> bool:
    """Whether the processes have the main module: a fork inherits it, and others import it from its file."""
    main, context = sys.modules["__main__"], getattr(executor, "_mp_context", None)
    forked = context is not None and context.get_start_method() == "fork"
    return forked or getattr(main, "__spec__", None) is not None or isfile(getattr(main, "__file__", ""))
