"""The picture of growth: backward over forward, and time over the number of weights with the slopes written in."""

from __future__ import annotations

from typing import Any

from formulations.comparison.experiments.growth_result import MILLION, Curve, Growth
from formulations.display import (
    BLUE,
    GREEN,
    INK,
    OCHRE,
    PURPLE,
    RED,
    RUST,
    SLATE,
    arms,
    counted,
    new_figure,
    tidy,
    titled,
)
from formulations.exceptions import InvalidInput

__all__ = ["draw_growth"]

COLOURS = (BLUE, GREEN, PURPLE, OCHRE, RUST, RED, SLATE)


def draw_growth(growth: Growth) -> Any:
    """Return the figure: measured beside predicted at the left, and the curves on logarithmic axes at the right.

    Raises
    ------
    InvalidInput
        Where no backend has a curve.
    MissingExtra
        Where matplotlib is not installed.
    """
    if not growth.curves:
        raise InvalidInput("a plot needs times, and no backend was timed; measure others, or give them more seconds.")
    figure = new_figure(12.5, 5.2)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.7])
    _draw_backward(left, growth)
    for i, curve in enumerate(growth.curves):
        _draw_curve(right, curve, COLOURS[i % len(COLOURS)])
    right.axvline(MILLION, color=INK, linestyle=":", linewidth=1)
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
    places = range(len(rows))
    axes.plot([row.counted for row in rows], places, "D", color=RUST, markersize=5, label="multiplications counted")
    measured = [row.measured for row in rows]
    medians = [ratio.median for ratio in measured]
    axes.errorbar(medians, places, xerr=arms(measured), fmt="o", color=BLUE, capsize=3, label="time measured")
    axes.set_yticks(places, [row.layers for row in rows], fontsize=8)
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
