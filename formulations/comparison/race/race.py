"""The race: who computes the same gradient, judged first, then timed in turn.

A row that is different is not timed: a wrong gradient's speed means nothing. All rows of a cell run in the same rounds,
so that every ratio is taken between neighbours in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import NamedTuple

import numpy as np

from formulations.arrays import positive_integer, positive_number, use_budget
from formulations.backends import DEFAULT, items
from formulations.comparison.race.book import BOOK
from formulations.comparison.race.cells import Cell, read_cells, read_dtypes
from formulations.comparison.race.contestant import Contestant, Ready
from formulations.comparison.race.floor import FLOOR
from formulations.comparison.race.isolated import isolated
from formulations.comparison.race.machine import machine
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
"""Times the baseline from which a row has nothing to do in a race."""
HOPELESS = 100.0
"""Times that limit from which a row is not even begun, by what is foreseen."""
SAMPLE = 4e-3
"""Seconds of one measurement, at least."""
SETTLE = 2e-3
"""Seconds of the same call before it."""
SILENCE = 0.15
"""Seconds between processes: OpenBLAS's threads run in circles for a tenth of a second before they sleep."""


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

    Peers that bring threads of their own (:data:`~formulations.comparison.race.peers.table.ALONE`) run in processes of
    their own, which import the calling script anew: there, call this below ``if __name__ == "__main__":``, or with
    ``against=[]``.

    Parameters
    ----------
    cells : iterable of str, optional
        Names of :data:`~formulations.comparison.race.cells.CELLS`; all by default.
    dtypes : iterable of str, optional
        float32, float64; both by default.
    backends : sequence of str, optional
        Flags; by default every backend that is not a peer's engine, Σ in its three faces. ``hadamard`` always runs.
    against : iterable of str, optional
        Names of :data:`~formulations.comparison.race.peers.table.PEERS`; all by default, and those that are not
        installed say so.
    threads : int, optional
        Threads of BLAS, OpenMP and PyTorch; as they are by default.
    budget : float
        Seconds of measurement for each row of each cell; settling, and silence between rows, come on top.
    progress : callable, optional
        Called with what is being done.

    Returns
    -------
    Race
        Rows by cell and dtype, with times and paired ratios.

    Raises
    ------
    UnknownName, InvalidInput, WrongType
        Where a cell, dtype, backend, peer or number cannot be used, or none is named where one is needed.
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
        # Afterwards, when everything that takes part has been loaded.
        facts = machine()
    return Race(tuple(heats), {**facts, "threads": threads}, BASELINE)


class Settings(NamedTuple):
    """What holds for all heats."""

    budget: float
    threads: int | None
    tell: Callable[[str], object]


def _heat(cell: Cell, dtype: str, field: Sequence[Contestant], settings: Settings) -> Heat:
    problem, rows = cell.problem(dtype), list[RaceRow]()
    calls: dict[str, Callable[[], object]] = {}
    with np.errstate(all="ignore"), ExitStack() as processes:
        # The first is the baseline, which says what is slow.
        for contestant in sorted(field, key=lambda one: one.name != BASELINE):
            settings.tell(f"{cell.name} {dtype}: {contestant.name}")
            one = contestant
            if contestant.name in ALONE:
                alone = isolated(contestant.name, cell, dtype, settings.threads)
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
    """Enter a peer's process, which makes the problem for itself and ends with the heat."""
    return processes.enter_context(alone)


def _admit(contestant: Contestant, problem: Problem, limit: float | None) -> tuple[RaceRow, Ready | None]:
    """Return the row of who takes part, and, unless there is a reason not to time it, what to call."""
    row = RaceRow(contestant.name, contestant.kind)
    if contestant.why_not is not None and (reason := contestant.why_not(problem)):
        return row.refused(reason), None
    try:
        # What is foreseen to take minutes is not even begun.
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
