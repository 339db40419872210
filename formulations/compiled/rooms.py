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
    sizes : ndarray of shape (L,)
        n₁, …, n_L.
    starts : ndarray of shape (L − 1,)
        Where the room of layer l begins in each flat array, at ``[l-2]``.
    numbers, parameters : ndarray of shape (L − 1,)
        Which activation each layer has, and the number that it takes.
    z, a, d, delta : ndarray
        Weighted inputs, activations, slopes and errors of all layers.
    shares : ndarray of shape (m, 1)
        Each example's share where none is given.
    unchanging : tuple
        What a network's gradient in one call is handed every time: parameters, ∇_aC, whether the output is fused, and
        the fields above from sizes to delta.
    """

    sizes: Array
    starts: Array
    numbers: Array
    parameters: Array
    z: Array
    a: Array
    d: Array
    delta: Array
    shares: Array
    unchanging: tuple[Any, ...]

    @classmethod
    def of(cls, tape: Tape) -> Self:
        """Return the rooms of a tape."""
        network = tape.network
        fields = (
            np.array(network.layout.sizes),
            _starts(tape.weighted_inputs),
            np.array([number_of(activation) for activation in network.activations]),
            np.array([parameter_of(each, network.dtype) for each in network.activations], network.dtype),
            *map(_flat, (tape.weighted_inputs, tape.activations[1:], tape.slopes, tape.errors)),
        )
        unchanging = (network.vector, tape.cost_gradient, tape.fused is not None, *fields)
        return cls(*fields, shares=tape.share_column, unchanging=unchanging)


def _flat(rooms: Sequence[Array]) -> Array:
    flat = rooms[0].base
    return rooms[0] if flat is None else flat


def _starts(rooms: Sequence[Array]) -> Array:
    """Return where each layer's room begins: a tape for fewer examples has the first rows of a larger one's."""
    addresses = [room.__array_interface__["data"][0] for room in rooms]
    first: int = _flat(rooms).__array_interface__["data"][0]
    return np.array([(address - first) // rooms[0].itemsize for address in addresses])
