"""Block-diagonal sparse matrices over a mini-batch, such as Σ′(z) of all examples."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import bsr_array, dia_array

from formulations.arrays import Array
from formulations.functions import CoupledSlope

__all__ = ["block_diagonal", "diagonal", "sigma_matrix"]


def sigma_matrix(slope: Any) -> Any:
    """Return Σ′ of all examples as one sparse matrix, shape (m·n, m·n).

    A diagonal one shares the memory of the slopes; a coupled activation gives a block for each example.
    """
    return block_diagonal(slope.blocks()) if isinstance(slope, CoupledSlope) else diagonal(slope)


def diagonal(values: Array) -> Any:
    """Return the diagonal matrix of an array of shape (m, n), whose memory it shares, shape (m·n, m·n)."""
    row = values.reshape(1, -1)
    matrix = dia_array((row, [0]), shape=(row.size, row.size))
    matrix.data = row
    return matrix


def block_diagonal(blocks: Array) -> Any:
    """Return m square blocks, shape (m, n, n), as one sparse matrix, shape (m·n, m·n)."""
    m, n, _ = blocks.shape
    return bsr_array((blocks, np.arange(m), np.arange(m + 1)), shape=(m * n, m * n))
