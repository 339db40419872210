"""The picture of scale: time per example and memory, over the number of examples."""

from __future__ import annotations

from typing import Any

from formulations.comparison.experiments.scale_result import TOLERANCE, Scale
from formulations.display import BLUE, INK, RUST, arms, new_figure, tidy, titled

__all__ = ["draw_scale"]

BAND = "#c9dcf2"


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
    right.plot(examples, whole, "--", color=RUST, label="in one batch, predicted")
    right.plot(examples, [row.data_bytes / 1e6 for row in scale.rows], ":", color=INK, label="X and Y on disk")
    peaks = [row.peak_bytes / 1e6 for row in scale.rows]
    right.plot(examples, peaks, "o-", color=BLUE, label="allocated at most")
    right.set_yscale("log")
    titled(right, "memory, MB")
    _draw_times(left, scale, examples)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        axes.set_xlabel("examples")
        tidy(axes, "both")
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
    axes.errorbar(examples, times, arms(per_example), fmt="o-", color=BLUE, capsize=3, label="median, quartiles")
    axes.set_yticks([power * digit for power in (1, 10, 100, 1000, 10000) for digit in (1, 2, 5)])
    axes.set_ylim(min(times) / 3, max(times) * 3)
    titled(axes, "time per example, ns")
