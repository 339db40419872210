"""The buffers of a tape in the form that compiled passes take: a table with one row for each layer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

import numpy as np

from formulations.arrays import Array
from formulations.backends._shared.compiled.forms import number_of, output_of, parameter_of
from formulations.exceptions import WrongShape
from formulations.network import Network, Tape

__all__ = ["Buffers", "address_of", "misfit"]

WIDTH, ACTIVATION, PARAMETER, WEIGHTS, Z, A, SLOPE, DELTA = range(8)
"""The columns of ``Buffers.layers``."""

COST_GRADIENT, COST, OUTPUT = range(3)
"""The entries of ``Buffers.outer``."""


@dataclass(frozen=True, eq=False)
class Buffers:
    """The arguments of a compiled pass that are the same at every call.

    Each array argument costs a tenth of a microsecond, and a small gradient takes four. Arrays that never change are
    therefore passed as a table of addresses.

    Attributes
    ----------
    numbers, parameters : ndarray of shape (L − 1,)
        The activation of each layer and its parameter.
    slopes : tuple of ndarray of shape (m, n_l)
        σ′(z^l); for softmax, whose slope needs no memory, a^L, to which nothing is written in its place.
    output : int or None
        The number of the cost with the output activation; None if they have no compiled form.
    shares : ndarray of shape (m, 1)
        The shares of the examples if none are given.
    cost : ndarray of shape (1,)
        A buffer for C.
    outer : ndarray of shape (3,)
        The addresses of ∇_aC and C, and ``output``, or −1.
    layers : ndarray of shape (L − 1, 8)
        For each layer from the second on: n_l, its activation, and the addresses of the activation's parameter, w^l,
        z^l, a^l, σ′(z^l) and δ^l. The bias follows w^l in memory.
    held : tuple of ndarray
        References to the arrays in the table, which keep them alive.
    """

    numbers: Array
    parameters: Array
    slopes: tuple[Array, ...]
    output: int | None
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
        activations = tape.activations[1:]
        pairs = zip(network.activations, tape.slopes, activations, strict=True)
        slopes = tuple(a if activation.coupled else slope for activation, slope, a in pairs)
        buffers = (network.weights, tape.weighted_inputs, activations, slopes, tape.errors)
        outer, output = (tape.cost_gradient, cost), output_of(tape)
        rows = zip(network.layout.sizes[1:], numbers, parameters[:, None], *buffers, strict=True)
        return cls(
            numbers=numbers,
            parameters=parameters,
            slopes=slopes,
            output=output,
            shares=tape.share_column,
            cost=cost,
            outer=_integers([*map(address_of, outer), -1 if output is None else output]),
            layers=_integers([[n, number, *map(address_of, arrays)] for n, number, *arrays in rows]),
            held=(*outer, parameters, *chain.from_iterable(buffers)),
        )


def misfit(tape: Tape) -> WrongShape:
    """Return the exception for a number of examples with which compiled code would write beyond the buffers."""
    came = f"{len(tape.X)} inputs and {len(tape.targets)} targets"
    return WrongShape(f"the tape has buffers for {tape.m} examples, got {came}; take tape.first(m), or another plan.")


def address_of(array: Array) -> int:
    """Return the address of an array's first number."""
    address: int = array.__array_interface__["data"][0]
    return address


def _integers(numbers: list[Any]) -> Array:
    return np.array(numbers, np.int64)
