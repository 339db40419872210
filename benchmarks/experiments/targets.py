"""Targets: the speed and memory that the library aims at, beside what the same run measured.

A ratio is the median of the rounds' own ratios; a geometric mean is taken over the cells of one dtype. A target that
could not be measured says so, and is not met.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import exp, log
from typing import Any

import click
import numpy as np

from benchmarks.experiments.pattern import Column, budget_option, experiment, table
from formulations.backends import DEFAULT
from formulations.cli.bench import parse_peers
from formulations.comparison.race import BOOK, CELLS, FLOOR, RACE_DTYPES, Cell, Heat, Race, run_race
from formulations.comparison.race.plot import draw_race
from formulations.comparison.timing import interleave
from formulations.data import Problem
from formulations.display import Ratio, format_ratio
from formulations.plans import prepare, which
from formulations.training import sgd

__all__ = ["Allocation", "Target", "Targets", "measure_allocation", "measure_targets", "step_over_gradient",
           "targets_of_race"]  # fmt: skip

PEER = "the best peer"

CEILINGS: tuple[tuple[str, str, Mapping[str, float]], ...] = (
    (DEFAULT, FLOOR.name, {"book": 1.7, "digits": 2.5, "medium": 1.12, "deep": 1.6, "wide": 1.08}),
    ("fused", FLOOR.name, {"book": 1.0, "digits": 1.3, "medium": 1.06, "deep": 1.2, "wide": 1.06}),
    ("sigma", DEFAULT, {"book": 1.6, "medium": 1.15, "wide": 1.15}),
    (f"gradient({DEFAULT})", PEER, {"book": 1.0, "digits": 1.0, "medium": 1.0, "deep": 1.0}),
    ("fused", PEER, {"book": 1 / 1.3, "digits": 1 / 1.3, "deep": 1 / 1.3}),
)
"""A row of the race, the row it is compared with, and the largest ratio allowed, by cell."""

GEOMETRIC: tuple[tuple[str, float], ...] = ((DEFAULT, 1 / 1.5), ("fused", 1 / 2))
"""A row, and the largest geometric mean of its ratios over the best peers."""

LOOPS: tuple[tuple[str, str, float], ...] = (
    (DEFAULT, "float32", 1 / 20),
    (DEFAULT, "float64", 1 / 18),
    ("fused", "float32", 1 / 40),
    ("fused", "float64", 1 / 25),
)
"""A row, a dtype, and the largest ratio of its time to that of the book's loop, in the cell of that name."""

RACED = (DEFAULT, "sigma", "sigma:matrix=sparse", "sigma:matrix=dense", "fused")
STEADY = (DEFAULT, "sigma", "fused")
"""Backends whose memory is measured."""

STEP_LIMIT = 1.4
ALLOCATION_LIMIT = 64 * 1024
GROWTH_LIMIT = 1024
"""Bytes that a hundred calls may leave behind; tracemalloc itself takes some hundred."""
STEPS = 200
CALLS = 100


@dataclass(frozen=True)
class Target:
    """The limit of one measurement.

    Attributes
    ----------
    what : str
        In words.
    cell, dtype : str
        Where it is measured; ``"geometric mean"`` for the mean over all cells.
    limit : float
        The largest value allowed.
    measured : Ratio or None
        The value; None if it was not measured.
    over : str
        The denominator of a ratio; a peer by its name.
    as_speed : bool
        Whether it is stated as "so many times faster": the reciprocal is printed.
    in_bytes : bool
        Whether it is a number of bytes, not a ratio.
    """

    what: str
    cell: str
    dtype: str
    limit: float
    measured: Ratio | None
    over: str = ""
    as_speed: bool = False
    in_bytes: bool = False

    @property
    def met(self) -> bool:
        """Whether the median is within the limit."""
        return self.measured is not None and self.measured.median <= self.limit

    @property
    def limit_text(self) -> str:
        """The limit, in the form in which it is stated."""
        if self.in_bytes:
            return f"≤ {self.limit / 1024:.0f} KiB"
        return f"≥ {1 / self.limit:.3g}×" if self.as_speed else f"≤ {self.limit:.3g}"

    @property
    def measured_text(self) -> str:
        """The measured value, in the same form."""
        if self.measured is not None and self.in_bytes:
            return f"{self.measured.median / 1024:.1f} KiB"
        return format_ratio(self.measured.inverse if self.measured is not None and self.as_speed else self.measured)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {
            "what": self.what,
            "cell": self.cell,
            "dtype": self.dtype,
            "over": self.over,
            "limit": self.limit,
            "measured": None if self.measured is None else self.measured.median,
            "quartiles": None if self.measured is None else [self.measured.lower, self.measured.upper],
            "met": self.met,
        }


COLUMNS = (
    Column[Target]("what", lambda target: target.what, left=True),
    Column[Target]("cell", lambda target: target.cell, left=True),
    Column[Target]("dtype", lambda target: target.dtype, left=True),
    Column[Target]("target", lambda target: target.limit_text),
    Column[Target]("measured", lambda target: target.measured_text),
    Column[Target]("over", lambda target: target.over, left=True),
    Column[Target](
        "", lambda target: "met" if target.met else "missed" if target.measured else "not measured", left=True
    ),
)


@dataclass(frozen=True)
class Targets:
    """All targets, measured.

    Attributes
    ----------
    targets : tuple of Target
        In the order in which they are printed.
    race : Race
        The race that decided the ratios.
    """

    targets: tuple[Target, ...]
    race: Race

    def __bool__(self) -> bool:
        return all(target.met for target in self.targets)

    def __str__(self) -> str:
        met = sum(target.met for target in self.targets)
        slower = [
            f"{heat.cell.name} {heat.dtype}: the products alone are slower than {heat.best_peer}, "
            f"{format_ratio(heat.ratio(FLOOR.name, heat.best_peer))}; {DEFAULT} need not be faster.\n"
            for heat in self.race.heats
            if _floor_is_slower(heat)
        ]
        summary = f"{''.join(slower)}{met} of {len(self.targets)} targets are met."
        return f"{self.race.where}\n\n{table(self.targets, COLUMNS)}\n\n{summary}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {**self.race.to_dict(), "targets": [target.to_dict() for target in self.targets]}


def draw_targets(targets: Targets) -> Any:
    """Return the figure of the race that decided the ratios."""
    return draw_race(targets.race)


def targets_of_race(race: Race) -> list[Target]:
    """Return the targets that a race decides."""
    cases = [_against_peers(race.heat(cell, dtype), cell, dtype) for cell in CELLS for dtype in RACE_DTYPES]
    targets = [target for target in cases if target is not None]
    for name, limit in GEOMETRIC:
        targets += [_geometric(race, name, limit, dtype) for dtype in RACE_DTYPES]
    for name, over, limits in CEILINGS:
        for cell, limit in limits.items():
            for dtype in RACE_DTYPES:
                heat = race.heat(cell, dtype)
                other = heat.best_peer if over is PEER and heat else over
                ratio = None if heat is None else heat.ratio(name, other)
                what = f"{name} over {over}"
                targets.append(Target(what, cell, dtype, limit, ratio, other or "", over is PEER and limit < 1))
    for name, dtype, limit in LOOPS:
        heat = race.heat("book", dtype)
        ratio = None if heat is None else heat.ratio(name, BOOK.name)
        targets.append(Target(f"{name} over {BOOK.name}", "book", dtype, limit, ratio, BOOK.name, as_speed=True))
    return targets


def _floor_is_slower(heat: Heat) -> bool:
    """Whether the products alone are slower than the best peer."""
    floor = heat.ratio(FLOOR.name, heat.best_peer)
    return floor is not None and floor.median > 1


def _against_peers(heat: Heat | None, cell: str, dtype: str) -> Target | None:
    """Return the target that ``hadamard`` is not slower than the best peer; None if the products alone are slower."""
    what = f"{DEFAULT} over {PEER}"
    if heat is None or heat.best_peer is None:
        return Target(what, cell, dtype, 1.0, None)
    if _floor_is_slower(heat):
        return None
    return Target(what, cell, dtype, 1.0, heat.ratio(DEFAULT, heat.best_peer), heat.best_peer)


def _geometric(race: Race, name: str, limit: float, dtype: str) -> Target:
    ratios = [heat.ratio(name, heat.best_peer) for heat in race.heats if heat.dtype == dtype]
    known = [ratio for ratio in ratios if ratio is not None]
    mean = _mean(known) if len(known) == len(CELLS) else None
    return Target(f"{name} over {PEER}", "geometric mean", dtype, limit, mean, PEER, as_speed=True)


def _mean(ratios: Sequence[Ratio]) -> Ratio:
    def of(values: Sequence[float]) -> float:
        return exp(sum(map(log, values)) / len(values))

    return Ratio(of([r.median for r in ratios]), of([r.lower for r in ratios]), of([r.upper for r in ratios]))


def step_over_gradient(cell: Cell, dtype: str, *, budget: float = 1.0) -> Ratio:
    """Return the time of a step of :func:`formulations.sgd` over that of its gradient.

    An epoch of many mini-batches is timed beside as many gradients of one of them: shuffling, gathering the examples,
    the step itself and the bookkeeping of the epoch count.
    """
    problem = cell.problem(dtype)
    net, m = problem.network, len(problem.X)
    X, Y = np.tile(problem.X, (STEPS, 1)), np.tile(problem.Y, (STEPS, 1))
    plan = prepare(net, m, problem.cost, DEFAULT)

    def gradients() -> None:
        for _ in range(STEPS):
            plan(problem.X, problem.Y)

    # The learning rate changes only the last digits, so that both see the same network.
    train = partial(sgd, net, X, Y, epochs=1, batch_size=m, learning_rate=1e-6, backend=DEFAULT, seed=0)
    timings = interleave({"gradient": gradients, "step": train}, baseline="gradient", budget=budget)
    return timings["step"].over(timings["gradient"])


@dataclass(frozen=True)
class Allocation:
    """The memory that the calls of a warm plan allocate.

    Attributes
    ----------
    peak : int
        Bytes, at most, during a call, beyond those allocated before.
    products : int
        Bytes of the results of SciPy's products, layer by layer: they cannot be written into an existing buffer.
    growth : int
        Bytes that a hundred calls leave behind.
    """

    peak: int
    products: int
    growth: int


def measure_allocation(backend: str, cell: Cell, dtype: str) -> Allocation | None:
    """Measure with tracemalloc; None if the backend cannot serve the cell's network."""
    problem = cell.problem(dtype)
    if which(problem.network, problem.cost)[backend] is not None:
        return None
    plan = prepare(problem.network, len(problem.X), problem.cost, backend)
    for _ in range(3):
        plan(problem.X, problem.Y)
    tracemalloc.start()
    try:
        plan(problem.X, problem.Y)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(CALLS):
            plan(problem.X, problem.Y)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Allocation(peak - before, _products(problem, backend), after - before)


def _products(problem: Problem, backend: str) -> int:
    """Return the bytes of δ in all layers, which the last gradient still holds while the next is computed."""
    if backend != "sigma":
        return 0
    return len(problem.X) * sum(problem.network.sizes[1:]) * problem.network.dtype.itemsize


def _memory_targets(backend: str, cell: Cell, dtype: str) -> list[Target]:
    found = measure_allocation(backend, cell, dtype)
    peak = None if found is None else Ratio.exactly(found.peak - found.products)
    growth = None if found is None else Ratio.exactly(found.growth)
    what = f"{backend} allocates, beyond SciPy's results" if backend == "sigma" else f"{backend} allocates"
    return [
        Target(what, cell.name, dtype, ALLOCATION_LIMIT, peak, in_bytes=True),
        Target(f"{backend} leaves behind", cell.name, dtype, GROWTH_LIMIT, growth, in_bytes=True),
    ]


def measure_targets(
    against: Iterable[str] | None = None,
    *,
    threads: int | None = None,
    budget: float = 0.25,
    progress: Callable[[str], object] = lambda _: None,
) -> Targets:
    """Race in all cells, and measure the steps of training and the memory.

    Parameters
    ----------
    against, threads, budget, progress
        As in :func:`formulations.comparison.race.race.run_race`.

    Returns
    -------
    Targets
        True if every target is met.
    """
    race = run_race(None, None, RACED, against, threads=threads, budget=budget, progress=progress)
    targets = targets_of_race(race)
    book = CELLS["book"]
    for dtype in RACE_DTYPES:
        progress(f"book {dtype}: a step of descent")
        measured = step_over_gradient(book, dtype, budget=max(budget, 0.5))
        targets.append(Target("a step of sgd over its gradient", "book", dtype, STEP_LIMIT, measured, DEFAULT))
    for cell in CELLS.values():
        for dtype in RACE_DTYPES:
            progress(f"{cell.name} {dtype}: allocation")
            for backend in STEADY:
                targets += _memory_targets(backend, cell, dtype)
    return Targets(tuple(targets), race)


@experiment(
    draw_targets,
    click.option("--against", metavar="NAME,…", help="Other packages to race; or none.  [default: all]"),
    budget_option(0.25),
)
def main(against: str | None, budget: float, threads: int | None, progress: Callable[[str], object]) -> Targets:
    """Print every target beside what was measured for it.

    \b
    Examples:
      python -m benchmarks.experiments.targets
      python -m benchmarks.experiments.targets --against torch,jax --budget 0.06
      python -m benchmarks.experiments.targets --save targets.json --plot race.png

    Exit status 0 if every target is met, else 1.
    """
    return measure_targets(parse_peers(against), threads=threads, budget=budget, progress=progress)


if __name__ == "__main__":
    main()
