"""Blocks of examples that stay in the cache during the element-wise steps of a layer."""

from __future__ import annotations

from typing import Any, NamedTuple

from formulations.arrays.dtypes import Array

__all__ = ["Block", "blocks_of"]

BLOCK = 2**18
"""The bytes of weighted inputs in one block."""

BUFFER = 2**15
"""The bytes that biases are added to at a time: NumPy copies a repeated row into a buffer of this size."""


class Block(NamedTuple):
    """Buffers of some examples in one layer.

    Attributes
    ----------
    z, a : ndarray of shape (rows, n)
        Weighted inputs and activations.
    slope : ndarray of shape (rows, n), CoupledSlope or None
        σ′(z); None if it is not computed.
    parts : list of ndarray
        z again, in the parts that biases are added to.
    """

    z: Array
    a: Array
    slope: Any
    parts: list[Array]


def blocks_of(z: Array, a: Array, slope: Any, *, coupled: bool) -> list[Block]:
    """Return the blocks of a layer's buffers, shape (m, n); a coupled slope is not divided."""
    if coupled:
        return [Block(z, a, slope, [z[rows] for rows in _slices(z, BUFFER)])]
    return [
        Block(z[part], a[part], None if slope is None else slope[part], [z[part][i] for i in _slices(z[part], BUFFER)])
        for part in _slices(z, BLOCK)
    ]


def _slices(z: Array, size: int) -> list[slice]:
    """Return slices of rows of at most so many bytes."""
    rows = max(1, size // z.strides[0])
    return [slice(start, start + rows) for start in range(0, len(z), rows)]
