"""Figures, drawn with matplotlib without its global state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from formulations.arrays import Array, check_writable, quiet, replaced
from formulations.display.ratios import Ratio
from formulations.exceptions import InvalidInput, WrongType, needs

__all__ = [
    "Colour",
    "arms",
    "axes_for",
    "check_plot",
    "draw_by_layer",
    "draw_predictions",
    "draw_training",
    "heat_map",
    "new_figure",
    "save_figure",
    "tidy",
    "titled",
]


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


LINES = (Colour.BLUE, Colour.RUST, Colour.GREEN, Colour.PURPLE)
"""The colours of the lines of one panel."""

TITLE = 58
"""So many characters of a title fit the narrowest figure."""

CHARACTER = 0.085
"""The width of a character of a title or label, in inches."""

FEW = 40
"""So many points of a curve are marked; more would hide the line."""


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure; width and height are in inches. A notebook displays it, with pyplot or without.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    needs("plot", "matplotlib", "a plot")
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(width, height), layout="constrained")
    figure._repr_png_ = partial(_as_png, figure)
    return figure


@quiet
def _as_png(figure: Any) -> tuple[bytes, dict[str, int]]:
    """Return what IPython asks for: a picture with twice the pixels of its size on a page."""
    file = BytesIO()
    figure.savefig(file, dpi=2 * figure.dpi, format="png")
    return file.getvalue(), {"width": round(figure.bbox.width), "height": round(figure.bbox.height)}


def axes_for(ax: Any, width: float, height: float, title: str) -> Any:
    """Return the axes to draw into, with a title: ``ax``, or those of a new figure if it is None.

    The title of given axes is matplotlib's own, which the caller's ``set_title`` replaces.

    Raises
    ------
    WrongType
        If ``ax`` is not one Axes, for example the array of them that ``subplots`` returns.
    MissingExtra
        If matplotlib is not installed.
    """
    needs("plot", "matplotlib", "a plot")
    from matplotlib.axes import Axes

    axes = new_figure(width, height).subplots() if ax is None else ax
    if not isinstance(axes, Axes):
        raise WrongType(f"ax must be a matplotlib Axes, got {type(ax).__name__}; pass one, such as figure.subplots().")
    if ax is None:
        titled(axes, title)
    else:
        axes.set_title(title, fontsize=10)
    return axes


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


def draw_by_layer(norms: Mapping[str, Sequence[float]], title: str, ax: Any = None, *, ylabel: str = "") -> Any:
    """Return a figure with a line for each quantity, from layer 2 on, on a logarithmic scale.

    Parameters
    ----------
    norms : mapping of str to sequence of float
        The norm of each quantity in layers 2 to L. A zero, which the scale does not have, is a hollow mark at its lower
        end; what is not finite is not drawn.
    title : str
        The title; wrapped to the width of a new figure.
    ax : matplotlib Axes, optional
        Where to draw; by default in a new figure.
    ylabel : str
        What the axis shows, if all lines show the same.
    """
    axes = axes_for(ax, 5.4, 3.4, fill(title, TITLE) if ax is None else title)
    for (name, line), colour, sign in zip(norms.items(), LINES, "os^v", strict=False):
        drawn = [norm if 0 < norm < np.inf else np.nan for norm in map(float, line)]
        axes.plot(range(2, len(drawn) + 2), drawn, f"{sign}-", color=colour, label=name, markersize=5)
    layers = max(len(line) for line in norms.values())
    axes.set_yscale("log")
    _mark_zeros(axes, norms)
    axes.set_xticks(range(2, layers + 2)) if layers <= 12 else axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("layer")
    axes.set_ylabel(ylabel)
    axes.legend(frameon=False)
    tidy(axes, "y")
    return axes.figure


def _mark_zeros(axes: Any, norms: Mapping[str, Sequence[float]]) -> None:
    """Mark zeros at the lower end of the axis, hollow."""
    zeros = [[i for i, norm in enumerate(line, start=2) if norm == 0] for line in norms.values()]
    label = "0"
    for numbers, colour, sign, size in zip(zeros, LINES, "os^v", (5, 7, 9, 11), strict=False):
        if numbers:
            # The sizes differ, so that marks in one place are all seen.
            axes.plot(
                numbers, [0] * len(numbers), sign, transform=axes.get_xaxis_transform(), color=colour, label=label,
                markersize=size, markerfacecolor="none", clip_on=False,
            )  # fmt: skip
            label = "_"


def draw_training(
    costs: Mapping[str, Sequence[float]],
    accuracies: Mapping[str, Sequence[float]],
    title: str,
    ax: Any = None,
    *,
    best: int | None = None,
) -> Any:
    """Return a figure of the cost of each epoch, and next to it the accuracy if there is any.

    Parameters
    ----------
    costs, accuracies : mapping of str to sequence of float
        The name of each curve, and its value after each epoch.
    title : str
        The title.
    ax : matplotlib Axes, optional
        Where to draw the costs alone; by default both are drawn in a new figure.
    best : int, optional
        The epoch whose parameters the network has, if it is not the last one.
    """
    if ax is not None or not accuracies:
        axes = axes_for(ax, 5.4, 3.4, title)
        _draw_curves(axes, costs, "cost", best)
        return axes.figure
    figure = new_figure(9.6, 3.4)
    from matplotlib.ticker import PercentFormatter

    left, right = figure.subplots(1, 2)
    titled(left, title)
    _draw_curves(left, costs, "cost", best)
    _draw_curves(right, accuracies, "accuracy", best)
    right.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    return figure


def _draw_curves(axes: Any, curves: Mapping[str, Sequence[float]], up: str, best: int | None) -> None:
    for (name, curve), colour in zip(curves.items(), LINES, strict=False):
        style = "o-" if len(curve) <= FEW else "-"
        axes.plot(range(1, len(curve) + 1), curve, style, color=colour, label=name, markersize=3.5)
    if best is not None:
        axes.axvline(best, linestyle=":", color=Colour.INK, linewidth=1, label="kept")
    values = [value for curve in curves.values() for value in curve]
    if up == "cost" and values and min(values) > 0 and max(values) > 20 * min(values):
        axes.set_yscale("log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("epoch")
    axes.set_ylabel(up)
    axes.legend(frameon=False)
    tidy(axes, "y")


def draw_predictions(known: Array, predicted: Array, name: str, title: str) -> Any:
    """Return a figure of predicted over known numbers, with the line on which they are equal.

    Parameters
    ----------
    known, predicted : ndarray of shape (m,) or (m, n)
        The numbers; each column has its colour.
    name : str
        What they are, or an empty string.
    title : str
        The title.
    """
    axes = axes_for(None, 4.8, 4.6, title)
    from matplotlib.ticker import EngFormatter, MaxNLocator

    x, y = (each.reshape(len(each), -1).astype(float) for each in (known, predicted))
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    axes.plot([low, high], [low, high], color=Colour.INK, linewidth=1)
    for j in range(x.shape[1]):
        axes.plot(x[:, j], y[:, j], "o", color=LINES[j % len(LINES)], markersize=3.5, alpha=0.6)
    size = max(abs(low), abs(high))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
        if not 1e-2 <= size < 1e4:
            axis.set_major_formatter(EngFormatter())
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(f"known {name}".strip())
    axes.set_ylabel(f"predicted {name}".strip())
    tidy(axes, "both")
    return axes.figure


def heat_map(
    labels: Sequence[str], ratios: Array, title: str, ax: Any = None, *, write: Callable[[float], str] = str
) -> Any:
    """Return a figure of a symmetric matrix of ratios: blue below 1, red above, on a logarithmic scale.

    Parameters
    ----------
    labels : sequence of str
        Labels of the rows and columns.
    ratios : ndarray of shape (n, n)
        At least 0; 0 and infinity take the colours at the ends of the scale.
    title : str
        The title.
    ax : matplotlib Axes, optional
        Where to draw; by default in a new figure, as large as the labels need.
    write : callable
        Writes a ratio in a few characters.
    """
    n = len(labels)
    # In inches; the labels of the columns are turned by 45°.
    side, longest = max(1.6, 0.5 * n), CHARACTER * max(map(len, labels))
    width = longest + side + 1.9
    wrapped = fill(title, int(width / CHARACTER))
    height = 0.75 * longest + side + 0.2 * wrapped.count("\n") + 0.7
    axes = axes_for(ax, width, height, "" if ax is None else title)
    figure = axes.figure
    if ax is None:
        # Above the labels, too, since the matrix is narrow.
        figure.suptitle(wrapped, x=0.02, ha="left", fontsize=10)
    from matplotlib.colors import TwoSlopeNorm

    with np.errstate(divide="ignore"):
        # Ratios beyond 1000 or below 0.001 share a colour.
        exponents = np.clip(np.log10(ratios), -3, 3)
    np.fill_diagonal(exponents, np.nan)
    image = axes.imshow(exponents, cmap="RdBu_r", norm=TwoSlopeNorm(0, -3, 3))
    axes.set_xticks(range(n), labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(n), labels)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for i, row in enumerate(ratios):
        for j, ratio in enumerate(row):
            if i != j:
                ink = "white" if abs(exponents[i, j]) > 1.8 else "black"
                axes.text(j, i, write(ratio), ha="center", va="center", fontsize=7, color=ink)
    # Within the axes, so that it is as tall as the matrix.
    scale = axes.inset_axes((1 + 0.12 / side, 0, 0.15 / side, 1))
    bar = figure.colorbar(image, cax=scale, ticks=[-3, -2, -1, 0, 1, 2, 3])
    bar.ax.set_yticklabels(["≤ 0.001", "0.01", "0.1", "1", "10", "100", "≥ 1000"])
    bar.set_label("largest difference\nover both bounds")
    bar.outline.set_visible(False)
    return figure
