"""Plots: the one file that draws, with matplotlib and without its global state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from formulations.arrays import Array, check_writable, replaced
from formulations.display.ratios import Ratio
from formulations.exceptions import InvalidInput, needs

__all__ = ["arms", "check_plot", "heat_map", "new_figure", "save_figure", "tidy", "titled"]

BLUE, RUST, GREEN, PURPLE, RED, SLATE, OCHRE = (
    "#1f5fa8", "#b0541e", "#3b8a3e", "#7a4fa3", "#a8324a", "#5a7d8c", "#8c6d1f",
)  # fmt: skip
"""Told apart on paper too; the first two by everybody."""
INK, PALE = "#666666", "#e6e6e6"
"""Of what is not measured, and of the grid behind everything."""


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of so many inches.

    Raises
    ------
    MissingExtra
        Where matplotlib is not installed.
    """
    needs("plot", "matplotlib", "a plot")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def check_plot(path: str) -> None:
    """Refuse a path that no plot can be written to, before it is computed.

    Raises
    ------
    InvalidInput
        Where the suffix names no format, or the file cannot be written.
    MissingExtra
        Where matplotlib is not installed.
    """
    formats = sorted(new_figure(1, 1).canvas.get_supported_filetypes())
    if _suffix(path) not in formats:
        raise InvalidInput(f"a plot's file must end in one of {', '.join(formats)}, got {path!r}; try plot.png.")
    check_writable(path)


def save_figure(figure: Any, path: str) -> None:
    """Write a figure, in the format that the path's suffix names.

    Raises
    ------
    InvalidInput
        Where the suffix names no format, or the file cannot be written.
    """
    check_plot(path)
    with replaced(path) as file:
        figure.savefig(file, dpi=150, format=_suffix(path))


def _suffix(path: str) -> str:
    return Path(path).suffix.removeprefix(".").lower()


def tidy(axes: Any, grid: str = "") -> None:
    """Remove the frame at the top and the right, and lay a grid behind ``"x"``, ``"y"`` or ``"both"``."""
    if grid:
        axes.grid(visible=True, which="major", axis=grid, color=PALE, linewidth=0.8)
        axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def titled(axes: Any, title: str) -> None:
    """Write a title at the left, above the axes."""
    axes.set_title(title, loc="left", fontsize=10)


def arms(ratios: Sequence[Ratio]) -> list[list[float]]:
    """Return how far the quartiles are below and above their medians, as error bars take them."""
    return [[ratio.median - ratio.lower for ratio in ratios], [ratio.upper - ratio.median for ratio in ratios]]


def heat_map(labels: Sequence[str], ratios: Array, title: str) -> Any:
    """Return the figure of a symmetric matrix of ratios: blue below 1, red above, on a logarithmic scale.

    Parameters
    ----------
    labels : sequence of str
        Of rows and columns.
    ratios : ndarray of shape (n, n)
        At least 0; 0 and infinity take the ends of the scale.
    title : str
        Above it.
    """
    n = len(labels)
    figure = new_figure(2.6 + 0.5 * n, 1.9 + 0.5 * n)
    from matplotlib.colors import TwoSlopeNorm

    with np.errstate(divide="ignore"):
        # Beyond a thousand times the bound there is nothing more to tell, nor below a thousandth of it.
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
