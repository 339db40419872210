"""Formulations that only go forward: J times a direction is native, and Jᵀ takes the directions of all unit vectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from formulations.arrays import Array
from formulations.backends._base import PARAMETERS, Linearization, Where

__all__ = ["ForwardLinearization", "blocks"]

BLOCK = 2**18
"""The numbers of one block of directions, which fit the cache and keep memory independent of P."""


class ForwardLinearization(Linearization):
    """The transposed product, entry by entry: (Jᵀu)_i = (Je_i)ᵀu."""

    def pull(self, cotangents: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jᵀu of every cotangent, from Je_i of all unit vectors e_i."""
        k, m, n = cotangents.shape
        network = self.point.network
        if wrt == PARAMETERS:
            sums = np.zeros((k, network.layout.count), network.dtype)
            for part, moved in self.unit_pushes(of, at):
                sums[:, part] = cotangents.reshape(k, m * n) @ moved.reshape(-1, m * n).T
            return sums
        width = network.sizes[wrt - 1]
        pulled = np.empty((k, m, width), network.dtype)
        for part in blocks(width, m * max(network.sizes)):
            units = np.zeros((part.stop - part.start, m, width), network.dtype)
            units[np.arange(len(units)), :, np.arange(part.start, part.stop)] = 1
            moved = self.push(units, of, wrt, at)
            # For each example a product of (k, n) with (n, directions).
            pulled[:, :, part] = (cotangents.transpose(1, 0, 2) @ moved.transpose(1, 2, 0)).transpose(1, 0, 2)
        return pulled

    def unit_pushes(self, of: int, at: Literal["a", "z"]) -> Iterator[tuple[slice, Array]]:
        """Yield Je_i of consecutive parameters: their slice, and an array of shape (directions, m, n_of)."""
        layout = self.point.network.layout
        # The parameters above the layer do not move it.
        below = layout.slices[of - 2][1].stop
        for part in blocks(below, max(self.point.m * max(layout.sizes), layout.count)):
            units = np.zeros((part.stop - part.start, layout.count), self.point.network.dtype)
            units[np.arange(len(units)), np.arange(part.start, part.stop)] = 1
            yield part, self.push(units, of, PARAMETERS, at)


def blocks(count: int, numbers: int) -> Iterator[slice]:
    """Yield slices of ``count`` directions in blocks, where each direction takes ``numbers`` numbers."""
    size = max(1, BLOCK // numbers)
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
