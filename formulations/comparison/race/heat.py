"""A heat: contestants that compute the same, judged first, then timed in turn.

A contestant whose result is different is not timed: the speed of a wrong result means nothing. All rows of a heat run
in the same rounds, so that both sides of a ratio are measured close together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from formulations.arrays import positive_integer, positive_number, use_budget
from formulations.comparison.race.contestant import Contestant, Ready
from formulations.comparison.race.isolated import isolate
from formulations.comparison.race.results import GRADIENTS, Heat, RacedCell, RaceRow, Wording
from formulations.comparison.timing import CpuTimed, interleave, quickest
from formulations.exceptions import FormulationsException, InvalidInput
from formulations.verification import Status

__all__ = ["SAMPLE", "SETTLE", "SILENCE", "Settings", "allowed_seconds", "read_settings", "run_heat"]

T = TypeVar("T")

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


@dataclass(frozen=True)
class Settings:
    """The settings of all heats.

    Attributes
    ----------
    baseline : str
        The contestant that defines what is slow.
    budget : float
        Seconds of measurement for each row.
    threads : int or None
        Threads of BLAS, OpenMP and PyTorch; None leaves them unchanged.
    tell : callable
        Called with each step before it begins.
    pauses : bool
        Whether to pause before every row, not only between processes.
    cpu_time : bool
        Whether to measure the CPU time of each row's process, which leaves out what other programs take.
    """

    baseline: str
    budget: float
    threads: int | None
    tell: Callable[[str], object]
    pauses: bool = False
    cpu_time: bool = False

    @property
    def facts(self) -> dict[str, Any]:
        """What the results say of them."""
        return {"threads": self.threads, "clock": "cpu" if self.cpu_time else "wall"}


def read_settings(
    baseline: str, budget: float, threads: int | None, cpu_time: bool,
    progress: Callable[[str], object] | None, *, pauses: bool = False,
) -> Settings:  # fmt: skip
    """Return the settings of a race, from the arguments of its caller.

    Raises
    ------
    InvalidInput
        If a number is not positive, or several threads would be timed by CPU time.
    WrongType
        If ``budget`` or ``threads`` is not a number.
    """
    budget = positive_number(budget, "budget")
    threads = None if threads is None else positive_integer(threads, "threads")
    if cpu_time and threads != 1:
        raise InvalidInput(f"CPU time needs one thread, got threads={threads}; pass threads=1 (--threads 1).")
    return Settings(baseline, budget, threads, progress or (lambda _: None), pauses, cpu_time)


def run_heat(
    cell: RacedCell[T], dtype: str, field: Sequence[Contestant[T]], settings: Settings, wording: Wording = GRADIENTS
) -> Heat:
    """Judge and time all contestants in one cell and dtype.

    Parameters
    ----------
    cell : Cell
        Makes the problem.
    dtype : str
        float32 or float64.
    field : sequence of Contestant
        In the order of the rows.
    settings : Settings
        Those of all heats.
    wording : Wording
        What the columns are called.

    Returns
    -------
    Heat
        The rows, with the times of those that were admitted.
    """
    baseline, where = settings.baseline, f"{cell.name} {dtype}"
    problem, rows = cell.problem(dtype), list[RaceRow]()
    calls: dict[str, Callable[[], object]] = {}
    with np.errstate(all="ignore"), ExitStack() as processes:
        # The baseline comes first, since it defines what is slow.
        for contestant in sorted(field, key=lambda one: one.name != baseline):
            settings.tell(f"{where}: {contestant.name}")
            one = contestant
            if settings.cpu_time:
                one = replace(one, enter=partial(_by_cpu_time, one.enter))
            if one.alone:
                alone = isolate(one, cell, dtype, settings.threads)
                one = replace(one, enter=partial(_entered, processes, alone))
            limit = next((SLOW * row.again for row in rows if row.name == baseline and row.again), None)
            row, ready = _admit(one, problem, limit, baseline)
            rows.append(row)
            if ready is not None:
                calls[contestant.name] = ready.call
        settings.tell(f"{where}: timing {len(calls)} rows")
        timings = {}
        if baseline in calls:
            timings = interleave(
                calls,
                baseline=baseline,
                budget=settings.budget,
                sample=SAMPLE,
                settling=SETTLE,
                silence=SILENCE,
                pauses=settings.pauses,
            )
    order = {contestant.name: place for place, contestant in enumerate(field)}
    found = (row.with_timing(timings.get(row.name)) for row in sorted(rows, key=lambda row: order[row.name]))
    return Heat(cell, dtype, tuple(found), wording)


def allowed_seconds(baseline: Contestant[T], problem: T) -> float:
    """Return the estimated seconds above which no contestant is started."""
    return HOPELESS * SLOW * quickest(baseline.enter(problem).call)


def _by_cpu_time(enter: Callable[[T], Ready], problem: T) -> Ready:
    ready = enter(problem)
    return replace(ready, call=CpuTimed(ready.call))


def _entered(processes: ExitStack, alone: AbstractContextManager[Ready], _: Any) -> Ready:
    """Start a contestant's process, which makes the problem itself and ends with the heat."""
    return processes.enter_context(alone)


def _admit(contestant: Contestant[T], problem: T, limit: float | None, baseline: str) -> tuple[RaceRow, Ready | None]:
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
        return row.refused(f"it takes {again / limit * SLOW:.0f} times as long as {baseline}; it is not timed"), None
    return row, ready
