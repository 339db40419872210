"""Blocks: the element-wise steps of a layer, so many examples at a time that they stay in the cache."""

from __future__ import annotations

from typing import Any, NamedTuple

from formulations.arrays.dtypes import Array

__all__ = ["Block", "blocks_of"]

BLOCK = 2**18
"""Bytes of weighted inputs that are taken at a time."""

BUFFER = 2**15
"""Bytes that biases are added to at a time: NumPy copies a row that is repeated into a buffer of this size."""


class Block(NamedTuple):
    """Buffers of some examples in one layer.

    Attributes
    ----------
    z, a : ndarray of shape (rows, n)
        Weighted inputs and activations.
    slope : ndarray of shape (rows, n), CoupledSlope or None
        σ′(z); None where it is not asked for.
    parts : list of ndarray
        z once more, in parts that biases are added to.
    """

    z: Array
    a: Array
    slope: Any
    parts: list[Array]


def blocks_of(z: Array, a: Array, slope: Any, *, coupled: bool) -> list[Block]:
    """Return the blocks of a layer's buffers, shape (m, n); a coupled slope belongs to all examples together."""
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
