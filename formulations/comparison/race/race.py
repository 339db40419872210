"""The race of gradients: backends, other packages, the book's loop, and the products alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from formulations.arrays import items, use_budget
from formulations.backends import DEFAULT
from formulations.comparison.race.book import BOOK
from formulations.comparison.race.cells import Cell, read_cells, read_dtypes
from formulations.comparison.race.contestant import Contestant, Ready, VerdictLike
from formulations.comparison.race.floor import FLOOR
from formulations.comparison.race.heat import allowed_seconds, read_settings, run_heat
from formulations.comparison.race.machine import describe_machine
from formulations.comparison.race.ours import CONTROL, NULL, default_flags, one_call, planned
from formulations.comparison.race.peers import read_peers
from formulations.comparison.race.results import Race
from formulations.comparison.threads import limited_threads
from formulations.data import Problem
from formulations.exceptions import FormulationsException, Refused
from formulations.plans import in_order

__all__ = ["run_race"]

BASELINE = DEFAULT
LEGEND = (
    "time: the median of a call. Ratios: the median of the ratios of all rounds, and their quartiles.\n"
    "first call: includes preparation and compilation. null: the overhead of a plan's checks.\n"
    f"control: {BASELINE} again; it differs from {BASELINE} by the machine's noise."
)


def run_race(
    cells: Iterable[str] | None = None,
    dtypes: Iterable[str] | None = None,
    backends: Sequence[str] | None = None,
    against: Iterable[str] | None = None,
    *,
    threads: int | None = None,
    budget: float = 0.25,
    executor: Executor | None = None,
    cpu_time: bool = False,
    progress: Callable[[str], object] | None = None,
) -> Race:
    """Race backends against peers, the book's loop and the products alone.

    Peers with their own pools of threads run in separate processes, which import the calling script again: in a script,
    call this below ``if __name__ == "__main__":``, or with ``against=[]``.

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
    executor : concurrent.futures.Executor, optional
        Judges gradients in parallel before the first is timed. Times are taken in this process, in turn, as without it.
        Peers in separate processes are judged there.
    cpu_time : bool
        Measure CPU time, which leaves out what other programs take, instead of elapsed time. It needs one thread, since
        threads that wait for each other take CPU time, too.
    progress : callable, optional
        Called with each step before it begins.

    Returns
    -------
    Race
        Rows by cell and dtype, with times and paired ratios.

    Raises
    ------
    UnknownName, InvalidInput, WrongType
        If a cell, dtype, backend, peer, executor or number cannot be used, or none is named but one is needed.
    Refused
        If the executor was shut down.
    WorkersLost
        If one of its workers has ended.
    """
    chosen, precisions = read_cells(cells), read_dtypes(dtypes)
    settings = read_settings(BASELINE, budget, threads, cpu_time, progress)
    named = default_flags() if backends is None else items(backends, "backends", "['sigma']", one=str, some=False)
    flags = list(dict.fromkeys([BASELINE, *named]))
    peers = None if against is None else items(against, "against", "['torch']", one=str, some=False)
    field = _field(flags, peers)
    cases = [(cell, dtype) for cell in chosen for dtype in precisions]
    with limited_threads(settings.threads):
        fields = [field for _ in cases]
        if executor is not None:
            fields = _judged_by(executor, cases, flags, peers, settings.tell)
        heats = [run_heat(*case, each, settings) for case, each in zip(cases, fields, strict=True)]
        # After the race, when all libraries have been loaded.
        facts = describe_machine()
    return Race(tuple(heats), {**facts, **settings.facts}, LEGEND)


def _field(flags: Sequence[Any], against: Sequence[str] | None) -> list[Contestant[Problem]]:
    calls = [one_call(flag) for flag in flags if flag in (BASELINE, "fused")]
    return [FLOOR, NULL, *map(planned, flags), CONTROL, *calls, BOOK, *read_peers(against)]


def _judged_by(
    executor: Executor,
    cases: Sequence[tuple[Cell, str]],
    flags: Sequence[Any],
    against: Sequence[str] | None,
    tell: Callable[[str], object],
) -> list[list[Contestant[Problem]]]:
    """Return the field of each heat, with verdicts that an executor has found."""
    field = _field(flags, against)
    # A contestant is named, since its functions cannot be pickled.
    named = [(*case, flags, against, one.name) for case in cases for one in field if not one.alone]
    fields = []
    with closing(in_order(_judged, named, executor, {"what is raced": (cases, flags)})) as verdicts:
        for cell, dtype in cases:
            tell(f"{cell.name} {dtype}: judging {len(field)} rows")
            fields.append(
                [one if one.alone else replace(one, enter=partial(_entered, one, next(verdicts))) for one in field]
            )
    return fields


def _judged(
    cell: Cell, dtype: str, flags: Sequence[Any], against: Sequence[str] | None, name: str
) -> VerdictLike | str | None:
    """Return the verdict on a contestant, why it does not take part, or None if it is not judged."""
    field = {one.name: one for one in _field(flags, against)}
    problem, one = cell.problem(dtype), field[name]
    if one.why_not is not None and (reason := one.why_not(problem)):
        return reason
    try:
        with np.errstate(all="ignore"), use_budget(seconds=allowed_seconds(field[BASELINE], problem)):
            ready = one.enter(problem)
            return None if ready.judge is None else ready.judge(ready.call())
    except FormulationsException as caught:
        return str(caught)


def _entered(contestant: Contestant[Problem], found: VerdictLike | str | None, problem: Problem) -> Ready:
    """Prepare a contestant that has been judged before."""
    if isinstance(found, str):
        raise Refused(found)
    return replace(contestant.enter(problem), judge=None if found is None else lambda _: found)
