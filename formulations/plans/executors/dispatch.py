"""Sums over sources by any executor of ``concurrent.futures``.

Of an executor only ``submit`` is used; its futures are waited for and cancelled. Results come in any order; a completed
subtree is merged as soon as its sibling is there, and a bounded number of tasks is outstanding, so memory does not grow
with the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import replace
from itertools import islice
from math import ceil, floor, inf, log2
from secrets import token_hex
from typing import Any

from formulations.exceptions import Refused, WorkersLost, described
from formulations.plans.executors.checks import checked_executor, gave_up, is_lost, loss, probed, reason
from formulations.plans.executors.tasks import Piece, Recipe, Task, run
from formulations.plans.executors.workers import Worker, this_worker
from formulations.plans.progress import Meter
from formulations.plans.source import Described, Source, narrowed, travelling
from formulations.plans.tree import Sums, Tree

__all__ = ["Dispatch"]

SECONDS = 1.0
"""The estimated seconds of a task at most, which is how long it may outlive a cancellation."""
LEAST = 0.02
"""The estimated seconds of a task at least, if there are enough chunks: many times what submitting it takes."""
TASKS = 64
"""The number of tasks to aim for, so that workers that finish early find more to do."""
OUTSTANDING = 8, 256
"""The outstanding tasks, at least and at most."""
UNTIMED = 8
"""The outstanding tasks at most until one has been timed; the estimate is rough."""


def levels_of_a_task(leaves: int, seconds: float) -> int:
    """Return k for tasks of 2^k leaves, of which each takes so many seconds; the sum does not depend on k.

    Examples
    --------
    >>> [levels_of_a_task(leaves, 1e-3) for leaves in (10**6, 10_000, 100)], levels_of_a_task(100, 5.0)
    ([9, 7, 5], 0)
    """
    worthwhile, many = ceil(log2(LEAST / seconds)), floor(log2(leaves / TASKS))
    return max(0, min(max(worthwhile, many), floor(log2(SECONDS / seconds))))


class Dispatch:
    """The tasks of one sum.

    Parameters
    ----------
    recipe : Recipe
        How to evaluate a chunk.
    sources : sequence of source
        The examples.
    leaves : int
        The number of chunks.
    seconds : float
        The estimated time of a chunk.
    tree : Tree
        Adds up the results.
    executor : Executor
        Runs the tasks.
    memory : float
        The bytes that outstanding tasks may take here, roughly.
    meter : Meter
        Shows the progress.

    Attributes
    ----------
    others : list of Worker
        Those that have other kernels than this process.
    """

    def __init__(
        self,
        recipe: Recipe,
        sources: Sequence[Described],
        leaves: int,
        seconds: float,
        tree: Tree,
        executor: Any,
        memory: float,
        meter: Meter,
    ) -> None:
        self._recipe, self._sources, self._leaves = recipe, sources, leaves
        self._estimated, self._measured = seconds, inf
        self._tree, self._executor, self._meter = tree, checked_executor(executor), meter
        least, most = OUTSTANDING
        # The parameters that it sends, and the sums that come back.
        self._most = max(least, min(most, int(min(memory, 1e18) // (3 * recipe.network.vector.nbytes))))
        self._outstanding: dict[Future[Any], Task] = {}
        self._suspects: list[Task] = []
        self._alone: Task | None = None
        self._submitted = 0
        self._here = this_worker()
        self._known = {self._here.process}
        self.others: list[Worker] = []

    def total(self) -> Sums:
        """Return the sums over all sources.

        Raises
        ------
        WrongType
            If something cannot be sent to the workers.
        Refused
            If arrays in memory would go to another process, or the executor does not accept tasks.
        WorkersLost
            If it breaks.
        """
        self._check_sendable()
        tasks = self._tasks()
        try:
            while True:
                for task in islice(tasks, self._free_places()):
                    self._submit(task)
                if not self._outstanding:
                    if not self._suspects:
                        return self._tree.total()
                    self._alone = replace(self._suspects.pop(), name=token_hex())
                    self._submit(self._alone)
                for future in wait(self._outstanding, return_when=FIRST_COMPLETED).done:
                    self._take(future)
        finally:
            # After a failure or Ctrl-C.
            for future in self._outstanding:
                future.cancel()

    def _check_sendable(self) -> None:
        """Submit a task that computes nothing but carries all that must be sent, before any that computes."""
        things: dict[int, tuple[str, Any]] = {}
        for number, source in enumerate(self._sources):
            for thing in travelling(source) if isinstance(source, Source) else (source,):
                things.setdefault(id(thing), (f"source {number} ({described(thing)})", thing))
        try:
            plan = "the plan's network, cost and backend", self._recipe
            worker = probed(self._executor, [plan, *things.values()])
        except Exception as caught:
            raise (self._lost(caught) if is_lost(caught) else caught) from caught
        self._compare_kernels(worker)
        if worker.process == self._here.process:
            return
        for number, source in enumerate(self._sources):
            if isinstance(source, Source) and source.in_memory:
                raise Refused(
                    f"sources must be described by where their examples are, since {worker.name} computes, got "
                    f"arrays in memory in source {number}; write them with numpy.save and pass "
                    "formulations.sources(...), or take an executor of threads."
                )

    def _free_places(self) -> int:
        """Return how many tasks may be submitted: few until their time is known, none while there is a suspect."""
        most = self._most if self._measured < inf else min(self._most, UNTIMED)
        return 0 if self._suspects else max(0, most - len(self._outstanding))

    def _level(self, first: int) -> int:
        """Return the level of the task that begins with this leaf."""
        if self._measured < inf:
            level = levels_of_a_task(self._leaves, self._measured)
        elif all(isinstance(each, Source) for each in self._sources):
            level = levels_of_a_task(self._leaves, self._estimated)
        else:
            # Nobody knows how long a callable takes.
            level = 0
        # Subtrees are aligned; the lowest bit that is set is the size of the largest.
        return min(level, (first & -first).bit_length() - 1) if first else level

    def _tasks(self) -> Iterator[Task]:
        """Yield the tasks: aligned subtrees, the last one perhaps smaller."""
        first = index = 0
        level = self._level(first)
        pieces: list[Piece] = []
        # The examples in a leaf.
        step = self._recipe.batch_size
        for number, source in enumerate(self._sources):
            # A callable is a leaf, as a source with one example is.
            rows, row = source.rows if isinstance(source, Source) else 1, 0
            while row < rows:
                stop = min(rows, row + (first + (1 << level) - index) * step)
                piece = narrowed(source, row, stop) if isinstance(source, Source) else source
                pieces.append(Piece(number, piece, index))
                index += ceil((stop - row) / step)
                row = stop
                if index == first + (1 << level):
                    yield Task(self._recipe, first, index, level, tuple(pieces))
                    first, level, pieces = index, self._level(index), []
        if pieces:
            yield Task(self._recipe, first, index, level, tuple(pieces))

    def _submit(self, task: Task) -> None:
        try:
            future = self._executor.submit(run, task)
        except Exception as caught:  # a user's executor may raise anything
            raise self._lost(caught) from caught
        self._outstanding[future] = task
        self._submitted = max(self._submitted, task.stop)

    def _take(self, future: Future[Any]) -> None:
        """Add the result of a task."""
        task = self._outstanding[future]
        failure = CancelledError("a task was cancelled") if future.cancelled() else future.exception()
        if failure is not None:
            if not is_lost(failure):
                raise failure
            if not gave_up(failure):
                raise self._lost(failure) from failure
            # Dask repeats a task whose worker has died, and gives up if that happens again and again. But it blames
            # tasks that only waited for that worker, too, so each is tried once more, alone.
            if task is self._alone:
                raise self._lost(failure, task) from failure
            del self._outstanding[future]
            self._suspects.append(task)
            return
        sums, worker, seconds = future.result()
        del self._outstanding[future]
        self._measured = min(self._measured, seconds)
        self._compare_kernels(worker)
        self._meter.add(task.stop - task.first, sums.examples)
        self._tree.add(task.first >> task.level, sums, task.level)

    def _compare_kernels(self, worker: Worker) -> None:
        """Compare the kernels of a worker with those of this process.

        Raises
        ------
        Refused
            If it has another format of the wide precision.
        """
        if worker.process in self._known:
            return
        self._known.add(worker.process)
        if worker.wide != self._here.wide:
            raise Refused(
                f"workers must have the longdouble of this process, with {self._here.wide} binary digits, got "
                f"{worker.name} with {worker.wide}; take workers with the same kind of processor."
            )
        if worker.differences(self._here):
            self.others.append(worker)

    def _lost(self, failure: BaseException, task: Task | None = None) -> WorkersLost:
        """Return the exception for tasks that will not be done."""
        left = sorted((each.first, each.stop) for each in [*self._outstanding.values(), *self._suspects])
        unfinished = _joined([*left, (self._submitted, self._leaves)])
        chunks = _several([_named(each) for each in unfinished])
        if task is not None:
            sources = _several([str(piece.number) for piece in task.pieces])
            return WorkersLost(
                f"workers must survive their tasks, and those that took {_named(range(task.first, task.stop))} of "
                f"source {sources} died one after the other ({reason(failure)}), with {chunks} of {self._leaves} "
                "unfinished; look for what kills them there, such as too little memory.",
                unfinished,
            )
        return WorkersLost(loss(failure, f" with {chunks} of {self._leaves} unfinished"), unfinished)


def _joined(ranges: Sequence[tuple[int, int]]) -> list[range]:
    """Return sorted ranges, those that touch joined, without empty ones."""
    found: list[range] = []
    for first, stop in ranges:
        if found and found[-1].stop == first:
            first = found.pop().start
        if first < stop:
            found.append(range(first, stop))
    return found


def _named(chunks: range) -> str:
    return f"chunk {chunks[0]}" if len(chunks) == 1 else f"chunks {chunks[0]} to {chunks[-1]}"


def _several(names: Sequence[str], most: int = 5) -> str:
    return f"{', '.join(names[:most])}{', …' * (len(names) > most)}"
