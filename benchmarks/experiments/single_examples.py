"""Single examples: what the norms, clipped means and inner products of their gradients cost, beside one gradient.

All are called as a program calls them, with their checks, in interleaved rounds with :func:`formulations.gradient` on
the same examples. The gradients themselves, one a row, are formed where they fit the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import click

from benchmarks.experiments.pattern import PLACE, Column, experiment, table
from formulations.arrays import positive_number
from formulations.comparison.race import CELLS, RACE_DTYPES, Cell
from formulations.comparison.timing import interleave
from formulations.display import Colour, Ratio, format_ratio, format_seconds, new_figure, tidy, titled
from formulations.operators import clipped_gradient, gradient_gram, per_example_gradients, per_example_norms
from formulations.plans import gradient

__all__ = ["Row", "SingleExamples", "draw_single_examples", "measure_single_examples"]

LIMIT = 1.3
"""The target for norms, in gradients."""

LARGEST = 2**28
"""The bytes up to which the gradients are formed."""


@dataclass(frozen=True)
class Row:
    """The times in one cell.

    Attributes
    ----------
    cell, dtype : str
        Where it was measured.
    seconds : float
        The median of one gradient.
    norms, clipped, gram : Ratio
        The times over that of the gradient, in the same round.
    formed : Ratio or None
        That of the gradients, one a row; None if they are too large.
    """

    cell: str
    dtype: str
    seconds: float
    norms: Ratio
    clipped: Ratio
    gram: Ratio
    formed: Ratio | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        ratios = {name: value.to_dict() for name, value in vars(self).items() if isinstance(value, Ratio)}
        return {**asdict(self), **ratios}


COLUMNS = (
    *PLACE,
    Column[Row]("gradient", lambda row: format_seconds(row.seconds)),
    Column[Row]("norms", lambda row: format_ratio(row.norms)),
    Column[Row]("clipped mean", lambda row: format_ratio(row.clipped)),
    Column[Row]("inner products", lambda row: format_ratio(row.gram)),
    Column[Row]("gradients formed", lambda row: format_ratio(row.formed)),
)


@dataclass(frozen=True)
class SingleExamples:
    """The result of :func:`measure_single_examples`; true if the norms take at most 1.3 gradients in every cell."""

    rows: tuple[Row, ...]

    def __bool__(self) -> bool:
        return all(row.norms.median <= LIMIT for row in self.rows)

    def __str__(self) -> str:
        verdict = "met" if self else "missed"
        return f"{table(self.rows, COLUMNS)}\n\nTarget: norms in at most {LIMIT:g} gradients: {verdict}."

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {"rows": [row.to_dict() for row in self.rows]}


def measure_single_examples(
    cells: Iterable[Cell] = tuple(CELLS.values()),
    dtypes: Iterable[str] = RACE_DTYPES,
    *,
    budget: float = 0.5,
    progress: Callable[[str], object] = lambda _: None,
) -> SingleExamples:
    """Time the functions beside a gradient in every cell.

    Parameters
    ----------
    cells : iterable of Cell
        The networks and batches of the race.
    dtypes : iterable of str
        Their dtypes.
    budget : float
        Seconds of measurement for each function.
    progress : callable
        Called with each step before it begins.

    Returns
    -------
    SingleExamples
        True if the norms take at most 1.3 gradients.
    """
    budget = positive_number(budget, "budget")
    dtypes, rows = list(dtypes), []
    for cell in cells:
        for dtype in dtypes:
            progress(f"{cell.name}, {dtype}")
            problem = cell.problem(dtype)
            net, X, Y = problem.network, problem.X, problem.Y
            calls: dict[str, Callable[[], object]] = {
                "gradient": partial(gradient, net, X, Y),
                "norms": partial(per_example_norms, net, X, Y),
                "clipped": partial(clipped_gradient, net, X, Y, 1e-3),
                "gram": partial(gradient_gram, net, X, Y),
            }
            if len(X) * net.vector.nbytes <= LARGEST:
                calls["formed"] = partial(per_example_gradients, net, X, Y)
            timings = interleave(calls, baseline="gradient", budget=budget)
            ratios = {name: timing.ratio for name, timing in timings.items()}
            norms, clipped, gram = (ratios[name] for name in ("norms", "clipped", "gram"))
            rows.append(Row(cell.name, dtype, timings["gradient"].seconds, norms, clipped, gram, ratios.get("formed")))
    return SingleExamples(tuple(rows))


def draw_single_examples(found: SingleExamples) -> Any:
    """Return a figure of the times over that of a gradient."""
    figure = new_figure(7, 0.9 + 0.4 * len(found.rows))
    axes = figure.subplots()
    names = [f"{row.cell}, {row.dtype}" for row in found.rows]
    kinds = (
        ("norms", "o", Colour.BLUE),
        ("clipped", "s", Colour.RUST),
        ("gram", "^", Colour.GREEN),
        ("formed", "v", Colour.PURPLE),
    )
    for kind, mark, colour in kinds:
        shown = [(getattr(row, kind), name) for row, name in zip(found.rows, names, strict=True)]
        drawn = [(ratio.median, name) for ratio, name in shown if ratio is not None]
        axes.plot(*zip(*drawn, strict=True), mark, color=colour, label=kind) if drawn else None
    axes.axvline(1, color=Colour.INK, linewidth=1)
    axes.set_xscale("log")
    axes.set_xlabel("time, in gradients")
    axes.legend(frameon=False)
    titled(axes, "single examples")
    tidy(axes, "x")
    return figure


@experiment(
    draw_single_examples,
    click.option(
        "--budget", type=float, default=0.5, show_default=True, help="Seconds of measurement for each function."
    ),
)
def main(budget: float, progress: Callable[[str], object]) -> SingleExamples:
    """Time the norms, clipped means and inner products of single examples' gradients beside one gradient.

    \b
    Examples:
      python -m benchmarks.experiments.single_examples
      python -m benchmarks.experiments.single_examples --threads 1 --budget 0.2

    Exit status 0 if the norms take at most 1.3 gradients in every cell, else 1.
    """
    return measure_single_examples(budget=budget, progress=progress)


if __name__ == "__main__":
    main()
