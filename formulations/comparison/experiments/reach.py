"""Every target and what was measured for it, in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from formulations.backends import DEFAULT
from formulations.comparison.experiments.overheads import measure_allocation, step_over_gradient
from formulations.comparison.experiments.targets import Reach, Target, reach_of_race
from formulations.comparison.race import CELLS, DTYPES, run_race
from formulations.display import Ratio

__all__ = ["measure_reach"]

STEP_LIMIT = 1.4
ALLOCATION_LIMIT = 64 * 1024
GROWTH_LIMIT = 1024
"""Bytes that a hundred calls may leave behind: the tracer's own book-keeping takes some hundred."""
RACED = (DEFAULT, "sigma", "sigma:matrix=sparse", "sigma:matrix=dense", "fused")
STEADY = (DEFAULT, "sigma", "fused")
"""Backends that hold their allocation in the steady state."""


def measure_reach(
    against: Iterable[str] | None = None,
    *,
    threads: int | None = None,
    budget: float = 0.25,
    progress: Callable[[str], object] | None = None,
) -> Reach:
    """Race in all cells and measure what surrounds a gradient; parameters as in :func:`run_race`.

    Returns
    -------
    Reach
        True where every target is met.
    """
    tell = progress or (lambda _: None)
    race = run_race(None, None, RACED, against, threads=threads, budget=budget, progress=tell)
    targets = reach_of_race(race)
    book = CELLS["book"]
    for dtype in DTYPES:
        tell(f"book {dtype}: a step of descent")
        measured = step_over_gradient(book, dtype, budget=max(budget, 0.5))
        targets.append(Target("a step of sgd over its gradient", "book", dtype, STEP_LIMIT, measured, DEFAULT))
    for cell in CELLS.values():
        for dtype in DTYPES:
            tell(f"{cell.name} {dtype}: allocation")
            for backend in STEADY:
                found = measure_allocation(backend, cell, dtype)
                peak = None if found is None else Ratio.exactly(found.peak - found.products)
                growth = None if found is None else Ratio.exactly(found.growth)
                what = f"{backend} allocates, beyond SciPy's results" if backend == "sigma" else f"{backend} allocates"
                targets.append(Target(what, cell.name, dtype, ALLOCATION_LIMIT, peak, in_bytes=True))
                targets.append(
                    Target(f"{backend} leaves behind", cell.name, dtype, GROWTH_LIMIT, growth, in_bytes=True)
                )
    return Reach(tuple(targets), race)
