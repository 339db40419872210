r"""Σ′(z) in the reference's precision, and what rounding acts on in a product with it.

An element-wise activation has a diagonal Σ′, and a product with it is one rounding. A coupled one has a block
:math:`\Sigma'_{jk} = \partial a_j / \partial z_k` for each example, an exact function of the z and a that both sides
read. A product with it, in whatever order, is off by at most γ_{n+5} times the product with M, the entries that
rounding acts on. For softmax, :math:`M = \mathrm{diag}(a) + a a^T`, which also covers a product that takes 1 − a as the
sum of the others where a exceeds ½, and neither the blocks nor M are formed. A user-supplied activation that does not
define its M is evaluated in two precisions, at z and at three places nearby, since a single rounding may vanish by
accident: M is |Σ′| plus 4/u times the largest difference in a column. That is an estimate, not a proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from formulations.arrays import Array, Precision, unit_roundoff
from formulations.functions import CoupledActivation, CoupledSlope, Softmax
from formulations.verification.oracles.algebra import through
from formulations.verification.oracles.blocks import Matrices, OuterBlocks

__all__ = ["Slope", "read_slope", "seen_rounding", "worse"]


@dataclass(frozen=True, eq=False)
class Slope:
    """Σ′(z^l) of a mini-batch.

    Parameters
    ----------
    matrix : ndarray of shape (m, n) or (m, n, n), or OuterBlocks
        The diagonal, or the blocks, in the reference's precision.
    acted_on : of the same kind
        M, at least |Σ′|, in the dtype of bounds.
    roundings : int
        The roundings of a product with it, beyond those of a product with a diagonal.
    """

    matrix: Matrices
    acted_on: Matrices
    roundings: int

    @cached_property
    def size(self) -> Matrices:
        """The absolute values of Σ′, in the dtype of bounds."""
        size: Any = abs(self.matrix)
        return size.astype(self.acted_on.dtype)  # type: ignore[no-any-return]

    @cached_property
    def gain(self) -> Array:
        """Mᵀ1, shape (m, n): the effect of an underflow in every factor."""
        return through(self.acted_on, np.ones(self.acted_on.shape[:2], self.acted_on.dtype))


def read_slope(slope: Any, precision: Precision) -> Slope:
    """Return the slope of a tape in the reference's precision, with what rounding acts on.

    Parameters
    ----------
    slope : ndarray of shape (m, n), or CoupledSlope
        The slope on the tape, taken as exact.
    precision : Precision
        That of the candidate and of the reference.

    Returns
    -------
    Slope
    """
    if not isinstance(slope, CoupledSlope):
        return Slope(slope.astype(precision.wide), np.abs(slope).astype(precision.working), 0)
    activation, own = slope.activation, slope.z.dtype
    wide = own if activation.why_not(precision.wide) else precision.wide
    # In the candidate's own precision, the reference rounds the blocks as the candidate does.
    sides = 2 if wide == own else 1
    roundings = sides * slope.roundings
    if isinstance(activation, Softmax):
        a = slope.a.astype(wide)
        size = np.abs(a).astype(precision.working)
        of_products = OuterBlocks(size + size * size, ((size, size),))
        return Slope(OuterBlocks(a * (1 - a), ((-a, a),)), of_products, roundings)
    matrix = _blocks(slope, wide)
    acted_on = activation.magnitude(slope.z.astype(wide), slope.a.astype(wide)).astype(precision.working)
    if type(activation).magnitude is CoupledActivation.magnitude:
        seen = np.zeros((len(matrix), 1, matrix.shape[2]), wide)
        other = worse(own, wide)
        for part in range(4):
            z = slope.z * own.type(1 + part / 1024)
            near = CoupledSlope(activation, z, activation.value(z))
            seen = np.maximum(seen, seen_rounding(_blocks(near, other), _blocks(near, wide)))
        acted_on = acted_on + seen.astype(precision.working)
    return Slope(matrix, acted_on, roundings)


def worse(own: np.dtype[Any], wide: np.dtype[Any]) -> np.dtype[Any]:
    """Return a precision whose rounding shows against the wide one: the candidate's own, or the next lower."""
    if wide != own:
        return own
    return np.dtype(np.float64 if own == np.longdouble else np.float32)


def seen_rounding(rounded: Array, exact: Array) -> Array:
    """Return four times the largest difference over axis 1, in units of u: what a function's own terms lose."""
    seen: Array = 4 / unit_roundoff(rounded.dtype) * np.abs(rounded - exact).max(axis=1, keepdims=True)
    return seen


def _blocks(slope: CoupledSlope, dtype: np.dtype[Any]) -> Array:
    return CoupledSlope(slope.activation, slope.z.astype(dtype), slope.a.astype(dtype)).blocks()
