"""A drawing of a network's layers, as SVG for a notebook or with matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import hypot, isnan
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.display.figures import axes_for
from formulations.display.html import Html

__all__ = ["Layer", "draw_layers", "layers_svg"]

NEURONS = 8
"""A wider layer is drawn as its first three and last three neurons."""

LAYERS = 10
"""A deeper network is drawn as its first five and last five layers."""

COLUMN, ROW, RADIUS, LABELS = 120.0, 34.0, 11.0, 44.0
"""The distances of layers and of neurons, the radius of a neuron, and the height of the labels, in pixels."""

LETTERS = 17
"""A longer name is cut."""

POSITIVE, NEGATIVE, GREY = "#3f83d1", "#d2703a", "#888888"
"""The colours of weights, which suit light and dark backgrounds."""


@dataclass(frozen=True)
class Layer:
    """What is drawn of a layer.

    Attributes
    ----------
    size : int
        The number of neurons.
    name : str
        The name of its activation, or ``"input"``.
    weights : ndarray of shape (size, size of the layer before), or None
        Its weights, NaN where a sparse matrix has no entry. None if they are not shown: for the input, and if one of
        the two layers is too wide.
    """

    size: int
    name: str
    weights: Array | None = None

    @property
    def whole(self) -> bool:
        """Whether all its neurons are drawn."""
        return self.size <= NEURONS


@dataclass(frozen=True)
class _Column:
    """A layer in its place, or three dots for the layers left out."""

    x: float
    number: int = 0
    layer: Layer | None = None

    @property
    def neurons(self) -> list[tuple[int, float]]:
        """The index and height of each neuron that is drawn."""
        if self.layer is None:
            return []
        n = self.layer.size
        if self.layer.whole:
            return [(j, ROW * (j - (n - 1) / 2)) for j in range(n)]
        # Dots take the place of one neuron.
        return [
            (j, ROW * place) for j, place in zip([0, 1, 2, n - 3, n - 2, n - 1], [-3, -2, -1, 1, 2, 3], strict=True)
        ]

    @property
    def dots(self) -> list[tuple[float, float]]:
        """The dots for what is left out."""
        if self.layer is None:
            return [(self.x + step, 0.0) for step in (-8, 0, 8)]
        return [] if self.layer.whole else [(self.x, float(step)) for step in (-8, 0, 8)]

    @property
    def name(self) -> str:
        name = "" if self.layer is None else self.layer.name
        return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"


@dataclass(frozen=True)
class _Line:
    """A weight, from edge to edge of two neurons; its share of the layer's largest, or None if it is not shown."""

    start: tuple[float, float]
    end: tuple[float, float]
    share: float | None

    @property
    def colour(self) -> str:
        return GREY if self.share is None else POSITIVE if self.share >= 0 else NEGATIVE

    @property
    def width(self) -> float:
        return 0.5 if self.share is None else 0.5 + 2 * abs(self.share)


def _columns(layers: Sequence[Layer]) -> list[_Column]:
    numbered: list[tuple[int, Layer | None]] = [*enumerate(layers, start=1)]
    if len(layers) > LAYERS:
        numbered[LAYERS // 2 : -LAYERS // 2] = [(0, None)]
    return [_Column(COLUMN * (i + 0.5), number, layer) for i, (number, layer) in enumerate(numbered)]


def _lines(columns: Sequence[_Column]) -> Iterator[_Line]:
    for before, after in pairwise(columns):
        weights = None if after.layer is None else after.layer.weights
        largest = 0.0 if weights is None else float(np.nanmax(np.abs(weights), initial=0.0))
        for j, y in after.neurons:
            for k, y_before in before.neurons:
                share = None
                if weights is not None:
                    share = float(weights[j, k]) / (largest or 1.0)
                    if isnan(share):
                        continue
                slant = RADIUS / hypot(after.x - before.x, y - y_before)
                dx, dy = slant * (after.x - before.x), slant * (y - y_before)
                yield _Line((before.x + dx, y_before + dy), (after.x - dx, y - dy), share)


def _half_height(columns: Sequence[_Column]) -> float:
    return max(y for column in columns for _, y in column.neurons) + RADIUS + 2


def layers_svg(layers: Sequence[Layer]) -> Html:
    """Return the drawing as SVG, whose text has the colour of the text around it.

    Parameters
    ----------
    layers : sequence of Layer
        From the input on.
    """
    columns = _columns(layers)
    half = _half_height(columns)
    width, height = COLUMN * len(columns), 2 * half + LABELS
    parts = [
        f'<line x1="{line.start[0]:.1f}" y1="{half + line.start[1]:.1f}" x2="{line.end[0]:.1f}" '
        f'y2="{half + line.end[1]:.1f}" stroke="{line.colour}" stroke-width="{line.width:.2f}"/>'
        for line in _lines(columns)
    ]
    for column in columns:
        parts += [
            f'<circle cx="{column.x:g}" cy="{half + y:g}" r="{RADIUS:g}" fill="currentColor" fill-opacity=".08" '
            'stroke="currentColor"/>'
            for _, y in column.neurons
        ]
        parts += [f'<circle cx="{x:g}" cy="{half + y:g}" r="1.6" fill="currentColor"/>' for x, y in column.dots]
        if column.layer is not None:
            parts.append(f'<text x="{column.x:g}" y="{2 * half + 18:g}">{column.layer.size}</text>')
            parts.append(
                f'<text class="fv-faint" x="{column.x:g}" y="{2 * half + 36:g}">{escape(column.name)}'
                f"<title>layer {column.number}: {escape(column.layer.name)}</title></text>"
            )
    described = escape("A network with layers of " + ", ".join(str(layer.size) for layer in layers) + " neurons")
    return Html(
        f'<div class="fv-wide"><svg width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}" '
        f'role="img" aria-label="{described}">\n' + "\n".join(parts) + "\n</svg></div>"
    )


def draw_layers(layers: Sequence[Layer], title: str, ax: Any = None) -> Any:
    """Draw the layers with Matplotlib.

    Parameters
    ----------
    layers : sequence of Layer
        From the input on.
    title : str
        The title.
    ax : matplotlib Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib Figure
        The new figure, or that of ``ax``.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    columns = _columns(layers)
    half = _half_height(columns)
    # 90 pixels an inch suit the widths of lines and the size of letters.
    axes = axes_for(ax, max(COLUMN * len(columns) / 90, 4.0), (2 * half + LABELS) / 90 + 0.4, title)
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Circle

    lines = [*_lines(columns)]
    segments = [(line.start, line.end) for line in lines]
    colours, widths = [line.colour for line in lines], [line.width for line in lines]
    axes.add_collection(LineCollection(segments, colors=colours, linewidths=widths))
    for column in columns:
        for _, y in column.neurons:
            axes.add_patch(Circle((column.x, y), RADIUS, facecolor="#f4f4f4", edgecolor="#333333"))
        for x, y in column.dots:
            axes.add_patch(Circle((x, y), 1.6, facecolor="#333333", edgecolor="none"))
        if column.layer is not None:
            text = f"{column.layer.size}\n{column.name}"
            axes.text(column.x, half + 4, text, ha="center", va="top", fontsize=9, linespacing=1.4)
    axes.set_xlim(0, COLUMN * len(columns))
    axes.set_ylim(half + LABELS, -half)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return axes.figure
