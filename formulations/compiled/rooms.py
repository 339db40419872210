"""The rooms of a tape as flat arrays: what compiled passes are handed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from formulations.compiled.forms import number_of, parameter_of
from formulations.dtypes import Array
from formulations.tape import Tape

__all__ = ["Rooms"]


@dataclass(frozen=True, eq=False)
class Rooms:
    """What does not change from call to call.

    Attributes
    ----------
    numbers, parameters : ndarray of shape (L − 1,)
        Which activation each layer has, and the number that it takes.
    shares : ndarray of shape (m, 1)
        Each example's share where none is given.
    unchanging : tuple
        What the gradient in one compiled call is handed every time: the parameters, ∇_aC, whether the output is
        fused; sizes n₁, …, n_L, where the room of each layer begins, numbers, parameters; and, flat, the rooms of
        z, a, σ′ and δ in all layers.
    """

    numbers: Array
    parameters: Array
    shares: Array
    unchanging: tuple[Any, ...]

    @classmethod
    def of(cls, tape: Tape) -> Self:
        """Return the rooms of a tape."""
        network = tape.network
        numbers = np.array([number_of(activation) for activation in network.activations])
        parameters = np.array([parameter_of(each, network.dtype) for each in network.activations], network.dtype)
        layers = np.array(network.layout.sizes), _starts(tape.weighted_inputs), numbers, parameters
        rooms = [_flat(room) for room in (tape.weighted_inputs, tape.activations[1:], tape.slopes, tape.errors)]
        return cls(
            numbers=numbers,
            parameters=parameters,
            shares=tape.share_column,
            unchanging=(network.vector, tape.cost_gradient, tape.fused is not None, *layers, *rooms),
        )


def _flat(rooms: Sequence[Array]) -> Array:
    flat = rooms[0].base
    return rooms[0] if flat is None else flat


def _starts(rooms: Sequence[Array]) -> Array:
    """Return where each layer's room begins: a tape for fewer examples has the first rows of a larger one's."""
    addresses = [room.__array_interface__["data"][0] for room in rooms]
    first: int = _flat(rooms).__array_interface__["data"][0]
    return np.array([(address - first) // rooms[0].itemsize for address in addresses])
