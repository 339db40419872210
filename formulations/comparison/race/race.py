"""The race: contestants that compute the same gradient, judged first, then timed in turn.

A contestant whose gradient is different is not timed: the speed of a wrong gradient means nothing. All rows of a cell
run in the same rounds, so that both sides of a ratio are measured close together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import NamedTuple

import numpy as np

from formulations.arrays import items, positive_integer, positive_number, use_budget
from formulations.backends import DEFAULT
from formulations.comparison.race.book import BOOK
from formulations.comparison.race.cells import Cell, read_cells, read_dtypes
from formulations.comparison.race.contestant import Contestant, Ready
from formulations.comparison.race.floor import FLOOR
from formulations.comparison.race.isolated import isolate
from formulations.comparison.race.machine import describe_machine
from formulations.comparison.race.ours import CONTROL, NULL, default_flags, one_call, planned
from formulations.comparison.race.peers import ALONE, read_peers
from formulations.comparison.race.results import Heat, Race, RaceRow
from formulations.comparison.threads import limited_threads
from formulations.comparison.timing import interleave, quickest
from formulations.data import Problem
from formulations.exceptions import FormulationsException
from formulations.verification import Status

__all__ = ["run_race"]

BASELINE = DEFAULT
SLOW = 60.0
"""Multiple of the baseline's time above which a row is not timed."""
HOPELESS = 100.0
"""Multiple of that limit above which a row is not started, by its estimate."""
SAMPLE = 4e-3
"""Minimum seconds of a measurement."""
SETTLE = 2e-3
"""Seconds of the same call before each measurement."""
SILENCE = 0.15
"""Seconds of pause between processes: OpenBLAS's threads spin for a tenth of a second before they sleep."""


def run_race(
    cells: Iterable[str] | None = None,
    dtypes: Iterable[str] | None = None,
    backends: Sequence[str] | None = None,
    against: Iterable[str] | None = None,
    *,
    threads: int | None = None,
    budget: float = 0.25,
    progress: Callable[[str], object] | None = None,
) -> Race:
    """Race backends against peers, the book's loop and the products alone.

    Peers with their own pools of threads (:data:`~formulations.comparison.race.peers.table.ALONE`) run in separate
    processes, which import the calling script again: in a script, call this below ``if __name__ == "__main__":``, or
    with ``against=[]``.

    Parameters
    ----------
    cells : iterable of str, optional
        Names of :data:`~formulations.comparison.race.cells.CELLS`; all by default.
    dtypes : iterable of str, optional
        float32, float64; both by default.
    backends : sequence of str, optional
        Flags; by default every backend except the engines, Σ in three forms. ``hadamard`` always runs.
    against : iterable of str, optional
        Names of :data:`~formulations.comparison.race.peers.table.PEERS`; all by default. A row says so if its package
        is not installed.
    threads : int, optional
        Threads of BLAS, OpenMP and PyTorch; unchanged by default.
    budget : float
        Seconds of measurement for each row of each cell; warm-up, and pauses between rows, add to it.
    progress : callable, optional
        Called with each step before it begins.

    Returns
    -------
    Race
        Rows by cell and dtype, with times and paired ratios.

    Raises
    ------
    UnknownName, InvalidInput, WrongType
        If a cell, dtype, backend, peer or number cannot be used, or none is named but one is needed.
    """
    chosen, precisions = read_cells(cells), read_dtypes(dtypes)
    budget = positive_number(budget, "budget")
    threads = None if threads is None else positive_integer(threads, "threads")
    named = default_flags() if backends is None else items(backends, "backends", "['sigma']", one=str, some=False)
    flags = list(dict.fromkeys([BASELINE, *named]))
    calls = [one_call(flag) for flag in flags if flag in (BASELINE, "fused")]
    field = [FLOOR, NULL, *map(planned, flags), CONTROL, *calls, BOOK, *read_peers(against)]
    tell = progress or (lambda _: None)
    with limited_threads(threads):
        settings = Settings(budget, threads, tell)
        heats = [_heat(cell, dtype, field, settings) for cell in chosen for dtype in precisions]
        # After the race, when all libraries have been loaded.
        facts = describe_machine()
    return Race(tuple(heats), {**facts, "threads": threads}, BASELINE)


class Settings(NamedTuple):
    """The settings of all heats."""

    budget: float
    threads: int | None
    tell: Callable[[str], object]


def _heat(cell: Cell, dtype: str, field: Sequence[Contestant], settings: Settings) -> Heat:
    problem, rows = cell.problem(dtype), list[RaceRow]()
    calls: dict[str, Callable[[], object]] = {}
    with np.errstate(all="ignore"), ExitStack() as processes:
        # The baseline comes first, since it defines what is slow.
        for contestant in sorted(field, key=lambda one: one.name != BASELINE):
            settings.tell(f"{cell.name} {dtype}: {contestant.name}")
            one = contestant
            if contestant.name in ALONE:
                alone = isolate(contestant, cell, dtype, settings.threads)
                one = replace(contestant, enter=partial(_entered, processes, alone))
            limit = next((SLOW * row.again for row in rows if row.name == BASELINE and row.again), None)
            row, ready = _admit(one, problem, limit)
            rows.append(row)
            if ready is not None:
                calls[contestant.name] = ready.call
        settings.tell(f"{cell.name} {dtype}: timing {len(calls)} rows")
        timings = {}
        if BASELINE in calls:
            timings = interleave(
                calls, baseline=BASELINE, budget=settings.budget, sample=SAMPLE, settling=SETTLE, silence=SILENCE
            )
    order = {contestant.name: place for place, contestant in enumerate(field)}
    found = (row.with_timing(timings.get(row.name)) for row in sorted(rows, key=lambda row: order[row.name]))
    return Heat(cell, dtype, tuple(found))


def _entered(processes: ExitStack, alone: AbstractContextManager[Ready], _: Problem) -> Ready:
    """Start a peer's process, which makes the problem itself and ends with the heat."""
    return processes.enter_context(alone)


def _admit(contestant: Contestant, problem: Problem, limit: float | None) -> tuple[RaceRow, Ready | None]:
    """Return a contestant's row, and its call unless there is a reason not to time it."""
    row = RaceRow(contestant.name, contestant.kind)
    if contestant.why_not is not None and (reason := contestant.why_not(problem)):
        return row.refused(reason), None
    try:
        # A contestant that is estimated to take minutes is not started.
        with use_budget(seconds=np.inf if limit is None else HOPELESS * limit):
            start = perf_counter()
            ready = contestant.enter(problem)
            result = ready.call()
            first = perf_counter() - start if ready.first is None else ready.first
        verdict = None if ready.judge is None else ready.judge(result)
    except FormulationsException as caught:
        return row.refused(str(caught)), None
    if verdict is not None:
        row = row.judged(verdict)
        if verdict.status is Status.DIFFERENT:
            return row, None
    again = quickest(ready.call)
    row = row.entered(first=first, again=again)
    if limit is not None and again > limit:
        return row.refused(f"it takes {again / limit * SLOW:.0f} times as long as {BASELINE}; it is not timed"), None
    return row, ready
