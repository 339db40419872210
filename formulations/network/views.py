"""How a notebook shows a network, a gradient and a tape.

The classes import this module when they are shown: HTML and drawings would make the first gradient of a program slower.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array, euclidean_norm, format_dtype, quiet
from formulations.display import (
    Html,
    Layer,
    counted,
    draw_by_layer,
    draw_layers,
    html_table,
    html_text,
    html_view,
    layers_svg,
)
from formulations.network.gradients import Gradient
from formulations.network.network import Network
from formulations.network.tape import Tape

__all__ = ["draw_gradient", "draw_network", "gradient_html", "network_drawing", "network_html", "tape_html"]

LINES = "lines: weights, blue if positive, orange if negative, as wide as their share of the layer's largest"


@quiet
def network_html(net: Network) -> str:
    """Return the layers as a drawing, with the dtype and the number of parameters."""
    layout = net.layout
    kind = "sparse " if layout.is_sparse else ""
    said = f"{format_dtype(net.dtype)}, {counted(layout.count, 'parameter')}"
    counts = f"{kind}weights: {layout.weight_count}, biases: {layout.neuron_count}"
    return html_view(
        html_text(f"Network {layout}, {net.activation_names}", "title"),
        network_drawing(net),
        html_text(f"{said} ({counts})", "small"),
    )


def network_drawing(net: Network) -> Html:
    """Return the drawing of the layers, with the meaning of its lines if they show weights."""
    layers = _layers(net)
    shown = any(layer.weights is not None for layer in layers)
    return Html(layers_svg(layers) + (html_text(LINES, "small") if shown else ""))


def draw_network(net: Network, ax: Any) -> Any:
    """Return the figure of :meth:`Network.plot`."""
    title = f"{net.layout}, {counted(net.layout.count, 'parameter')}"
    return draw_layers(_layers(net), title, ax)


def _layers(net: Network) -> list[Layer]:
    layers = [Layer(net.sizes[0], "input")]
    for i, (size, activation) in enumerate(zip(net.sizes[1:], net.activations, strict=True)):
        layer = Layer(size, activation.name)
        if layer.whole and layers[-1].whole:
            layer = Layer(size, activation.name, _dense(net, i))
        layers.append(layer)
    return layers


def _dense(net: Network, i: int) -> Array:
    """Return a layer's weights, with NaN where a sparse matrix has no entry."""
    pattern = net.layout.patterns[i]
    if pattern is None:
        dense: Array = net.weights[i]
        return dense
    found = np.full(net.layout.shapes[i], np.nan)
    found[pattern.rows, pattern.indices] = net.sparse_entries(i)
    return found


def _norms(gradient: Gradient) -> dict[str, list[float]]:
    """Return the norms of each layer; those of δ are absent if the backend does not compute it."""
    layout = gradient.layout
    parts = [[gradient.vector[part] for part in pair] for pair in layout.slices]
    found = {
        "‖∂C/∂w‖": [euclidean_norm(weights) for weights, _ in parts],
        "‖∂C/∂b‖": [euclidean_norm(biases) for _, biases in parts],
    }
    return found if gradient.errors is None else {**found, "‖δ‖": [euclidean_norm(delta) for delta in gradient.errors]}


@quiet
def gradient_html(gradient: Gradient) -> str:
    """Return a table of the layers: shapes and norms."""
    norms = _norms(gradient)
    rows = [
        [str(i + 2), f"{shape[0]} × {shape[1]}", *(f"{line[i]:.3g}" for line in norms.values())]
        for i, shape in enumerate(gradient.layout.shapes)
    ]
    said = [] if gradient.cost is None else [f"cost {gradient.cost:.6g}"]
    said.append(format_dtype(gradient.dtype))
    if gradient.forward_passes:
        said.append(f"forward passes: {gradient.forward_passes}")
    return html_view(
        html_text(_title(gradient), "title"),
        html_table(["layer", "shape of w", *norms], rows, right=range(len(norms) + 2)),
        html_text(", ".join(said), "small"),
    )


def _title(gradient: Gradient) -> str:
    return f"Gradient of {gradient.layout} by {gradient.backend or 'hand'}"


def draw_gradient(gradient: Gradient, ax: Any) -> Any:
    """Return the figure of :meth:`Gradient.plot`."""
    norms = _norms(gradient)
    del norms["‖∂C/∂b‖"]
    return draw_by_layer(norms, _title(gradient), ax)


@quiet
def tape_html(tape: Tape) -> str:
    """Return a table of the layers: the ranges of z, a and σ′."""
    title = html_text(f"Tape of {counted(tape.m, 'example')} through {tape.network.layout}", "title")
    if not tape.forward_passes:
        return html_view(title, html_text("It has not recorded a forward pass yet.", "small"))
    # Backends that need no slope leave them unset.
    slopes = vars(tape).get("slopes")
    rows = [["1", "input", str(tape.network.sizes[0]), "", _range(tape.X), ""]]
    for i, (activation, z, a) in enumerate(
        zip(tape.network.activations, tape.weighted_inputs, tape.activations[1:], strict=True)
    ):
        slope = "" if slopes is None else "a matrix" if activation.coupled else _range(slopes[i])
        rows.append([str(i + 2), activation.name, str(z.shape[1]), _range(z), _range(a), slope])
    header = ["layer", "activation", "neurons", "z", "a", "σ′(z)"]
    if slopes is None:
        header, rows = header[:-1], [row[:-1] for row in rows]
    said = [format_dtype(tape.network.dtype)]
    if tape.cost is not None and tape.cost_value is not None:
        said.insert(0, f"{tape.cost.name} cost {tape.cost_value:.6g}")
    return html_view(title, html_table(header, rows, right=[0, 2]), html_text(", ".join(said), "small"))


def _range(array: Array) -> str:
    """Format the smallest and the largest entry."""
    low, high = array.min(), array.max()
    return f"{low:.3g}" if low == high else f"{low:.3g} … {high:.3g}"
