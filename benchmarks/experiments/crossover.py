"""The crossover: which backend is fastest for which width, depth, batch and dtype.

A backend is timed in a cell if its gradient there is not different from the reference and its time is near
``hadamard``'s. The rounds are interleaved, and a cell whose two best lie within their spread is a tie.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import click
import numpy as np

from benchmarks.experiments.admission import Jury, estimated_seconds, reason_against, time_beside_default
from benchmarks.experiments.pattern import Column, experiment, plain, table
from formulations.arrays import integers, positive_number, precisions
from formulations.backends import DEFAULT, Backend, chosen_backends, list_backends
from formulations.cli.options import parse_backends, split_names
from formulations.comparison.race.ours import prepared
from formulations.comparison.timing import quickest
from formulations.data import Problem, make_problem
from formulations.display import (
    Colour,
    Ratio,
    counted,
    format_quotient,
    format_seconds,
    new_figure,
    tidy,
    titled,
)
from formulations.exceptions import FormulationsException, InvalidInput
from formulations.plans import Plan

__all__ = ["Crossover", "Grid", "GridPoint", "Standings", "Timed", "draw_crossover", "measure_crossover"]

NEAR = 5.0
"""A backend that takes more than this many times the baseline's time is not timed."""

HOPELESS = 20.0
"""One that took more than this many times the baseline's with fewer examples is not tried with more."""

LARGEST = 2**26
"""Multiplications of a forward pass above which a cell is skipped: some ten milliseconds."""

JUDGED = 2**20
"""Multiplications of a forward pass up to which all examples are judged; beyond it, the first ones.

Beyond double precision the reference has no BLAS, and would take longer than everything that is timed.
"""

COLOURS = (Colour.BLUE, Colour.RUST, Colour.GREEN, Colour.PURPLE, Colour.RED, Colour.SLATE, Colour.OCHRE)
GREY = "#d9d9d9"
LINES = 5
"""Backends drawn as lines; more cannot be distinguished."""
EXAMPLES = 10
"""The lines are drawn at the batch size nearest to this."""


@dataclass(frozen=True, order=True)
class GridPoint:
    """The network and batch of one cell.

    Attributes
    ----------
    dtype : str
        Of the network and its examples.
    batch_size : int
        m.
    width : int
        Neurons of every layer.
    depth : int
        Layers of weights, L − 1.
    """

    dtype: str
    batch_size: int
    width: int
    depth: int

    @property
    def forward_multiplications(self) -> int:
        """Multiplications of one forward pass, m·P."""
        return self.batch_size * self.depth * self.width**2

    @property
    def parameters(self) -> int:
        """Weights and biases, P + N."""
        return self.depth * self.width * (self.width + 1)

    def __str__(self) -> str:
        layers = f"{counted(self.depth, 'layer')} of {self.width} × {self.width} weights"
        return f"{layers}, {counted(self.batch_size, 'example')}, {self.dtype}"

    def problem(self) -> Problem:
        """Return a sigmoid network of this shape with the quadratic cost and random examples."""
        return make_problem([self.width] * (self.depth + 1), dtype=self.dtype, count=self.batch_size)


@dataclass(frozen=True)
class Grid:
    """The axes of the sweep.

    Attributes
    ----------
    widths, depths, batches : tuple of int
        Ascending.
    dtypes : tuple of str
        In the order in which they are measured.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    batches: tuple[int, ...]
    dtypes: tuple[str, ...]

    @classmethod
    def of(cls, widths: Any, depths: Any, batches: Any, dtypes: Any) -> Grid:
        """Return the grid of these axes, numbers in ascending order, each once.

        Raises
        ------
        InvalidInput
            If an axis is empty, or has a number below 1.
        WrongType
            If one is not a list, or has an element that is not an integer or not a dtype of a network.
        """
        axes = integers(widths, "widths"), integers(depths, "depths"), integers(batches, "batches")
        return cls(*axes, tuple(precisions(dtypes)))

    def __iter__(self) -> Iterator[GridPoint]:
        """Yield all points, batches innermost and ascending."""
        for dtype in self.dtypes:
            for width in self.widths:
                for depth in self.depths:
                    for m in self.batches:
                        yield GridPoint(dtype, m, width, depth)


@dataclass(frozen=True)
class Timed:
    """One backend in one cell.

    Attributes
    ----------
    backend : str
        The flag, with options.
    seconds : float
        Time for one gradient by a prepared plan: the median of interleaved rounds.
    ratio : Ratio
        Its time over ``hadamard``'s in the same round.
    rounds : int
        Rounds measured.
    """

    backend: str
    seconds: float
    ratio: Ratio
    rounds: int


@dataclass(frozen=True)
class Standings:
    """The order of the backends in one cell.

    Attributes
    ----------
    point : GridPoint
        The cell.
    timed : tuple of Timed
        Those that were timed, the smallest ratio first; empty if none was near and right.
    left_out : dict of str to str
        Why each of the others was not timed.
    different : tuple of str
        Those among them whose gradient is different from the reference.
    """

    point: GridPoint
    timed: tuple[Timed, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    different: tuple[str, ...] = ()

    @property
    def fastest(self) -> Timed | None:
        """The smallest ratio; None if nothing was timed."""
        return self.timed[0] if self.timed else None

    @property
    def tied(self) -> tuple[str, ...]:
        """The fastest, and all whose lower quartile lies within its upper one, the smallest ratio first."""
        return tuple(row.backend for row in self.timed if row.ratio.lower <= self.timed[0].ratio.upper)

    @property
    def winner(self) -> str | None:
        """The fastest if it is alone; None in a tie."""
        tied = self.tied
        return tied[0] if len(tied) == 1 else None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        verdict = {"parameters": self.point.parameters, "winner": self.winner, "tied": list(self.tied)}
        return {
            **asdict(self.point),
            **verdict,
            "timed": [plain(row) for row in self.timed],
            "left_out": dict(self.left_out),
            "different": list(self.different),
        }

    def __str__(self) -> str:
        if self.fastest is None:
            return "–"
        mark = "" if self.winner else "≈ "
        times = format_quotient(self.fastest.ratio.median)
        return f"{mark}{self.fastest.backend} {times}× {format_seconds(self.fastest.seconds)}"


@dataclass(frozen=True)
class Crossover:
    """The result of :func:`measure_crossover`.

    Attributes
    ----------
    cells : tuple of Standings
        Those that were measured.
    too_large : int
        Cells of the grid that were skipped for their size.
    """

    cells: tuple[Standings, ...]
    too_large: int = 0

    def __bool__(self) -> bool:
        return not any(cell.different for cell in self.cells)

    def axis(self, name: str) -> list[Any]:
        """Return the values of a point's attribute that occur, in order of size or of appearance."""
        found = dict.fromkeys(getattr(cell.point, name) for cell in self.cells)
        return list(found) if name == "dtype" else sorted(found)

    def wins(self) -> dict[tuple[str, ...], int]:
        """Count the cells that each backend wins, or that several tie for, the most frequent first."""
        # A tie is one outcome, whichever of its medians is the smallest.
        counts = Counter(tuple(sorted(cell.tied)) for cell in self.cells if cell.timed)
        return dict(counts.most_common())

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        wins = [{"backends": list(names), "cells": count} for names, count in self.wins().items()]
        cells = [cell.to_dict() for cell in self.cells]
        return {"baseline": DEFAULT, "too_large": self.too_large, "wins": wins, "cells": cells}

    def __str__(self) -> str:
        tables = [self._table(dtype) for dtype in self.axis("dtype")]
        return "\n\n".join([*tables, self._legend(), self._summary()])

    def _table(self, dtype: str) -> str:
        shown = {cell.point: str(cell) for cell in self.cells}

        def of_depth(depth: int) -> Column[tuple[int, int]]:
            return Column(counted(depth, "layer"), lambda row: shown.get(GridPoint(dtype, *row, depth), "·"), left=True)

        columns = [
            Column[tuple[int, int]]("examples", lambda row: str(row[0])),
            Column[tuple[int, int]]("width", lambda row: str(row[1])),
            *map(of_depth, self.axis("depth")),
        ]
        rows = [(m, width) for m in self.axis("batch_size") for width in self.axis("width")]
        return f"{dtype}: the fastest gradient\n{table(rows, columns)}"

    def _legend(self) -> str:
        return (
            "Networks of sigmoid layers, all equally wide, with the quadratic cost; layers are those of weights.\n"
            f"×: the median over interleaved rounds of the time over {DEFAULT}'s in the same round.\n"
            "≈: a tie: the upper quartile of the smallest ratio reaches the lower quartile of another.\n"
            f"·: not measured, too large ({self.too_large}). –: no backend was near and right."
        )

    def _summary(self) -> str:
        alone, tied = Counter[str](), Counter[str]()
        for names, count in self.wins().items():
            for name in names:
                (alone if len(names) == 1 else tied)[name] += count
        lines = [
            f"{name}: alone in {alone[name]}, tied in {tied[name]} of {len(self.cells)} cells."
            for name, _ in (alone + tied).most_common()
        ]
        wrong = {name for cell in self.cells for name in cell.different}
        if wrong:
            lines.append(f"Different from the reference somewhere, and not timed there: {', '.join(sorted(wrong))}.")
        return "\n".join(lines)


def measure_crossover(
    widths: Iterable[int] = (8, 32, 128, 512),
    depths: Iterable[int] = (2, 4, 8, 16),
    batches: Iterable[int] = (1, 10, 100, 1000),
    dtypes: Iterable[str] = ("float32", "float64"),
    backends: Iterable[str | Backend] | None = None,
    *,
    budget: float = 0.03,
    progress: Callable[[str], object] = lambda _: None,
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
        The backends that compete; by default all that are registered. ``hadamard`` is measured beside them.
    budget : float
        Seconds to spend on timing each backend in each cell.
    progress : callable, optional
        Called with each cell's description before it is measured.

    Returns
    -------
    Crossover

    Raises
    ------
    InvalidInput
        If an axis or backends are empty, a number is below 1, the budget is not positive, or every cell is too large.
    WrongType
        If an axis or backends are not a list, or an element is not an integer or not a dtype of a network.
    UnknownName
        If a backend does not exist.
    """
    grid = Grid.of(widths, depths, batches, dtypes)
    budget = positive_number(budget, "budget")
    chosen = chosen_backends(list_backends() if backends is None else backends)
    points = [point for point in grid if point.forward_multiplications <= LARGEST]
    if not points:
        raise InvalidInput(
            f"every cell takes more than {LARGEST:,} multiplications for a forward pass; take fewer examples, or "
            "narrower or fewer layers."
        )
    # Kept from batch to batch: a backend that takes seconds to prepare is not tried again with ten times the examples.
    hopeless: dict[tuple[str, int, int], dict[str, str]] = {}
    cells = []
    for point in points:
        progress(str(point))
        known = hopeless.setdefault((point.dtype, point.width, point.depth), {})
        cells.append(_Trial(point, known).run(chosen, budget))
    return Crossover(tuple(cells), too_large=sum(1 for _ in grid) - len(points))


class _Trial:
    """One cell: which backends are timed, and their times."""

    def __init__(self, point: GridPoint, hopeless: dict[str, str]) -> None:
        self.point, self.hopeless = point, hopeless
        self.problem: Problem = point.problem()
        self.baseline = prepared(self.problem)
        self._baseline_seconds = self._warm_seconds(self.baseline)
        self._baseline_estimate = estimated_seconds(self.problem, self.baseline.backend)
        few = max(1, JUDGED // (point.depth * point.width**2))
        self.jury = Jury(self.problem.first(min(few, point.batch_size)))
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
            timings = time_beside_default(self.problem, plans, self.baseline, budget=budget)
        found = [(label, timings[label]) for label in plans]
        rows = [Timed(label, each.seconds, each.ratio, each.rounds) for label, each in found]
        rows.sort(key=lambda row: row.ratio.median)
        return Standings(self.point, tuple(rows), left_out, tuple(self.different))

    def _admitted(self, backend: Backend) -> tuple[Plan | None, str]:
        """Return the backend's plan, or None and why it is not timed."""
        if reason := reason_against(self.problem, backend):
            return None, reason
        if backend.label in self.hopeless:
            return None, self.hopeless[backend.label]
        times = estimated_seconds(self.problem, backend) / self._baseline_estimate
        if times > NEAR:
            return None, f"it is estimated to take {times:.3g} times as long as {DEFAULT}"
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
            self.hopeless[backend.label] = f"with a batch of {self.point.batch_size} {reason}"
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


def draw_crossover(crossover: Crossover) -> Any:
    """Return the figure: for each dtype, time over parameters on logarithmic axes, above grids of winners.

    Raises
    ------
    InvalidInput
        If nothing was timed.
    MissingExtra
        If matplotlib is not installed.
    """
    if not any(cell.timed for cell in crossover.cells):
        raise InvalidInput("a plot needs times, and no backend was timed; measure others, or smaller cells.")
    dtypes, batches = crossover.axis("dtype"), crossover.axis("batch_size")
    depths, widths = crossover.axis("depth"), crossover.axis("width")
    colours = _colours(crossover)
    height = 0.75 + 0.24 * len(depths)
    figure = new_figure(1.4 + 5.6 * len(dtypes), 4.0 + height)
    columns = figure.subfigures(1, len(dtypes), squeeze=False)[0]
    for dtype, column in zip(dtypes, columns, strict=True):
        cells = [cell for cell in crossover.cells if cell.point.dtype == dtype]
        above, below = column.subfigures(2, 1, height_ratios=[3.7, height])
        _draw_times(above.subplots(), cells, colours)
        grids = below.subplots(1, len(batches), squeeze=False, sharey=True)[0]
        for m, axes in zip(batches, grids, strict=True):
            _draw_grid(axes, [cell for cell in cells if cell.point.batch_size == m], widths, depths, colours)
            axes.set_title(counted(m, "example"), fontsize=8)
        grids[0].set_ylabel("layers", fontsize=8)
        below.supxlabel(
            f"neurons a layer; number: time over {DEFAULT}'s; colour: the fastest, pale if tied; blank: not measured",
            fontsize=8,
        )
    return figure


def _colours(crossover: Crossover) -> dict[str, str]:
    """Return a colour for each backend that is drawn: those that are fastest most often, and the baseline."""
    counts = Counter(name for cell in crossover.cells for name in cell.tied)
    # A backend that never is the fastest may still be worth a line, by how often it was timed.
    near = Counter(row.backend for cell in crossover.cells for row in cell.timed)
    order = sorted(near, key=lambda name: (name != DEFAULT, -counts[name], -near[name]))
    return dict(zip(order, COLOURS, strict=False))


def _draw_times(axes: Any, cells: list[Standings], colours: dict[str, str]) -> None:
    """Draw a line for each backend through the networks of the middle depth, at about ten examples."""
    m = min((cell.point.batch_size for cell in cells), key=lambda m: abs(m - EXAMPLES))
    depths = sorted({cell.point.depth for cell in cells})
    depth = depths[(len(depths) - 1) // 2]
    chosen = [cell for cell in cells if (cell.point.batch_size, cell.point.depth) == (m, depth)]
    for name in list(colours)[:LINES]:
        points = [(cell.point.parameters, row.seconds) for cell in chosen for row in cell.timed if row.backend == name]
        if points:
            axes.plot(*zip(*sorted(points), strict=True), "o-", markersize=4, color=colours[name], label=name)
    drawn = {line.get_label() for line in axes.lines}
    for name in dict.fromkeys(cell.fastest.backend for cell in cells if cell.fastest is not None):
        # The legend also explains the colour of a backend that is fastest in a grid but has no line.
        if name not in drawn:
            axes.plot([], [], "s", color=colours.get(name, GREY), label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("parameters")
    axes.set_ylabel("seconds per gradient")
    titled(axes, f"{cells[0].point.dtype}: {counted(depth, 'layer')}, {counted(m, 'example')}")
    tidy(axes, "both")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)


def _draw_grid(
    axes: Any, cells: list[Standings], widths: list[int], depths: list[int], colours: dict[str, str]
) -> None:
    """Draw a square for each cell, in the colour of the fastest, with its ratio to the baseline."""
    from matplotlib.patches import Rectangle

    for cell in cells:
        if cell.fastest is None:
            continue
        x, y = widths.index(cell.point.width), depths.index(cell.point.depth)
        colour, alone = colours.get(cell.fastest.backend, GREY), cell.winner is not None
        axes.add_patch(
            Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, color=colour, alpha=1 if alone else 0.3, linewidth=0)
        )
        ink = "white" if alone else "black"
        axes.text(x, y, format_quotient(cell.fastest.ratio.median), ha="center", va="center", fontsize=6.5, color=ink)
    axes.set_xlim(-0.5, len(widths) - 0.5)
    axes.set_ylim(-0.5, len(depths) - 0.5)
    axes.set_xticks(range(len(widths)), widths, fontsize=7)
    axes.set_yticks(range(len(depths)), depths, fontsize=7)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


@experiment(
    draw_crossover,
    click.option("--dtypes", "--dtype", metavar="DTYPE,…", default="float32,float64", show_default=True),
    click.option("--backends", "--backend", metavar="NAME,…", help="Backends to measure.  [default: all]"),
)
def main(dtypes: str, backends: str | None, progress: Callable[[str], object]) -> Crossover:
    """Measure which backend is fastest, by width, depth, batch and dtype.

    \b
    Examples:
      python -m benchmarks.experiments.crossover --plot crossover.png
      python -m benchmarks.experiments.crossover --dtype float32 --backends hadamard,fused,product

    Exit status 0 if no gradient is different, else 1.
    """
    return measure_crossover(dtypes=split_names(dtypes), backends=parse_backends(backends), progress=progress)


if __name__ == "__main__":
    main()
