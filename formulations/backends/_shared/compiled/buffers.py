"""The buffers of a tape as compiled passes are handed them: each layer's row in one table."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

import numpy as np

from formulations.arrays import Array
from formulations.backends._shared.compiled.forms import number_of, parameter_of
from formulations.network import Network, Tape

__all__ = ["Buffers"]

WIDTH, ACTIVATION, PARAMETER, WEIGHTS, Z, A, SLOPE, DELTA = range(8)
"""The columns of ``Buffers.layers``. Compiled code has them as constants, and is kept on disk until its own file
changes: whoever changes their order changes ``whole.py`` too."""

COST_GRADIENT, COST, FUSED = range(3)
"""The entries of ``Buffers.outer``."""


@dataclass(frozen=True, eq=False)
class Buffers:
    """What does not change from call to call.

    An array takes compiled code a tenth of a microsecond to receive, and a small gradient is over in four. So those
    that are the same at every call stand in a table by their addresses.

    Attributes
    ----------
    numbers, parameters : ndarray of shape (L − 1,)
        Which activation each layer has, and the number that it takes.
    shares : ndarray of shape (m, 1)
        Each example's share where none is given.
    cost : ndarray of shape (1,)
        Buffers for C.
    outer : ndarray of shape (3,)
        The addresses of ∇_aC and of C, and whether the output is fused.
    layers : ndarray of shape (L − 1, 8)
        Of each layer from the second on n_l, which activation it has, and the addresses of that one's number, of w^l,
        z^l, a^l, σ′(z^l) and δ^l. The bias follows on w^l.
    held : tuple of ndarray
        Those whose addresses these are: they stay as long as the table does.
    """

    numbers: Array
    parameters: Array
    shares: Array
    cost: Array
    outer: Array
    layers: Array
    held: tuple[Array, ...]

    @classmethod
    def of(cls, network: Network, tape: Tape) -> Self:
        """Return the buffers of a network and its tape."""
        numbers = np.array([number_of(activation) for activation in network.activations])
        parameters = np.array([parameter_of(each, network.dtype) for each in network.activations], network.dtype)
        cost = np.empty(1, network.dtype)
        buffers = (network.weights, tape.weighted_inputs, tape.activations[1:], tape.slopes, tape.errors)
        outer = (tape.cost_gradient, cost)
        rows = zip(network.layout.sizes[1:], numbers, parameters[:, None], *buffers, strict=True)
        return cls(
            numbers=numbers,
            parameters=parameters,
            shares=tape.share_column,
            cost=cost,
            outer=_integers([*map(_address, outer), tape.combined is not None]),
            layers=_integers([[n, number, *map(_address, arrays)] for n, number, *arrays in rows]),
            held=(*outer, parameters, *chain.from_iterable(buffers)),
        )


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _integers(numbers: list[Any]) -> Array:
    return np.array(numbers, np.int64)
