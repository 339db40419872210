"""Growth: a backward pass over a forward pass, and time over the number of weights.

The chapter says that the backward pass takes about as long as the forward pass, and that perturbing every weight of a
network with a million weights takes a million and one forward passes. Here both are counted, predicted and measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.experiments.admission import Jury, estimated_seconds, reason_against, time_beside_default
from benchmarks.experiments.pattern import Column, experiment, plain, table
from formulations.arrays import as_dtype, format_dtype, integers, items, positive_integer, positive_number
from formulations.backends import DEFAULT, Backend, backward_multiplications, chosen_backends, forward_multiplications
from formulations.comparison.race.ours import prepared
from formulations.comparison.timing import interleave
from formulations.data import Problem, make_problem
from formulations.display import (
    Colour,
    Ratio,
    arms,
    counted,
    format_ratio,
    format_seconds,
    new_figure,
    tidy,
    titled,
)
from formulations.exceptions import InvalidInput
from formulations.network import forward
from formulations.plans import Plan

__all__ = ["BACKENDS", "MILLION", "NETWORKS", "WIDTHS", "Curve", "Growth", "Passes", "Point", "draw_growth",
           "measure_growth"]  # fmt: skip

MILLION = 1_000_000
"""The chapter's weights."""

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
"""Backpropagation, and the backends that need a pass of some kind for every neuron or parameter."""

COLOURS = (Colour.BLUE, Colour.GREEN, Colour.PURPLE, Colour.OCHRE, Colour.RUST, Colour.RED, Colour.SLATE)


@dataclass(frozen=True)
class Passes:
    """A network's backward pass compared with its forward pass.

    Attributes
    ----------
    layers : str
        The sizes, such as ``"784-30-10"``.
    weights : int
        P.
    forward_seconds, gradient_seconds : float
        Medians over interleaved rounds, of a forward pass without slopes and of a whole gradient.
    predicted : float
        2 − n₁n₂/P, in multiplications of matrix products.
    counted : float
        The same with the N products with slopes.
    measured : Ratio
        (gradient − forward)/forward.
    """

    layers: str
    weights: int
    forward_seconds: float
    gradient_seconds: float
    predicted: float
    counted: float
    measured: Ratio


@dataclass(frozen=True)
class Point:
    """One backend on one network.

    Attributes
    ----------
    weights, biases : int
        P and N.
    forward_passes : int
        Whole forward passes that the gradient took, counted while it ran.
    seconds : float
        Time for one gradient: the median of interleaved rounds.
    ratio : Ratio
        Its time over ``hadamard``'s in the same round.
    """

    weights: int
    biases: int
    forward_passes: int
    seconds: float
    ratio: Ratio


@dataclass(frozen=True)
class Curve:
    """How one backend's time grows.

    Attributes
    ----------
    backend : str
        The flag, with options.
    points : tuple of Point
        In ascending order of weights; at least one.
    exponent : float or None
        The slope of log time over log P, by least squares over the largest networks; None below two points.
    fitted : int
        The number of points, from the last one, that it is fitted to.
    million : float or None
        Seconds at a million weights: measured if there is a point, else extrapolated by that slope.
    is_extrapolated : bool
        Whether ``million`` lies beyond the points.
    million_passes : int
        Forward passes predicted for a million weights.
    million_by_passes : float or None
        Those passes times a measured forward pass over a million weights; None if the backend does more, or other work,
        than whole forward passes.
    detail : str
        The kind of its passes if they are not whole ones.
    """

    backend: str
    points: tuple[Point, ...]
    exponent: float | None
    fitted: int
    million: float | None
    is_extrapolated: bool
    million_passes: int
    million_by_passes: float | None
    detail: str

    @property
    def million_text(self) -> str:
        """The time at a million weights, marked if it is extrapolated."""
        if self.million is None:
            return "–"
        return f"{'~ ' if self.is_extrapolated else ''}{format_seconds(self.million)}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {**plain(self), "points": [plain(point) for point in self.points]}


BACKWARD_COLUMNS = (
    Column[Passes]("network", lambda row: row.layers, left=True),
    Column[Passes]("weights", lambda row: f"{row.weights:,}"),
    Column[Passes]("forward", lambda row: format_seconds(row.forward_seconds)),
    Column[Passes]("gradient", lambda row: format_seconds(row.gradient_seconds)),
    Column[Passes]("2 − n₁n₂/P", lambda row: f"{row.predicted:.2f}"),
    Column[Passes]("counted", lambda row: f"{row.counted:.2f}"),
    Column[Passes]("measured", lambda row: format_ratio(row.measured)),
)

MILLION_COLUMNS = (
    Column[Curve]("backend", lambda curve: curve.backend, left=True),
    Column[Curve]("passes counted", lambda c: f"{c.points[-1].forward_passes:,} at {c.points[-1].weights:,}"),
    Column[Curve]("exponent", lambda curve: "–" if curve.exponent is None else f"{curve.exponent:.2f}"),
    Column[Curve]("passes", lambda curve: f"{curve.million_passes:,}"),
    Column[Curve]("time", lambda curve: curve.million_text),
    Column[Curve](
        "passes × pass", lambda c: "–" if c.million_by_passes is None else format_seconds(c.million_by_passes)
    ),
)


def _time_column(curve: Curve) -> Column[int]:
    """Return the column of a curve's times, by the number of weights."""
    times = {point.weights: format_seconds(point.seconds) for point in curve.points}
    return Column(curve.backend, lambda weights: times.get(weights, "–"))


@dataclass(frozen=True)
class Growth:
    """The result of :func:`measure_growth`.

    Attributes
    ----------
    dtype : str
        Of all networks.
    backward_batch, batch_size : int
        Examples in the first table, and in the second.
    backward : tuple of Passes
        One for each network.
    curves : tuple of Curve
        One for each backend.
    left_out : dict of str to str
        Backends without a curve, and why.
    pass_seconds : float
        A forward pass over a million weights, measured.
    different : tuple of str
        Those left out because their gradient is different from the reference.
    """

    dtype: str
    backward_batch: int
    batch_size: int
    backward: tuple[Passes, ...]
    curves: tuple[Curve, ...]
    left_out: dict[str, str]
    pass_seconds: float
    different: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.different

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        backward, curves = [plain(row) for row in self.backward], [curve.to_dict() for curve in self.curves]
        return {**asdict(self), "backward": backward, "curves": curves, "baseline": DEFAULT}

    def __str__(self) -> str:
        parts = [self._backward_table(), self._growth_table(), self._million_table()]
        reasons = [f"{name}: {reason}" for name, reason in self.left_out.items()]
        return "\n\n".join([*parts, *(["\n".join(reasons)] if reasons else [])])

    def _backward_table(self) -> str:
        return (
            f"Backward over forward: {DEFAULT}, {counted(self.backward_batch, 'example')}, {self.dtype}\n"
            f"{table(self.backward, BACKWARD_COLUMNS)}\n\n"
            "2 − n₁n₂/P: multiplications of the backward pass's matrix products over those of the forward pass.\n"
            "counted: the same with the products with slopes.\n"
            "measured: (gradient − forward)/forward, the median over interleaved rounds and its quartiles.\n"
            "The forward pass computes no slopes, so σ′ and the checks of the input count as backward."
        )

    def _growth_table(self) -> str:
        weights = sorted({point.weights for curve in self.curves for point in curve.points})
        # There are more networks than backends, but backends have longer names.
        columns = [Column[int]("P", "{:,}".format), *map(_time_column, self.curves)]
        return (
            f"Time of one gradient over the number of weights P: {counted(self.batch_size, 'example')}, {self.dtype}\n"
            f"{table(weights, columns)}\n\n"
            "–: not measured; it would take longer than the limit."
        )

    def _million_table(self) -> str:
        details = [f"{curve.backend}: {curve.detail}." for curve in self.curves if curve.detail]
        return "\n".join(
            [
                "Forward passes, the exponent of time over P, and a million weights",
                table(self.curves, MILLION_COLUMNS),
                "",
                "exponent: the slope of log time over log P, fitted to the largest half of the networks measured.",
                "time: at a million weights; ~ is extrapolated by that slope, not measured. It is too low if calls",
                "dominate the time of the networks measured, since arithmetic dominates that of large ones.",
                f"passes × pass: the passes predicted there, times a forward pass measured there, "
                f"{format_seconds(self.pass_seconds)} each.",
                *details,
            ]
        )


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
    progress: Callable[[str], object] = lambda _: None,
) -> Growth:
    """Measure backward over forward for several networks, and time over the number of weights for several backends.

    Parameters
    ----------
    networks : iterable of sequences of int
        Sizes of the sigmoid networks whose backward pass is compared with their forward pass.
    widths : iterable of int
        n of the growing networks n–2n–n.
    backends : iterable of str or Backend
        Those to time on the growing networks; ``hadamard`` runs beside them.
    dtype : dtype
        Of all networks.
    backward_batch, batch_size : int
        Examples for the first, and for the second; the book's argument is about one example.
    seconds : float
        A backend goes on to the next network as long as its gradient is expected to take no longer than this.
    budget : float
        Seconds to spend on timing each call; a slow one still gets three rounds.
    progress : callable, optional
        Called with each network's description before it is measured.

    Returns
    -------
    Growth

    Raises
    ------
    InvalidInput, WrongShape, WrongType
        If a size, width or limit is not a positive number, or no network or backend is named.
    UnknownName
        If a backend does not exist.
    """
    dtype = as_dtype(dtype)
    backward_batch = positive_integer(backward_batch, "backward_batch")
    batch_size = positive_integer(batch_size, "batch_size")
    seconds, budget = positive_number(seconds, "seconds"), positive_number(budget, "budget")
    ascending, chosen = integers(widths, "widths"), chosen_backends(backends)
    problems = [_problem(sizes, dtype, backward_batch) for sizes in items(networks, "networks", "[(784, 30, 10)]")]
    with np.errstate(all="ignore"):
        rows = []
        for problem in problems:
            progress(f"backward over forward: {problem.title}")
            rows.append(_backward(problem, budget))
        series = _Series(chosen, seconds, budget)
        for n in ascending:
            problem = _problem(_growing(n), dtype, batch_size)
            progress(f"growth: {problem.title}")
            series.measure(problem)
        million = _problem(_growing(WIDTHS[-1]), dtype, batch_size)
        progress(f"a forward pass: {million.title}")
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
    return partial(forward, problem.network, tape, slopes=False)


def _forward_seconds(problem: Problem, budget: float) -> float:
    return interleave({"forward": _forward(problem)}, baseline="forward", budget=budget)["forward"].seconds


def _backward(problem: Problem, budget: float) -> Passes:
    """Measure a gradient over a forward pass in the same round; what exceeds 1 is the backward pass."""
    net, m = problem.network, len(problem.X)
    plan = prepared(problem)
    calls: dict[str, Callable[[], object]] = {
        "forward": _forward(problem),
        "gradient": partial(plan, problem.X, problem.Y),
    }
    found = interleave(calls, baseline="forward", budget=budget)
    forward, gradient = found["forward"], found["gradient"]
    weights, (n1, n2) = net.layout.weight_count, net.sizes[:2]
    return Passes(
        layers=_written(net.sizes),
        weights=weights,
        forward_seconds=forward.seconds,
        gradient_seconds=gradient.seconds,
        predicted=2 - n1 * n2 / weights,
        counted=backward_multiplications(net, m) / forward_multiplications(net, m),
        measured=gradient.ratio - 1,
    )


def _written(sizes: Sequence[int]) -> str:
    """Write sizes as the book does, and many equal ones by their number."""
    if len(sizes) > 4 and len(set(sizes)) == 1:
        return f"{sizes[0]}-…-{sizes[0]} ({len(sizes) - 1} layers)"
    return "-".join(map(str, sizes))


class _Series:
    """The points of each backend on the growing networks."""

    def __init__(self, backends: dict[str, Backend], seconds: float, budget: float) -> None:
        self.backends, self.seconds, self.budget = backends, seconds, budget
        self.points: dict[str, list[Point]] = {}
        self.left_out: dict[str, str] = {}
        self.different: list[str] = []
        self._estimated: dict[str, float] = {}

    def measure(self, problem: Problem) -> None:
        """Add a point for each backend that is expected to stay within the time."""
        jury, plans = Jury(problem), dict[str, Plan]()
        for label, backend in self.backends.items():
            if label not in self.left_out and self._goes_on(label, problem):
                plan = prepared(problem, backend)
                if label in self.points or self._is_right(label, plan, jury):
                    plans[label] = plan
        timings = time_beside_default(problem, plans, budget=self.budget)
        layout = problem.network.layout
        for label, plan in plans.items():
            passes, timing = plan(problem.X, problem.Y).forward_passes, timings[label]
            point = Point(layout.weight_count, layout.neuron_count, passes, timing.seconds, timing.ratio)
            self.points.setdefault(label, []).append(point)
            self._estimated[label] = estimated_seconds(problem, plan.backend)

    def curve(self, label: str, million: Problem, pass_seconds: float) -> Curve:
        """Return a backend's points, their slope, and its time at a million weights."""
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
        """Whether a gradient is expected to stay within the time, by the last one and the estimated growth."""
        backend = self.backends[label]
        if reason := reason_against(problem, backend):
            self._leave_out(label, reason)
            return False
        expected = estimated_seconds(problem, backend)
        if label in self.points:
            expected *= self.points[label][-1].seconds / self._estimated[label]
        if expected <= self.seconds:
            return True
        self._leave_out(label, f"its first gradient is estimated to take {expected:.3g} s")
        return False

    def _is_right(self, label: str, plan: Plan, jury: Jury) -> bool:
        """Judge the first gradient."""
        difference = jury.difference(plan)
        if difference is not None:
            self._leave_out(label, difference)
            self.different.append(label)
        return difference is None

    def _leave_out(self, label: str, reason: str) -> None:
        # A backend that has points keeps its curve.
        if label not in self.points:
            self.left_out[label] = reason


def draw_growth(growth: Growth) -> Any:
    """Return the figure: measured beside predicted at the left, and the curves on logarithmic axes at the right.

    Raises
    ------
    InvalidInput
        If no backend has a curve.
    MissingExtra
        If matplotlib is not installed.
    """
    if not growth.curves:
        raise InvalidInput("a plot needs times, and no backend was timed; measure others, or allow more seconds.")
    figure = new_figure(12.5, 5.2)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.7])
    _draw_backward(left, growth)
    for i, curve in enumerate(growth.curves):
        _draw_curve(right, curve, COLOURS[i % len(COLOURS)])
    right.axvline(MILLION, color=Colour.INK, linestyle=":", linewidth=1)
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xlabel("weights P")
    right.set_ylabel("seconds per gradient")
    titled(right, f"networks n–2n–n, {counted(growth.batch_size, 'example')}, {growth.dtype}")
    tidy(right, "both")
    legend = right.legend(frameon=False, fontsize=8, alignment="left")
    legend.set_title("dashed: extrapolated;  ×: passes × a measured pass", {"size": 8})
    return figure


def _draw_backward(axes: Any, growth: Growth) -> None:
    rows = growth.backward[::-1]
    positions = range(len(rows))
    axes.plot(
        [row.counted for row in rows], positions, "D", color=Colour.RUST, markersize=5, label="multiplications counted"
    )
    measured = [row.measured for row in rows]
    medians = [ratio.median for ratio in measured]
    axes.errorbar(medians, positions, xerr=arms(measured), fmt="o", color=Colour.BLUE, capsize=3, label="time measured")
    axes.set_yticks(positions, [row.layers for row in rows], fontsize=8)
    axes.set_xlim(left=0)
    axes.set_ylim(-0.5, len(rows) - 0.5)
    axes.set_xlabel("backward pass over forward pass")
    titled(axes, f"{counted(growth.backward_batch, 'example')}, {growth.dtype}")
    tidy(axes, "x")
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)


def _draw_curve(axes: Any, curve: Curve, colour: str) -> None:
    slope = "" if curve.exponent is None else f", slope {curve.exponent:.2f}"
    weights, seconds = [point.weights for point in curve.points], [point.seconds for point in curve.points]
    axes.plot(weights, seconds, "o-", color=colour, markersize=4, label=f"{curve.backend}{slope}")
    if curve.million is not None and curve.is_extrapolated:
        axes.plot([weights[-1], MILLION], [seconds[-1], curve.million], "--", color=colour, linewidth=1)
    if curve.million_by_passes is not None:
        axes.plot(MILLION, curve.million_by_passes, "x", color=colour, markersize=7)


@experiment(draw_growth)
def main(progress: Callable[[str], object]) -> Growth:
    """Measure how time grows with the number of weights, and a backward pass over a forward pass.

    \b
    Examples:
      python -m benchmarks.experiments.growth
      python -m benchmarks.experiments.growth --save growth.json --plot growth.png

    Exit status 0 if no gradient is different, else 1.
    """
    return measure_growth(progress=progress)


if __name__ == "__main__":
    main()
