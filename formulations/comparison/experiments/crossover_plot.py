"""The picture of the crossover: times over the number of parameters, and the grids of winners."""

from __future__ import annotations

from collections import Counter
from typing import Any

from formulations.backends import DEFAULT
from formulations.comparison.experiments.crossover_result import Crossover, Standings
from formulations.display import BLUE, GREEN, OCHRE, PURPLE, RED, RUST, SLATE, counted, new_figure, tidy, titled
from formulations.exceptions import InvalidInput

__all__ = ["draw_crossover"]

COLOURS = (BLUE, RUST, GREEN, PURPLE, RED, SLATE, OCHRE)
GREY = "#d9d9d9"
LINES = 5
"""Backends drawn as lines; more cannot be told apart."""
EXAMPLES = 10
"""The lines are drawn at the batch size nearest to this."""


def draw_crossover(crossover: Crossover) -> Any:
    """Return the figure: for each dtype, time over parameters on logarithmic axes, above grids of winners.

    Raises
    ------
    InvalidInput
        Where nothing was timed.
    MissingExtra
        Where matplotlib is not installed.
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
        cells = [cell for cell in crossover.cells if cell.place.dtype == dtype]
        above, below = column.subfigures(2, 1, height_ratios=[3.7, height])
        _draw_times(above.subplots(), cells, colours)
        grids = below.subplots(1, len(batches), squeeze=False, sharey=True)[0]
        for m, axes in zip(batches, grids, strict=True):
            _draw_grid(axes, [cell for cell in cells if cell.place.batch_size == m], widths, depths, colours)
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
    # Who never was the fastest may still be worth a line, by how often it came second or third.
    near = Counter(row.backend for cell in crossover.cells for row in cell.timed)
    order = sorted(near, key=lambda name: (name != DEFAULT, -counts[name], -near[name]))
    return dict(zip(order, COLOURS, strict=False))


def _draw_times(axes: Any, cells: list[Standings], colours: dict[str, str]) -> None:
    """Draw a line for each backend through the networks of the middle depth, at about ten examples."""
    m = min((cell.place.batch_size for cell in cells), key=lambda m: abs(m - EXAMPLES))
    depths = sorted({cell.place.depth for cell in cells})
    depth = depths[(len(depths) - 1) // 2]
    chosen = [cell for cell in cells if (cell.place.batch_size, cell.place.depth) == (m, depth)]
    for name in list(colours)[:LINES]:
        points = [(cell.place.parameters, row.seconds) for cell in chosen for row in cell.timed if row.backend == name]
        if points:
            axes.plot(*zip(*sorted(points), strict=True), "o-", markersize=4, color=colours[name], label=name)
    drawn = {line.get_label() for line in axes.lines}
    for name in dict.fromkeys(cell.fastest.backend for cell in cells if cell.fastest is not None):
        # Who is the fastest in a grid alone has its colour explained here too.
        if name not in drawn:
            axes.plot([], [], "s", color=colours.get(name, GREY), label=name)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("parameters")
    axes.set_ylabel("seconds per gradient")
    titled(axes, f"{cells[0].place.dtype}: {counted(depth, 'layer')}, {counted(m, 'example')}")
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
        x, y = widths.index(cell.place.width), depths.index(cell.place.depth)
        colour, alone = colours.get(cell.fastest.backend, GREY), cell.winner is not None
        axes.add_patch(
            Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, color=colour, alpha=1 if alone else 0.3, linewidth=0)
        )
        ink = "white" if alone else "black"
        axes.text(x, y, f"{cell.fastest.ratio.median:.2f}", ha="center", va="center", fontsize=6.5, color=ink)
    axes.set_xlim(-0.5, len(widths) - 0.5)
    axes.set_ylim(-0.5, len(depths) - 0.5)
    axes.set_xticks(range(len(widths)), widths, fontsize=7)
    axes.set_yticks(range(len(depths)), depths, fontsize=7)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
