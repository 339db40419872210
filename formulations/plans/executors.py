"""Sums over sources by any executor of ``concurrent.futures``.

Only ``submit`` and ``Future.cancel`` of an executor are used. Results come in any order; a completed subtree is merged
as soon as its sibling is there, and at most ``WINDOW`` tasks are outstanding, so memory does not grow with the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from typing import Any

from formulations.exceptions import Refused, WrongType
from formulations.plans.source import Source
from formulations.plans.tasks import Piece, Recipe, Task, run
from formulations.plans.tree import Sums, Tree

__all__ = ["checked_executor", "sum_over"]

SECONDS = 1.0
"""The estimated seconds of a task at most, which is how long it may outlive a cancellation."""
LEAST = 0.02
"""The estimated seconds of a task at least, as far as the tree allows: hundreds of times what submitting one takes."""
TASKS = 64
"""The number of tasks that is aimed at, so that workers that finish early find more to do."""
WINDOW = 256
"""Outstanding tasks at most."""


def checked_executor(executor: Any) -> Executor:
    """Return an executor that accepts tasks.

    Raises
    ------
    WrongType
        If it is none.
    Refused
        If it was shut down.
    """
    if not isinstance(executor, Executor):
        remedy = "client.get_executor() of a Dask client" if hasattr(executor, "get_executor") else "an instance of one"
        raise WrongType(
            f"executor must be None or an executor of concurrent.futures, got {type(executor).__name__}; pass "
            f"concurrent.futures.ProcessPoolExecutor(), {remedy}."
        )
    _submit(executor, int).cancel()
    return executor


def _submit(executor: Executor, function: Any, *arguments: Any) -> Future[Any]:
    try:
        return executor.submit(function, *arguments)
    except RuntimeError as caught:
        broken = isinstance(caught, BrokenExecutor)
        raise Refused(
            f"executor must accept tasks, and it {'is broken' if broken else 'was shut down'} ({caught}); "
            "make a new one."
        ) from caught


def levels_of_a_task(leaves: int, seconds: float) -> int:
    """Return k for tasks of 2^k leaves that take so many seconds each."""
    k = 0
    while 2**k * seconds < LEAST or (leaves >> (k + 1)) >= TASKS:
        if 2 ** (k + 1) * seconds > SECONDS or 2**k >= leaves:
            break
        k += 1
    return k


def tasks_of(pieces: Iterable[Piece], recipe: Recipe, batch_size: int, levels: int) -> Iterator[Task]:
    """Yield the tasks: aligned subtrees of 2^levels leaves, the last one perhaps smaller."""
    size, first, filled = 2**levels, 0, 0
    held: list[Piece] = []
    for piece in pieces:
        source, row, index = piece.source, 0, piece.index
        rows = source.rows if isinstance(source, Source) else 1
        step = batch_size if isinstance(source, Source) else 1
        while row < rows:
            room = (first + size - index) * step
            stop = min(row + room, rows)
            held.append(Piece(piece.number, source, index, row, stop))
            index += -((row - stop) // step)
            row = filled = stop
            if index == first + size:
                yield Task(recipe, first, index, tuple(held))
                held, first = [], index
        filled = index
    if held:
        yield Task(recipe, first, filled, tuple(held))


def sum_over(tasks: Iterable[Task], levels: int, tree: Tree, executor: Executor) -> Sums:
    """Return the sums over all tasks."""
    waiting = iter(tasks)
    outstanding: dict[Future[Any], Task] = {}
    try:
        while True:
            for task in waiting:
                outstanding[_submit(executor, run, task)] = task
                if len(outstanding) == WINDOW:
                    break
            if not outstanding:
                return tree.total()
            for future in wait(outstanding, return_when=FIRST_COMPLETED).done:
                task = outstanding.pop(future)
                sums, _ = future.result()
                tree.add(task.first >> levels, sums, levels)
    finally:
        for future in outstanding:
            future.cancel()
