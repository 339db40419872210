"""Products with weights and slopes of any kind, in any precision; no code is shared with the tape."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array, Layout
from formulations.functions import CombinedOutput
from formulations.network import Tape
from formulations.verification.oracles.blocks import Matrices, OuterBlocks

__all__ = ["combined_error", "magnitudes", "outer", "product", "shares_of", "through", "widened"]


def widened(arrays: Any, dtype: np.dtype[Any]) -> list[Any]:
    """Return dense or sparse arrays in another dtype; exact if that is a higher precision."""
    return [array.astype(dtype) for array in arrays]


def magnitudes(arrays: Any, dtype: np.dtype[Any]) -> list[Any]:
    """Return the absolute values of dense or sparse arrays in another dtype."""
    return [abs(array).astype(dtype) for array in arrays]


def through(slope: Matrices, v: Array) -> Array:
    """Return Σ′ᵀv of each example, shape (m, n), for a diagonal Σ′, shape (m, n), or a full one, shape (m, n, n)."""
    return product(slope.mT if slope.ndim > v.ndim else slope, v)


def product(slope: Matrices, v: Array) -> Array:
    """Return Σ′v of each example, of the same shapes as :func:`through`."""
    if isinstance(slope, OuterBlocks):
        return slope @ v
    if slope.ndim == v.ndim:
        return slope * v
    result: Array = np.einsum("mjk,mk->mj", slope, v)
    return result


def outer(delta: Array, a: Array, layout: Layout, i: int) -> Array:
    """Return Σ_x a_k δ_j for the stored weights of layer i + 2, in the order of the flat vector."""
    pattern = layout.patterns[i]
    if pattern is None:
        return (delta.T @ a).ravel()
    total = np.zeros(pattern.indices.size, delta.dtype)
    for error, activation in zip(delta, a, strict=True):
        total += error[pattern.rows] * activation[pattern.indices]
    return total


def combined_error(combined: CombinedOutput, z: Array, output: Array, targets: Array) -> tuple[Array, Array, int]:
    """Return each example's δ^L of a combined output, what rounding acts on, and the number of roundings."""
    size, k = combined.rounding(z, output, targets)
    if combined.complement is not None:
        return -targets * combined.complement(z), size, k
    if combined.scale is not None:
        output = combined.scale(targets) * output
    return output - targets, size, k


def shares_of(tape: Tape, dtype: np.dtype[Any]) -> Array:
    """Return what multiplies each example's C_x in C, shape (m, 1): its share times the cost's factor."""
    # The tape's own 1/m and factor are rounded to the precision of the tape.
    factor = 1 if tape.cost is None else tape.cost.factor
    if tape.shares is None:
        return np.full((tape.m, 1), dtype.type(factor.numerator) / (dtype.type(tape.m) * factor.denominator))
    return tape.mean_shares.astype(dtype) * factor.numerator / factor.denominator
