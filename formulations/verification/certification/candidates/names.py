"""The names of the arrays in a mapping, a module or a file: whose gradient each of them is."""

from __future__ import annotations

import re
from collections.abc import Iterable

from formulations.arrays import Layout
from formulations.display import listed
from formulations.exceptions import InvalidInput

__all__ = ["ACCEPTED", "places_of"]

ACCEPTED = (
    "weights_2, biases_2, weights_3, … with the layers numbered as in the book, 0.weight, 0.bias, … as PyTorch names "
    "them, or vector alone"
)
OWN = re.compile(r"(weights|biases|errors)_(\d{1,9})", re.ASCII)
OTHERS = re.compile(r"(?:(.*)[./])?(weight|kernel|bias)", re.DOTALL)
KINDS = {"weight": "weights", "kernel": "weights", "bias": "biases"}


def places_of(names: Iterable[str], layout: Layout, what: str) -> dict[str, tuple[str, int]]:
    """Return for each name what it is and of which layer, as ``("weights", l − 2)``.

    The names are those of this library, or those of a framework: ``0.weight``, ``net.0.bias``, ``Dense_0/kernel``.
    A framework's layers are taken in the order of their numbers if their names differ in numbers alone, and else in the
    order in which they come; layers without parameters are passed over.

    Parameters
    ----------
    names : iterable of str
        The names.
    layout : Layout
        The layout of the network.
    what : str
        What has these names, for the messages.

    Raises
    ------
    InvalidInput
        If a name is not known, or if the layers are not those of the network.
    """
    found = list(names)
    own = {name: match for name in found if (match := OWN.fullmatch(name))}
    others = {name: match for name in found if (match := OTHERS.fullmatch(name))}
    if not found or len(own) not in (0, len(found)) or len(own) + len(others) != len(found):
        unknown = [name for name in found if name not in own and name not in others] or found
        raise InvalidInput(
            f"{what} must hold {ACCEPTED}, got {listed(unknown) if unknown else 'nothing'}; rename these, or leave out "
            "what is no gradient."
        )
    if own:
        return _distinct({name: (m[1], _index(name, int(m[2]), layout, what)) for name, m in own.items()}, what)
    layers = _ordered(dict.fromkeys(match[1] or "" for match in others.values()))
    if len(layers) != len(layout.shapes):
        raise InvalidInput(
            f"{what} must hold gradients of {len(layout.shapes)} layers, as the network {layout} has, got those of "
            f"{len(layers)}: {listed(layers)}; give None for what has no gradient, and pass the network that they "
            "belong to."
        )
    return _distinct({name: (KINDS[m[2]], layers.index(m[1] or "")) for name, m in others.items()}, what)


def _distinct(places: dict[str, tuple[str, int]], what: str) -> dict[str, tuple[str, int]]:
    """Return the places, after refusing two names of one place."""
    names: dict[tuple[str, int], str] = {}
    for name, place in places.items():
        if place in names:
            raise InvalidInput(f"{what} must hold each gradient once, got {names[place]!r} and {name!r}; drop one.")
        names[place] = name
    return places


def _index(name: str, l: int, layout: Layout, what: str) -> int:
    """Return l − 2 for a layer with parameters."""
    if not 2 <= l <= layout.last:
        raise InvalidInput(
            f"{what} must hold gradients of layers 2 to {layout.last}, got {name}; number the layers as in the book, "
            "where layer 1 is the input."
        )
    return l - 2


def _ordered(layers: Iterable[str]) -> list[str]:
    """Return layers by their numbers if their names differ in nothing else, and else as they come."""
    found = list(layers)
    if len({re.sub(r"\d+", "#", layer, flags=re.ASCII) for layer in found}) > 1:
        return found
    return sorted(found, key=lambda layer: [int(number) for number in re.findall(r"\d{1,9}", layer, re.ASCII)])
