"""Growth: a backward pass over a forward pass, and perturbation over the number of weights.

The chapter says that the backward pass takes about as long as the forward pass, and that perturbing every weight of a
network with a million weights takes a million and one forward passes. Here both are counted, predicted and measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from formulations.arrays import as_dtype, format_dtype, positive_integer, positive_number
from formulations.backends import (
    DEFAULT,
    Backend,
    backward_multiplications,
    chosen_backends,
    forward_multiplications,
    integers,
    items,
)
from formulations.comparison.experiments.growth_result import MILLION, Backward, Curve, Growth, Point
from formulations.comparison.race import Jury, beside_default, foreseen, prepared, reason_against
from formulations.comparison.timing import interleave
from formulations.data import Problem, make_problem
from formulations.plans import Plan

__all__ = ["BACKENDS", "NETWORKS", "WIDTHS", "measure_growth"]

NETWORKS = (
    (784, 10),
    (784, 30, 10),
    (784, 500, 500, 10),
    (10, 1000, 10),
    (1000, 1000, 1000),
    (100,) * 11,
)
"""Those of the first table: the book's, and shallow, wide and deep ones, whose first layers weigh differently."""

WIDTHS = (2, 4, 8, 16, 32, 64, 125, 250, 500)
"""n of the networks n–2n–n, which have P = 4n² weights: a million for 500."""

BACKENDS = (
    DEFAULT,
    "tangent",
    "node_perturbation",
    "complex_step",
    "finite_difference:scheme=forward",
    "finite_difference:scheme=central",
)
"""Backpropagation, and what takes a pass of some kind for every neuron or parameter."""


def measure_growth(
    networks: Iterable[Sequence[int]] = NETWORKS,
    widths: Iterable[int] = WIDTHS,
    backends: Iterable[str | Backend] = BACKENDS,
    *,
    dtype: Any = "float64",
    backward_batch: int = 100,
    batch_size: int = 1,
    seconds: float = 1.0,
    budget: float = 0.2,
    progress: Callable[[str], object] | None = None,
) -> Growth:
    """Measure backward over forward for several networks, and time over the number of weights for several backends.

    Parameters
    ----------
    networks : iterable of sequences of int
        Sizes of the sigmoid networks whose backward pass is compared with their forward pass.
    widths : iterable of int
        n of the growing networks n–2n–n.
    backends : iterable of str or Backend
        Whose time over the growing networks is measured; ``hadamard`` runs beside them.
    dtype : dtype
        Of all networks.
    backward_batch, batch_size : int
        Examples for the first, and for the second; the book's argument is about one example.
    seconds : float
        A backend goes on to the next network while a gradient is expected to take no longer.
    budget : float
        Seconds to spend on timing each call; a slow one still gets three rounds.
    progress : callable, optional
        Called with each network's description before it is measured.

    Returns
    -------
    Growth
        ``print(g)`` is two tables and a million weights; ``g.backward`` and ``g.curves`` hold the numbers.

    Raises
    ------
    InvalidInput, WrongShape, WrongType
        Where a size, width or limit is no positive number, or no network or backend is named.
    UnknownName
        Where a backend does not exist.
    """
    dtype = as_dtype(dtype)
    backward_batch = positive_integer(backward_batch, "backward_batch")
    batch_size = positive_integer(batch_size, "batch_size")
    seconds, budget = positive_number(seconds, "seconds"), positive_number(budget, "budget")
    ascending, chosen = integers(widths, "widths"), chosen_backends(backends)
    problems = [_problem(sizes, dtype, backward_batch) for sizes in items(networks, "networks", "[(784, 30, 10)]")]
    told = progress or (lambda _: None)
    with np.errstate(all="ignore"):
        rows = []
        for problem in problems:
            told(f"backward over forward: {problem.title}")
            rows.append(_backward(problem, budget))
        series = _Series(chosen, seconds, budget)
        for n in ascending:
            problem = _problem(_growing(n), dtype, batch_size)
            told(f"growth: {problem.title}")
            series.measure(problem)
        million = _problem(_growing(WIDTHS[-1]), dtype, batch_size)
        told(f"a forward pass: {million.title}")
        pass_seconds = _forward_seconds(million, budget)
    return Growth(
        dtype=format_dtype(dtype),
        backward_batch=backward_batch,
        batch_size=batch_size,
        backward=tuple(rows),
        curves=tuple(series.curve(label, million, pass_seconds) for label in series.points),
        left_out=series.left_out,
        pass_seconds=pass_seconds,
        different=tuple(series.different),
    )


def _growing(n: int) -> tuple[int, int, int]:
    return n, 2 * n, n


def _problem(sizes: Sequence[int], dtype: Any, m: int) -> Problem:
    return make_problem(sizes, dtype=dtype, count=m).first(m)


def _forward(problem: Problem) -> Callable[[], object]:
    """Return one forward pass on a prepared tape, without slopes."""
    tape = problem.network.forward(problem.X, problem.Y, cost=problem.cost)
    return partial(problem.network.propagate, tape, slopes=False)


def _forward_seconds(problem: Problem, budget: float) -> float:
    return interleave({"forward": _forward(problem)}, baseline="forward", budget=budget)["forward"].seconds


def _backward(problem: Problem, budget: float) -> Backward:
    """Measure a whole gradient over a forward pass in the same round; what is beyond 1 is the way back."""
    net, m = problem.network, len(problem.X)
    plan = prepared(problem)
    calls: dict[str, Callable[[], object]] = {
        "forward": _forward(problem),
        "gradient": partial(plan, problem.X, problem.Y),
    }
    found = interleave(calls, baseline="forward", budget=budget)
    forward, gradient = found["forward"], found["gradient"]
    weights, (n1, n2) = net.layout.weight_count, net.sizes[:2]
    return Backward(
        layers=_written(net.sizes),
        weights=weights,
        forward_seconds=forward.seconds,
        gradient_seconds=gradient.seconds,
        predicted=2 - n1 * n2 / weights,
        counted=backward_multiplications(net, m) / forward_multiplications(net, m),
        measured=gradient.ratio - 1,
    )


def _written(sizes: Sequence[int]) -> str:
    """Write sizes as the book does, many equal ones by their number."""
    if len(sizes) > 4 and len(set(sizes)) == 1:
        return f"{sizes[0]}-…-{sizes[0]} ({len(sizes) - 1} layers)"
    return "-".join(map(str, sizes))


class _Series:
    """The growing networks, and how far each backend has come."""

    def __init__(self, backends: dict[str, Backend], seconds: float, budget: float) -> None:
        self.backends, self.seconds, self.budget = backends, seconds, budget
        self.points: dict[str, list[Point]] = {}
        self.left_out: dict[str, str] = {}
        self.different: list[str] = []
        self._foreseen: dict[str, float] = {}

    def measure(self, problem: Problem) -> None:
        """Add a point for each backend that is expected to stay within the time."""
        jury, plans = Jury(problem), dict[str, Plan]()
        for label, backend in self.backends.items():
            if label not in self.left_out and self._goes_on(label, problem):
                plan = prepared(problem, backend)
                if label in self.points or self._is_right(label, plan, jury):
                    plans[label] = plan
        timings = beside_default(problem, plans, budget=self.budget)
        layout = problem.network.layout
        for label, plan in plans.items():
            passes, timing = plan(problem.X, problem.Y).forward_passes, timings[label]
            point = Point(layout.weight_count, layout.neuron_count, passes, timing.seconds, timing.ratio)
            self.points.setdefault(label, []).append(point)
            self._foreseen[label] = foreseen(problem, plan.backend)

    def curve(self, label: str, million: Problem, pass_seconds: float) -> Curve:
        """Return a backend's points, their slope, and what a million weights would take."""
        points, net, m = self.points[label], million.network, len(million.X)
        fitted = max(2, -(-len(points) // 2))
        exponent = seconds = None
        if len(points) > 1:
            logs = np.log([[point.weights, point.seconds] for point in points[-fitted:]])
            exponent, offset = map(float, np.polyfit(logs[:, 0], logs[:, 1], 1))
            seconds = float(np.exp(offset + exponent * np.log(MILLION)))
        measured = next((point.seconds for point in points if point.weights == MILLION), None)
        estimate = self.backends[label].estimate(net, m)
        whole = estimate.multiplications == estimate.forward_passes * forward_multiplications(net, m)
        return Curve(
            backend=label,
            points=tuple(points),
            exponent=exponent,
            fitted=fitted if exponent is not None else 0,
            million=seconds if measured is None else measured,
            is_extrapolated=points[-1].weights < MILLION,
            million_passes=estimate.forward_passes,
            million_by_passes=estimate.forward_passes * pass_seconds if whole else None,
            detail=estimate.detail,
        )

    def _goes_on(self, label: str, problem: Problem) -> bool:
        """Whether a gradient is expected to stay within the time, by the last one and the predicted growth."""
        backend = self.backends[label]
        if reason := reason_against(problem, backend):
            self._leave_out(label, reason)
            return False
        expected = foreseen(problem, backend)
        if label in self.points:
            expected *= self.points[label][-1].seconds / self._foreseen[label]
        if expected <= self.seconds:
            return True
        self._leave_out(label, f"its first gradient is foreseen to take {expected:.3g} s")
        return False

    def _is_right(self, label: str, plan: Plan, jury: Jury) -> bool:
        """Judge the first gradient."""
        difference = jury.difference(plan)
        if difference is not None:
            self._leave_out(label, difference)
            self.different.append(label)
        return difference is None

    def _leave_out(self, label: str, reason: str) -> None:
        # One that has points has only come to their end.
        if label not in self.points:
            self.left_out[label] = reason
