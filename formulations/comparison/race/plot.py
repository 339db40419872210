"""The figure of a race: a panel for each cell and dtype, a bar for each row, relative to the products alone."""

from __future__ import annotations

from textwrap import fill
from typing import Any

from formulations.comparison.race.contestant import Kind
from formulations.comparison.race.floor import FLOOR
from formulations.comparison.race.results import Heat, Race, RaceRow
from formulations.display import Ratio, arms, format_quotient, new_figure, tidy, titled

__all__ = ["draw_race"]

COLOURS = {
    Kind.PLAN: "#1f77b4",
    Kind.CALL: "#7fb3d8",
    Kind.PEER: "#d9822b",
    Kind.LOOP: "#8c6bb1",
    Kind.FLOOR: "#555555",
}
"""The kinds that are drawn; null and control appear only in the table."""

LABELS = {
    Kind.PLAN: "a backend, prepared",
    Kind.CALL: "in one call",
    Kind.PEER: "a peer",
    Kind.LOOP: "one example at a time",
    Kind.FLOOR: "the products alone",
}

TITLE_WIDTH = 60
"""The characters in a line of a panel's title."""


def draw_race(race: Race) -> Any:
    """Return the figure: times over the floor, or the fastest row, on a logarithmic scale, the fastest at the top.

    Parameters
    ----------
    race : Race
        With at least one heat.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    columns = 2 if len(race.heats) > 1 else 1
    lines = -(-len(race.heats) // columns)
    most = max(len(_bars(heat)) for heat in race.heats)
    figure = new_figure(6.4 * columns, lines * (1.1 + 0.2 * most))
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, heat in zip(panels, race.heats, strict=False):
        _draw(axes, heat)
    for axes in panels[len(race.heats) :]:
        axes.remove()
    from matplotlib.patches import Patch

    drawn = {row.kind for heat in race.heats for row, _ in _bars(heat)}
    patches = [Patch(color=COLOURS[kind], label=LABELS[kind]) for kind in COLOURS if kind in drawn]
    figure.legend(handles=patches, loc="outside lower center", ncols=2 * columns, frameon=False, fontsize=9)
    return figure


def _bars(heat: Heat) -> list[tuple[RaceRow, Ratio]]:
    """Return the rows that are drawn with their ratios, the fastest first."""
    pairs = [(row, heat.ratio(row.name, heat.base)) for row in heat.rows if row.kind in COLOURS]
    return sorted([(row, ratio) for row, ratio in pairs if ratio is not None], key=lambda pair: pair[1].median)


def _draw(axes: Any, heat: Heat) -> None:
    bars = _bars(heat)
    medians = [ratio.median for _, ratio in bars]
    ends = [max(ratio.upper, ratio.median) for _, ratio in bars]
    places = range(len(bars))
    spread = arms([ratio for _, ratio in bars])
    axes.barh(places, medians, xerr=spread, color=[COLOURS[row.kind] for row, _ in bars], ecolor="#333333", height=0.72)
    axes.set_yticks(places, [row.name for row, _ in bars], fontsize=8)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1, color="#555555", linewidth=0.8)
    axes.set_xlim(min(0.5, *medians) * 0.8, max(ends) * 2.5)
    for place, end, median in zip(places, ends, medians, strict=True):
        axes.text(end * 1.08, place, format_quotient(median), va="center", fontsize=7)
    titled(axes, fill(heat.title, TITLE_WIDTH))
    base = "the matrix products alone" if heat.base == FLOOR.name else heat.base
    axes.set_xlabel(f"time over that of {base}", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    tidy(axes)
