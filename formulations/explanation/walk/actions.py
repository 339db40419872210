"""What a reader does to a scene; all arithmetic is the library's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import (
    items,
    positive_integer,
    positive_number,
    random_generator,
)
from formulations.data import unit_vectors
from formulations.exceptions import InvalidInput, NotFinite, UnknownName, WrongType, described
from formulations.explanation.walk.faults import plant
from formulations.explanation.walk.scene import Scene, check_keys, check_layers, check_size, is_finite_number
from formulations.functions import LogLikelihood
from formulations.network import Network
from formulations.plans import gradient_of_batch

__all__ = ["act"]

QUANTITIES = ("w", "b", "z", "x", "y")


def act(scene: Scene, action: Any) -> Scene:
    """Return the scene after an action.

    Parameters
    ----------
    scene : Scene
        The scene, which does not change.
    action : dict or None
        ``{"name": "move", "quantity": "w", "layer": 2, "index": [1, 2], "value": 0.3}``, ``{"name": "step", "rate":
        0.5}``, or ``{"name": "random", "seed": 1, "sizes": [2, 3, 2]}``.

    Raises
    ------
    InvalidInput
        If it does not fit the scene.
    WrongType
        If it is not such an object.
    UnknownName
        If the action, one of its keys or a quantity has another name.
    NotFinite
        If a parameter would be infinite.
    Refused
        If the new network is too large, or cannot have the mistake that is planted.
    """
    if action is None:
        return scene
    if not isinstance(action, Mapping) or "name" not in action:
        raise WrongType(f"an action must be an object with a name, got {described(action)}; pass one.")
    name = action["name"]
    if not isinstance(name, str) or name not in ACTIONS:
        raise UnknownName("action", name, ACTIONS)
    function, required, optional = ACTIONS[name]
    check_keys(action, f"the action {name!r}", ("name", *required, *optional), required)
    return function(scene, action)


def _move(scene: Scene, action: Mapping[str, Any]) -> Scene:
    """Give one number another value; moving z^l_j changes b^l_j."""
    quantity, value = action["quantity"], _finite(action["value"])
    if not isinstance(quantity, str) or quantity not in QUANTITIES:
        raise UnknownName("quantity", quantity, QUANTITIES)
    index = [positive_integer(i, "an index") for i in items(action["index"], "index", "[1, 2]")]
    if quantity in ("x", "y"):
        moved = (scene.X if quantity == "x" else scene.Y).copy()
        _check_end(scene, action)
        j, example = _place(index, (moved.shape[1], len(moved)), quantity, optional=True)
        moved[example, j] = value
        X, Y = (moved, scene.Y) if quantity == "x" else (scene.X, moved)
        # The cost may ask for targets of a kind.
        batch = scene.network.check_examples(X, Y, cost=scene.cost)
        return replace(scene, X=batch.X, Y=batch.Y)
    network, l = scene.network.copy(), _layer(scene, action)
    if quantity == "w":
        j, k = _place(index, network.layout.shapes[l - 2], "w")
        _set_weight(network, l, j, k, value)
    elif quantity == "b":
        (j,) = _place(index, (network.sizes[l - 1],), "b")
        network.biases[l - 2][j] = value
    else:
        z = network.record(scene.batch).weighted_inputs[l - 2]
        j, example = _place(index, (z.shape[1], len(z)), "z", optional=True)
        network.biases[l - 2][j] += value - z[example, j]
    return _with_network(scene, network)


def _finite(value: Any) -> float:
    if not is_finite_number(value):
        raise InvalidInput(f"a value must be a finite number, got {described(value)}; pass one such as 0.5.")
    return float(value)


def _layer(scene: Scene, action: Mapping[str, Any]) -> int:
    last, l = scene.network.layout.last, action.get("layer")
    if type(l) is not int or not 2 <= l <= last:
        raise InvalidInput(
            f"a layer with weights and biases is one of 2 to {last}, got {described(l)}; pass one of them."
        )
    return l


def _check_end(scene: Scene, action: Mapping[str, Any]) -> None:
    """Refuse a layer that x, of layer 1, or y, of the last one, does not belong to."""
    quantity = action["quantity"]
    end = 1 if quantity == "x" else scene.network.layout.last
    l = action.get("layer", end)
    if type(l) is not int or l != end:
        raise InvalidInput(f"{quantity} belongs to layer {end}, got layer {described(l)}; pass {end}, or no layer.")


def _place(index: list[int], shape: tuple[int, ...], name: str, *, optional: bool = False) -> tuple[int, ...]:
    """Return indices counted from 0; if the last one is optional, it is 1 by default."""
    given = [*index, 1] if optional and len(index) == len(shape) - 1 else index
    if len(given) != len(shape) or any(i > n for i, n in zip(given, shape, strict=True)):
        largest = ", ".join(map(str, shape))
        raise InvalidInput(f"the indices of {name} go from 1 to {largest}, got {described(index)}; count from 1.")
    return tuple(i - 1 for i in given)


def _set_weight(network: Network, l: int, j: int, k: int, value: float) -> None:
    w = network.weights[l - 2]
    if not issparse(w):
        w[j, k] = value
        return
    start, end = w.indptr[j], w.indptr[j + 1]
    at = np.flatnonzero(w.indices[start:end] == k)
    if not at.size:
        raise InvalidInput(
            f"a sparse matrix changes only where it stores an entry, and w of layer {l} stores none at {j + 1}, "
            f"{k + 1}; change a stored one."
        )
    w.data[start + at[0]] = value


def _step(scene: Scene, action: Mapping[str, Any]) -> Scene:
    """Take a step of gradient descent, by the gradient of the reader's program if it has a mistake."""
    rate = positive_number(action["rate"], "rate")
    network = scene.network.copy()
    gradient = gradient_of_batch(network, scene.batch, scene.columns[-1 if scene.planted else 0])
    network.vector[...] -= network.dtype.type(rate) * gradient.vector
    return _with_network(scene, network)


def _with_network(scene: Scene, network: Network) -> Scene:
    """Return the scene with another network, whose dtype must hold its parameters."""
    if not np.isfinite(network.vector).all():
        raise NotFinite(
            f"a weight or bias must be finite, and would be larger than {network.dtype} can hold; choose a smaller "
            "value, or a smaller learning rate."
        )
    return replace(scene, network=network)


def _random(scene: Scene, action: Mapping[str, Any]) -> Scene:
    """Draw a network and as many examples as before, of the same seed always the same."""
    seed = action["seed"]
    if type(seed) is not int:
        raise InvalidInput(f"a seed must be an integer, got {described(seed)}; pass one such as 1.")
    sizes = [positive_integer(n, "sizes") for n in items(action["sizes"], "sizes", "[2, 3, 2]")]
    m = len(scene.X)
    check_layers(len(sizes))
    check_size(sum(n * (k + 1) for n, k in zip(sizes[1:], sizes, strict=False)) + m * (sizes[0] + sizes[-1]))
    random, old = random_generator(seed), scene.network
    # Layers keep their activations; new ones get that of the last hidden layer.
    names = list(old.activations)
    hidden, count = names[:-1] or [names[-1]], len(sizes) - 2
    activations = [*(hidden + hidden[-1:] * count)[:count], names[-1]]
    network = Network.random(sizes, activations, seed=random, dtype=old.dtype, init="book")
    X, Y = (random.random((m, n)).astype(old.dtype) for n in (sizes[0], sizes[-1]))
    if isinstance(scene.cost, LogLikelihood):
        Y = unit_vectors(Y.argmax(axis=1), sizes[-1], old.dtype)
    batch = network.check_examples(X, Y, cost=scene.cost)
    planted = scene.planted
    if planted is not None:
        planted = plant(planted.fault.name, planted.layer, network, batch)
    return replace(scene, network=network, X=batch.X, Y=batch.Y, planted=planted)


ACTIONS: dict[str, tuple[Callable[[Scene, Mapping[str, Any]], Scene], tuple[str, ...], tuple[str, ...]]] = {
    "move": (_move, ("quantity", "index", "value"), ("layer",)),
    "step": (_step, ("rate",), ()),
    "random": (_random, ("seed", "sizes"), ()),
}
"""Name → function, and the keys of the action that are required and optional."""
