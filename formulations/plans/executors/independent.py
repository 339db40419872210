"""Independent calls of one function, computed here or by an executor, in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from formulations.arrays import Budget, current_budget, quiet, use_budget
from formulations.exceptions import WorkersLost, why_absent
from formulations.plans.executors.checks import checked_executor, is_lost, loss, probed
from formulations.plans.executors.workers import limit_blas_elsewhere, this_worker

__all__ = ["in_order"]

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

    If an exception or Ctrl-C ends the iteration early, the cases that have not begun are cancelled.

    Parameters
    ----------
    function : callable
        Defined at the top of a module, so that it can be pickled. It runs within the caller's budget.
    cases : iterable of tuple
        The arguments of each call.
    executor : concurrent.futures.Executor or None
        None computes each case when its result is needed.
    sent : mapping of str to object, optional
        The user-defined parts of the cases, by their names in messages, such as ``"backend 'sigma'"``.

    Yields
    ------
    object
        What the function returns.

    Raises
    ------
    WrongType
        If it is not an executor, or something cannot be sent to its workers; then no case has been submitted.
    Refused
        If the executor was shut down.
    WorkersLost
        If it breaks.
    """
    if executor is None:
        yield from (function(*case) for case in cases)
        return
    executor, waiting = checked_executor(executor), iter(cases)
    one = partial(_call, this_worker().process, current_budget(), function)
    begun: deque[Future[Result]] = deque()
    try:
        if sent and not isinstance(executor, ThreadPoolExecutor):
            probed(executor, list(sent.items()))
        while True:
            begun.extend(_submitted(executor, one, case) for case in islice(waiting, AHEAD - len(begun)))
            if not begun:
                return
            yield begun.popleft().result()
    except Exception as caught:
        if is_lost(caught):
            raise WorkersLost(loss(caught)) from caught
        raise
    finally:
        for future in begun:
            future.cancel()


def _submitted(executor: Executor, one: Callable[..., Result], case: tuple[Any, ...]) -> Future[Result]:
    try:
        return executor.submit(one, case)
    except Exception as caught:  # a user's executor may raise anything
        raise WorkersLost(loss(caught)) from caught


@quiet
def _call(home: tuple[str, int], budget: Budget, function: Callable[..., Result], case: tuple[Any, ...]) -> Result:
    """Compute a case within the budget of the caller, which neither threads nor processes inherit."""
    if why_absent("threadpoolctl") is None:
        # Processes with as many threads as there are cores wait for one another.
        limit_blas_elsewhere(home)
    with use_budget(seconds=budget.seconds, memory=budget.memory):
        return function(*case)
