"""The crossover: which backend is fastest where, over widths, depths, batches and dtypes.

A backend is timed in a cell where its gradient there is not different from the reference and its time is near
``hadamard``'s. The rounds are interleaved, and a cell whose two best lie within their spread is a tie.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from formulations.arrays import positive_number
from formulations.backends import DEFAULT, Backend, chosen_backends, list_backends
from formulations.comparison.experiments.crossover_result import Crossover, Standings, Timed
from formulations.comparison.experiments.grid import Grid, GridPoint
from formulations.comparison.race import Jury, beside_default, foreseen, prepared, reason_against
from formulations.comparison.timing import quickest
from formulations.data import Problem
from formulations.exceptions import FormulationsException, InvalidInput
from formulations.plans import Plan

__all__ = ["measure_crossover"]

NEAR = 5.0
"""A backend that takes more than so many times the baseline's time is not timed."""

HOPELESS = 20.0
"""One that took more than so many times it with fewer examples is not tried with more."""

LARGEST = 2**26
"""Multiplications of a forward pass above which a cell is skipped: some ten milliseconds."""

JUDGED = 2**20
"""Multiplications of a forward pass up to which examples are judged, the first alone where it takes more.

Beyond double precision the reference has no BLAS, and would take longer than everything that is timed.
"""


def measure_crossover(
    widths: Iterable[int] = (8, 32, 128, 512),
    depths: Iterable[int] = (2, 4, 8, 16),
    batches: Iterable[int] = (1, 10, 100, 1000),
    dtypes: Iterable[str] = ("float32", "float64"),
    backends: Iterable[str | Backend] | None = None,
    *,
    budget: float = 0.03,
    progress: Callable[[str], object] | None = None,
) -> Crossover:
    """Measure which backend is fastest for which network, batch and dtype.

    Parameters
    ----------
    widths : iterable of int
        Neurons of every layer.
    depths : iterable of int
        Layers of weights.
    batches : iterable of int
        Examples in the mini-batch.
    dtypes : iterable of dtype
        Of network and examples.
    backends : iterable of str or Backend, optional
        Who competes; by default all that are registered. ``hadamard`` is measured beside them.
    budget : float
        Seconds to spend on timing each backend in each cell.
    progress : callable, optional
        Called with each cell's description before it is measured.

    Returns
    -------
    Crossover
        ``print(c)`` is a table; ``c.cells`` its cells; ``c.plot(path)`` draws them.

    Raises
    ------
    InvalidInput
        Where an axis or backends are empty, a number is below 1, the budget is not positive, or every cell is too
        large.
    WrongType
        Where an axis or backends are no list, or one holds what is no integer or no dtype of a network.
    UnknownName
        Where a backend does not exist.
    """
    grid = Grid.of(widths, depths, batches, dtypes)
    budget = positive_number(budget, "budget")
    chosen = chosen_backends(list_backends() if backends is None else backends)
    places = [place for place in grid if place.forward_multiplications <= LARGEST]
    if not places:
        raise InvalidInput(
            f"every cell takes more than {LARGEST:,} multiplications for a forward pass; take fewer examples, or "
            "narrower or fewer layers."
        )
    # Remembered from batch to batch, so that what prepares for seconds is not asked again with ten times as many.
    hopeless: dict[tuple[str, int, int], dict[str, str]] = {}
    cells = []
    for place in places:
        if progress is not None:
            progress(str(place))
        known = hopeless.setdefault((place.dtype, place.width, place.depth), {})
        cells.append(_Trial(place, known).run(chosen, budget))
    return Crossover(tuple(cells), too_large=sum(1 for _ in grid) - len(places))


class _Trial:
    """One cell, and who takes part in it."""

    def __init__(self, place: GridPoint, hopeless: dict[str, str]) -> None:
        self.place, self.hopeless = place, hopeless
        self.problem: Problem = place.problem()
        self.baseline = prepared(self.problem)
        self._baseline_seconds = self._warm_seconds(self.baseline)
        self._baseline_foreseen = foreseen(self.problem, self.baseline.backend)
        few = max(1, JUDGED // (place.depth * place.width**2))
        self.jury = Jury(self.problem.first(min(few, place.batch_size)))
        self.different: list[str] = []

    def run(self, backends: dict[str, Backend], budget: float) -> Standings:
        """Judge, then time."""
        plans: dict[str, Plan] = {}
        left_out: dict[str, str] = {}
        with np.errstate(all="ignore"):
            for label, backend in backends.items():
                plan, reason = self._admitted(backend)
                if plan is None:
                    left_out[label] = reason
                else:
                    plans[label] = plan
            timings = beside_default(self.problem, plans, self.baseline, budget=budget)
        found = [(label, timings[label]) for label in plans]
        rows = [Timed(label, each.seconds, each.ratio, each.rounds) for label, each in found]
        rows.sort(key=lambda row: row.ratio.median)
        return Standings(self.place, tuple(rows), left_out, tuple(self.different))

    def _admitted(self, backend: Backend) -> tuple[Plan | None, str]:
        """Return the backend's plan, or None and why it is not timed."""
        if reason := reason_against(self.problem, backend):
            return None, reason
        if backend.label in self.hopeless:
            return None, self.hopeless[backend.label]
        times = foreseen(self.problem, backend) / self._baseline_foreseen
        if times > NEAR:
            return None, f"it is foreseen to take {times:.3g} times as long as {DEFAULT}"
        try:
            return self._near_and_right(backend)
        except FormulationsException as caught:
            return None, str(caught)
        except Exception as caught:  # another package's backend must not cost the user the other rows
            return None, f"{type(caught).__name__}: {caught}"

    def _near_and_right(self, backend: Backend) -> tuple[Plan | None, str]:
        plan = self.baseline if backend.label == DEFAULT else prepared(self.problem, backend)
        times = self._warm_seconds(plan) / self._baseline_seconds
        reason = f"it takes {times:.3g} times as long as {DEFAULT}"
        if times > HOPELESS:
            self.hopeless[backend.label] = f"with a batch of {self.place.batch_size} {reason}"
        if times > NEAR and plan is not self.baseline:
            return None, reason
        difference = self.jury.difference(plan)
        if difference is not None:
            self.different.append(backend.label)
            return None, difference
        return plan, ""

    def _warm_seconds(self, plan: Plan) -> float:
        """Return the seconds of a call after the first, which compiles."""
        X, Y = self.problem.X, self.problem.Y
        plan(X, Y)
        return quickest(partial(plan, X, Y))
