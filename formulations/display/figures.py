"""Figures, drawn with matplotlib without its global state."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from formulations.arrays import Array, check_writable, replaced
from formulations.display.ratios import Ratio
from formulations.exceptions import InvalidInput, needs

__all__ = ["Colour", "arms", "check_plot", "heat_map", "new_figure", "save_figure", "tidy", "titled"]


class Colour(StrEnum):
    """The colours of figures: first those of lines and marks, distinguishable in print.

    Colour-blind readers can tell the first two apart. INK draws what was not measured, PALE the grid.
    """

    BLUE = "#1f5fa8"
    RUST = "#b0541e"
    GREEN = "#3b8a3e"
    PURPLE = "#7a4fa3"
    RED = "#a8324a"
    SLATE = "#5a7d8c"
    OCHRE = "#8c6d1f"
    INK = "#666666"
    PALE = "#e6e6e6"


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure; width and height are in inches.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    needs("plot", "matplotlib", "a plot")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def check_plot(path: str) -> None:
    """Refuse a path to which no plot can be written, before anything is computed.

    Raises
    ------
    InvalidInput
        If the suffix is not that of a format, or the file cannot be written.
    MissingExtra
        If matplotlib is not installed.
    """
    formats = sorted(new_figure(1, 1).canvas.get_supported_filetypes())
    if _suffix(path) not in formats:
        raise InvalidInput(f"the file of a plot must end in one of {', '.join(formats)}, got {path!r}; try plot.png.")
    check_writable(path)


def save_figure(figure: Any, path: str) -> None:
    """Write a figure in the format given by the suffix of the path.

    Raises
    ------
    InvalidInput
        If the suffix is not that of a format, or the file cannot be written.
    """
    check_plot(path)
    with replaced(path) as file:
        figure.savefig(file, dpi=150, format=_suffix(path))


def _suffix(path: str) -> str:
    return Path(path).suffix.removeprefix(".").lower()


def tidy(axes: Any, grid: str = "") -> None:
    """Remove the top and right spines, and draw a grid along ``"x"``, ``"y"`` or ``"both"``."""
    if grid:
        axes.grid(visible=True, which="major", axis=grid, color=Colour.PALE, linewidth=0.8)
        axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def titled(axes: Any, title: str) -> None:
    """Set a left-aligned title."""
    axes.set_title(title, loc="left", fontsize=10)


def arms(ratios: Sequence[Ratio]) -> list[list[float]]:
    """Return the distances of the quartiles below and above the medians, as error bars need them."""
    return [[ratio.median - ratio.lower for ratio in ratios], [ratio.upper - ratio.median for ratio in ratios]]


def heat_map(labels: Sequence[str], ratios: Array, title: str) -> Any:
    """Return a figure of a symmetric matrix of ratios: blue below 1, red above, on a logarithmic scale.

    Parameters
    ----------
    labels : sequence of str
        Labels of the rows and columns.
    ratios : ndarray of shape (n, n)
        At least 0; 0 and infinity take the colours at the ends of the scale.
    title : str
        The title.
    """
    n = len(labels)
    figure = new_figure(2.6 + 0.5 * n, 1.9 + 0.5 * n)
    from matplotlib.colors import TwoSlopeNorm

    with np.errstate(divide="ignore"):
        # Ratios beyond 1000 or below 0.001 share a colour.
        exponents = np.clip(np.log10(ratios), -3, 3)
    np.fill_diagonal(exponents, np.nan)
    axes = figure.subplots()
    image = axes.imshow(exponents, cmap="RdBu_r", norm=TwoSlopeNorm(0, -3, 3))
    axes.set_xticks(range(n), labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(n), labels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    titled(axes, title)
    for i, row in enumerate(ratios):
        for j, ratio in enumerate(row):
            if i != j:
                ink = "white" if abs(exponents[i, j]) > 1.8 else "black"
                axes.text(j, i, f"{ratio:.1g}", ha="center", va="center", fontsize=7, color=ink)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, ticks=[-3, -2, -1, 0, 1, 2, 3])
    bar.ax.set_yticklabels(["≤ 0.001", "0.01", "0.1", "1: the bound", "10", "100", "≥ 1000"])
    bar.set_label("largest difference over both bounds")
    bar.outline.set_visible(False)
    return figure
