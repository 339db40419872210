"""Workers: time, efficiency and memory of one gradient in several processes, and what a cluster would take.

The examples lie on disk, and each task receives parameters and the description of its rows. What a cluster takes is
computed from what is measured here: the time of an example, the overhead of a task, and the bytes that a task sends.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from math import ceil, log2
from multiprocessing import active_children, get_context
from pathlib import Path
from time import process_time
from typing import Any

from benchmarks.experiments.measuring import mapped_examples
from benchmarks.experiments.pattern import Column, plain, table
from formulations.arrays import format_bytes, integers, random_generator
from formulations.comparison.timing import interleave
from formulations.display import Colour, Ratio, arms, counted, format_seconds, tidy, titled
from formulations.network import Network
from formulations.plans import ChunkedPlan, prepare, sources

__all__ = ["Cluster", "TaskOverhead", "Workers", "WorkersRow", "draw_workers", "measure_workers"]

PROCESSES = Path("/proc")
"""Where Linux reports the memory of processes; other systems have no such folder."""
WORKERS = (1, 2)
LOCAL = 0
"""Workers of a call without an executor, in the process that asks for the gradient."""
TASK_SECONDS = 1.0
"""How long a task of the cluster takes, within a factor of √2: its number of examples is a power of two."""
TARGET = 0.9
"""The efficiency that two workers are to reach on two cores."""
TOLERANCE = 0.1
"""The relative growth of memory that still counts as flat."""
BURST = 256
"""Tasks that are submitted at once to measure their overhead."""
EXAMPLES, CLUSTER = 10**9, 100
"""The cluster that is computed."""


@dataclass(frozen=True)
class WorkersRow:
    """A batch of one length, by one number of workers.

    Attributes
    ----------
    examples : int
        The length of the batch.
    workers : int
        Processes that compute; 0 if the process that asks computes itself.
    seconds : float
        Time per example, of the median round.
    ratio : Ratio
        This time over that without workers, in the same rounds.
    parent_bytes, worker_bytes : int or None
        Peak of the resident memory of the process that asks, and of the largest worker; None if the system does not
        report it.
    """

    examples: int
    workers: int
    seconds: float
    ratio: Ratio
    parent_bytes: int | None
    worker_bytes: int | None

    @property
    def efficiency(self) -> Ratio:
        """Time without workers over the time that all workers together spend: 1 if nothing is lost."""
        return (self.ratio * max(self.workers, 1)).inverse


COLUMNS = (
    Column[WorkersRow]("examples", lambda row: f"{row.examples:,}"),
    Column[WorkersRow]("workers", lambda row: str(row.workers) if row.workers else "none"),
    Column[WorkersRow]("per example", lambda row: format_seconds(row.seconds)),
    Column[WorkersRow]("efficiency", lambda row: f"{row.efficiency.median:.3f}"),
    Column[WorkersRow]("quartiles", lambda row: f"{row.efficiency.lower:.3f}–{row.efficiency.upper:.3f}"),
    Column[WorkersRow]("parent", lambda row: _memory(row.parent_bytes)),
    Column[WorkersRow]("largest worker", lambda row: _memory(row.worker_bytes)),
)


def _memory(count: int | None) -> str:
    return "–" if count is None else format_bytes(count)


@dataclass(frozen=True)
class TaskOverhead:
    """What one task of an evaluation costs beside its examples.

    Attributes
    ----------
    engine : str
        What ran the tasks.
    seconds : float
        CPU time per task here, where the scheduler runs as well.
    sent_bytes, returned_bytes : int
        Its arguments and its result, pickled.
    """

    engine: str
    seconds: float
    sent_bytes: int
    returned_bytes: int


@dataclass(frozen=True)
class Cluster:
    """What one gradient takes on a cluster, computed from constants that were measured.

    Attributes
    ----------
    examples, workers : int
        Of the cluster.
    example_seconds : float
        Time per example in one worker.
    example_bytes : int
        What an example takes on disk.
    task : TaskOverhead
        The constants of a task.
    """

    examples: int
    workers: int
    example_seconds: float
    example_bytes: int
    task: TaskOverhead

    @property
    def task_examples(self) -> int:
        """Examples of a task: the power of two that takes about a second."""
        return 1 << max(0, round(log2(TASK_SECONDS / self.example_seconds)))

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return ceil(self.examples / self.task_examples)

    @property
    def rounds(self) -> int:
        """Tasks of the busiest worker."""
        return ceil(self.tasks / self.workers)

    @property
    def computing_seconds(self) -> float:
        """Time of the busiest worker."""
        return self.rounds * self.task_examples * self.example_seconds

    @property
    def parent_seconds(self) -> float:
        """Time of the scheduler and of the process that asks, which overlaps with the computation."""
        return self.tasks * self.task.seconds

    @property
    def all_sent_bytes(self) -> int:
        """Parameters and descriptions, to all workers."""
        return self.tasks * self.task.sent_bytes

    @property
    def all_returned_bytes(self) -> int:
        """Sums, from all workers."""
        return self.tasks * self.task.returned_bytes

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        counts = {"task_examples": self.task_examples, "tasks": self.tasks, "rounds": self.rounds}
        seconds = {"computing_seconds": self.computing_seconds, "parent_seconds": self.parent_seconds}
        traffic = {"all_sent_bytes": self.all_sent_bytes, "all_returned_bytes": self.all_returned_bytes}
        return asdict(self) | counts | seconds | traffic

    def __str__(self) -> str:
        n, r, each = self.tasks, self.rounds, self.task_examples
        task, read = self.task, self.examples * self.example_bytes
        rate = each * self.example_bytes / (each * self.example_seconds)
        rows = [
            ("tasks", f"{self.examples:,} / {each:,}", f"{n:,}"),
            ("computing", f"{counted(r, 'task')} × {each:,} × {format_seconds(self.example_seconds)}",
             format_seconds(self.computing_seconds)),
            (f"tasks of {task.engine}, meanwhile", f"{n:,} × {format_seconds(task.seconds)}",
             format_seconds(self.parent_seconds)),
            ("to the workers", f"{n:,} × {format_bytes(task.sent_bytes)}", format_bytes(self.all_sent_bytes)),
            ("from the workers", f"{n:,} × {format_bytes(task.returned_bytes)}", format_bytes(self.all_returned_bytes)),
            ("read from storage", f"{self.examples:,} × {format_bytes(self.example_bytes)}", format_bytes(read)),
            ("read by each worker", f"{format_bytes(self.example_bytes)} / {format_seconds(self.example_seconds)}",
             f"{format_bytes(rate)} a second"),
        ]  # fmt: skip
        columns = (
            Column[tuple[str, str, str]]("", lambda row: row[0], left=True),
            Column[tuple[str, str, str]]("from", lambda row: row[1]),
            Column[tuple[str, str, str]]("computed", lambda row: row[2]),
        )
        return f"{self.examples:,} examples on {counted(self.workers, 'worker')}, computed\n\n{table(rows, columns)}"


@dataclass(frozen=True)
class Workers:
    """The result of :func:`measure_workers`.

    Attributes
    ----------
    rows : tuple of WorkersRow
        From the fewest examples to the most, without workers first.
    cluster : Cluster
        What a cluster would take.
    """

    rows: tuple[WorkersRow, ...]
    cluster: Cluster

    @property
    def flat(self) -> bool:
        """Whether no process needs more memory for the most examples than for the fewest, within a tenth.

        Memory that the system does not report counts as flat.
        """
        first, last = self.rows[0].examples, self.rows[-1].examples
        for workers in (LOCAL, *WORKERS):
            base, most = (
                next(row for row in self.rows if (row.examples, row.workers) == (m, workers)) for m in (first, last)
            )
            for before, after in ((base.parent_bytes, most.parent_bytes), (base.worker_bytes, most.worker_bytes)):
                if before is not None and after is not None and after > (1 + TOLERANCE) * before:
                    return False
        return True

    @property
    def efficient_from(self) -> int | None:
        """Examples from which on two workers reach the efficiency that they are to; None if they never do."""
        first = None
        for row in reversed([row for row in self.rows if row.workers == max(WORKERS)]):
            if row.efficiency.median < TARGET:
                break
            first = row.examples
        return first

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        found = [plain(row) | {"efficiency": row.efficiency.median} for row in self.rows]
        return {
            "rows": found, "cluster": self.cluster.to_dict(), "flat": self.flat, "efficient_from": self.efficient_from
        }  # fmt: skip

    def __str__(self) -> str:
        flat = "flat" if self.flat else "not flat"
        two = f"The efficiency of {counted(max(WORKERS), 'worker')} is"
        reached = "nowhere" if self.efficient_from is None else f"from {self.efficient_from:,} examples on"
        return (
            f"In other processes, each with one thread of BLAS\n\n{table(self.rows, COLUMNS)}\n\n"
            f"Peak resident memory is {flat}: within {TOLERANCE:.0%} of what the fewest examples take. {two} {TARGET} "
            f"or more {reached}: the time without workers over that of all workers together.\n\n{self.cluster}"
        )


def measure_workers(
    counts: Sequence[int] = (10**4, 10**5, 10**6, 10**7),
    *,
    sizes: Sequence[int] = (8, 128, 128, 2),
    dtype: Any = "float32",
    memory: float | str = "64MB",
    seed: int = 0,
    budget: float = 5.0,
    folder: str | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> Workers:
    """Measure gradients without workers and with one and two, each a process whose BLAS has one thread.

    Parameters
    ----------
    counts : sequence of int
        Lengths of the batches.
    sizes, dtype, memory, seed, folder
        As in :func:`benchmarks.experiments.scale.measure_scale`.
    budget : float
        Seconds to spend on the times of each length and number of workers; the slowest still get three rounds.
    progress : callable, optional
        Called with each step before it begins.
    """
    lengths = integers(counts, "counts")
    generator = random_generator(seed)
    network = Network.random(sizes, seed=generator, dtype=dtype)
    plan = prepare(network, "auto", memory=memory)
    progress(f"writing {lengths[-1]:,} examples")
    with mapped_examples(lengths[-1], network, generator, folder) as (X, Y):
        batches = {m: sources(X[:m], Y[:m]) for m in lengths}
        example_bytes = X[0].nbytes + Y[0].nbytes
        rows = _measure_rows(plan, batches, budget, progress)
        progress("measuring the overhead of a task")
        task = _measure_task(plan, batches[lengths[0]])
        del X, Y, batches
    alone = next(row for row in reversed(rows) if row.workers == 1)
    return Workers(tuple(rows), Cluster(EXAMPLES, CLUSTER, alone.seconds, example_bytes, task))


def _measure_rows(
    plan: ChunkedPlan, batches: Mapping[int, Sequence[Any]], budget: float, progress: Callable[[str], object]
) -> list[WorkersRow]:
    rows = []
    with ExitStack() as stack:
        progress("starting the workers")
        executors: dict[int, Executor | None] = {LOCAL: None}
        processes: dict[int, list[int]] = {LOCAL: []}
        for workers in WORKERS:
            before = active_children()
            pool = stack.enter_context(ProcessPoolExecutor(workers, mp_context=get_context("spawn")))
            # A pool starts its processes when it has tasks for them.
            plan.over(batches[max(batches)], pool)
            executors[workers] = pool
            processes[workers] = [child.pid for child in active_children() if child not in before and child.pid]
        for m, pieces in batches.items():
            progress(f"measuring the times of {m:,} examples")
            calls = {str(workers): partial(plan.over, pieces, executor) for workers, executor in executors.items()}
            timings = interleave(calls, baseline=str(LOCAL), budget=budget)
            for workers in executors:
                progress(f"measuring the memory of {m:,} examples, {counted(workers, 'worker')}")
                parent, *others = _peaks(calls[str(workers)], processes[workers])
                largest = max((each for each in others if each is not None), default=None)
                timing = timings[str(workers)]
                rows.append(WorkersRow(m, workers, timing.seconds / m, timing.ratio, parent, largest))
    return rows


def _peaks(call: Callable[[], object], workers: Sequence[int]) -> list[int | None]:
    """Return the peaks of resident memory during a call: of this process, and of the workers."""
    processes = ["self", *map(str, workers)]
    try:
        for process in processes:
            # This resets the peak to what is resident now.
            (PROCESSES / process / "clear_refs").write_text("5")
        call()
        status = [(PROCESSES / process / "status").read_text("ascii", "replace") for process in processes]
    except OSError:
        return [None] * len(processes)
    peaks = [[line for line in each.splitlines() if line.startswith("VmHWM:")] for each in status]
    return [1024 * int(lines[0].split()[1]) if lines else None for lines in peaks]


class _Weighed(Executor):
    """An executor that weighs what its tasks send and return.

    Attributes
    ----------
    sent : list of int
        Bytes of each task's arguments.
    """

    def __init__(self, inner: Executor) -> None:
        self._inner = inner
        self._futures: list[Future[Any]] = []
        self.sent: list[int] = []

    @property
    def returned(self) -> list[int]:
        """Bytes of each result, once all tasks are done or cancelled; what is cancelled has none."""
        return [len(pickle.dumps(each.result())) for each in self._futures if not each.cancelled()]

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit a task to the executor inside."""
        self.sent.append(len(pickle.dumps((fn, args, kwargs))))
        future = self._inner.submit(fn, *args, **kwargs)
        self._futures.append(future)
        return future


def _measure_task(plan: ChunkedPlan, pieces: Sequence[Any]) -> TaskOverhead:
    """Measure what a task costs beside its examples: tasks that send and return as much, and do nothing else."""
    with _engine() as (name, executor):
        weighed = _Weighed(executor)
        plan.over(pieces, weighed)
        sent, returned = max(weighed.sent), max(weighed.returned)
        numbers = count()

        def burst() -> float:
            start = process_time()
            # Dask would compute tasks with the same arguments once.
            futures = [executor.submit(_echo, next(numbers), bytes(sent), returned) for _ in range(BURST)]
            for future in futures:
                future.result()
            return process_time() - start

        return TaskOverhead(name, min(burst() for _ in range(3)) / BURST, sent, returned)


def _echo(number: int, received: bytes, returned: int) -> bytes:  # noqa: ARG001
    return bytes(returned)


@contextmanager
def _engine() -> Iterator[tuple[str, Executor]]:
    """Yield the name of what runs tasks in one other process, and its executor."""
    if find_spec("distributed") is None:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            yield "a pool of processes", pool
        return
    # Its classes have types, but not all of their methods.
    distributed: Any = import_module("distributed")
    settings = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        yield "Dask", client.get_executor()


def draw_workers(efficiency: Any, memory: Any, found: Workers) -> None:
    """Draw the efficiency and the memory of the workers, each into its axes."""
    for workers, colour, size in zip(WORKERS, (Colour.RUST, Colour.BLUE), (9, 5), strict=True):
        shown = [row for row in found.rows if row.workers == workers]
        examples = [row.examples for row in shown]
        ratios = [row.efficiency for row in shown]
        efficiency.errorbar(
            examples, [ratio.median for ratio in ratios], arms(ratios), fmt="o-", color=colour, capsize=3,
            label=counted(workers, "worker"),
        )  # fmt: skip
        if None not in [row.worker_bytes for row in shown]:
            worker = [(row.worker_bytes or 0) / 1e6 for row in shown]
            parent = [(row.parent_bytes or 0) / 1e6 for row in shown]
            # What lies behind has larger marks.
            for peaks, mark, who in ((worker, "o-", "largest"), (parent, "s:", "parent")):
                label = f"{who} of {counted(workers, 'worker')}"
                memory.plot(examples, peaks, mark, color=colour, markersize=size, label=label)
    efficiency.axhline(TARGET, color=Colour.INK, linewidth=0.8, linestyle="--")
    efficiency.set_ylim(0, 1.1)
    memory.set_ylim(bottom=0)
    titled(efficiency, "efficiency of the workers")
    titled(memory, "peak of resident memory, MB")
    for axes in (efficiency, memory):
        axes.set_xscale("log")
        axes.set_xlabel("examples")
        tidy(axes, "both")
        axes.legend(frameon=False, fontsize=8, loc="best")
