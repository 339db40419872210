"""The picture of scale: time per example and memory, over the number of examples."""

from __future__ import annotations

from typing import Any

from formulations.bench.scale import TOLERANCE, Scale
from formulations.plots import arms, new_figure

__all__ = ["draw_scale"]

MEASURED, BAND, ELSE = "#1f5fa8", "#c9dcf2", "#b0541e"


def draw_scale(scale: Scale) -> Any:
    """Return the figure of a measurement, both axes logarithmic.

    Raises
    ------
    MissingExtra
        Where matplotlib is not installed.
    """
    figure = new_figure(9.5, 3.9)
    figure.suptitle(scale.title, fontsize=10, x=0.01, ha="left")
    left, right = figure.subplots(1, 2)
    examples = [row.examples for row in scale.rows]
    whole = [row.one_batch_bytes / 1e6 for row in scale.rows]
    right.plot(examples, whole, "--", color=ELSE, label="in one batch, predicted")
    right.plot(examples, [row.data_bytes / 1e6 for row in scale.rows], ":", color="#666666", label="X and Y on disk")
    peaks = [row.peak_bytes / 1e6 for row in scale.rows]
    right.plot(examples, peaks, "o-", color=MEASURED, label="allocated at most")
    right.set_yscale("log")
    right.set_title("memory, MB", loc="left", fontsize=10)
    _draw_times(left, scale, examples)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        axes.set_xlabel("examples")
        axes.grid(visible=True, which="major", color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="best")
    return figure


def _draw_times(axes: Any, scale: Scale, examples: list[int]) -> None:
    axes.set_yscale("log")
    base = next(row.seconds for row in scale.rows if row.examples == scale.baseline) * 1e9
    # Ratios are of one round each, and so more certain than the medians of times.
    per_example = [row.ratio * base for row in scale.rows]
    times = [time.median for time in per_example]
    axes.axhspan(
        base * (1 - TOLERANCE), base * (1 + TOLERANCE), color=BAND, linewidth=0,
        label=f"within {TOLERANCE:.0%} of {scale.baseline:,} examples",
    )  # fmt: skip
    axes.errorbar(examples, times, arms(per_example), fmt="o-", color=MEASURED, capsize=3, label="median, quartiles")
    axes.set_yticks([power * digit for power in (1, 10, 100, 1000, 10000) for digit in (1, 2, 5)])
    axes.set_ylim(min(times) / 3, max(times) * 3)
    axes.set_title("time per example, ns", loc="left", fontsize=10)
