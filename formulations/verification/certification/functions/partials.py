"""Derivatives along coordinates and directions: the claimed beside the found, and the verdict on each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from formulations.arrays import Array, unit_roundoff
from formulations.verification.certification.functions.document import CoordinateVerdict, in_words
from formulations.verification.certification.functions.ladder import Derivative
from formulations.verification.tolerances import RESOLUTION, Status

__all__ = ["Partial", "Partials"]

ROUNDINGS = 8
"""The rounding errors of a claimed derivative and of its argument, as for the slopes of this library."""
ALIKE = 2
"""At least so many derivatives must be multiples of those found before that is said."""


@dataclass(frozen=True)
class Partial:
    """The derivatives of k values along one line.

    Attributes
    ----------
    place : str
        The coordinate or the direction in words.
    claimed : ndarray of shape (k,)
        The claimed derivatives.
    size : ndarray of shape (k,)
        The sum of the absolute terms of each, |∂f/∂x_i| in a coordinate.
    found : Derivative
        Those found from the values of f.
    scale : float
        The distance along the line at which f may change noticeably.
    group : int
        Derivatives of one group are compared with the largest of them.
    """

    place: str
    claimed: Array
    size: Array
    found: Derivative
    scale: float
    group: int


class Partials:
    """The verdicts on several derivatives, as arrays of shape (k, number of them).

    Parameters
    ----------
    partials : sequence of Partial
        At least one.
    unit : float
        u of the claim, or of x if that is larger.
    outputs : tuple of int
        Empty for a single value of f.
    together : int
        The number of coordinates that move along each line.
    """

    def __init__(self, partials: Sequence[Partial], unit: float, outputs: tuple[int, ...], together: int = 1) -> None:
        self._partials, self._outputs = partials, outputs
        self._in_single = " in float32 (compute in float64)" if unit >= unit_roundoff(np.dtype(np.float32)) else ""
        self.claimed = np.stack([each.claimed for each in partials], axis=-1)
        self.found = self._stacked("value")
        self.step = self._stacked("step")
        scale = np.array([each.scale for each in partials])
        # A claim that is not finite is different, so its bound must be.
        size = np.nan_to_num(np.stack([each.size for each in partials], axis=-1), nan=0, posinf=0)
        self.bound = self._stacked("bound") + ROUNDINGS * unit * (size + scale * self._stacked("curvature"))
        quotient, residual = self._stacked("quotient"), np.abs(self.claimed - self.found)
        self.constant = not quotient.any()
        group = np.array([each.group for each in partials])
        largest = np.zeros(self.bound.shape)
        for number in np.unique(group):
            here = group == number
            largest[:, here] = np.max(quotient[:, here] * scale[here], axis=1, keepdims=True) / together
        if together > 1:
            # A sum of n terms has one of at least its n-th part; with random signs, one of the mean square over n.
            squares = np.mean(np.abs(self.found / math.sqrt(together)) ** 2, axis=1, keepdims=True)
            largest = np.fmax(largest, np.sqrt(squares))
        self.relative = np.where(self.bound == 0, 0, self.bound * scale / largest)
        finite = np.isfinite(self.bound)
        self.different = finite & ~(residual <= self.bound)
        # Where f does not change at all, no sharp bound is needed.
        unchanged = finite & (quotient == 0) & (residual == 0)
        # An array whose entries do not change f has no largest quotient to compare with.
        self._apart = unchanged & (largest == 0)
        self.wide = ~self.different & ~(self.relative <= RESOLUTION) & ~unchanged
        ratio = np.where(~finite | (residual == 0), 0, residual / self.bound)
        self.ratio = np.where(np.isnan(ratio), np.inf, ratio)

    def _stacked(self, name: str) -> Array:
        return np.stack([getattr(each.found, name) for each in self._partials], axis=-1)

    @cached_property
    def order(self) -> Array:
        """The flat indices of all derivatives, the worst first."""
        rank = np.where(self.different, 2, np.where(self.wide, 1, 0))
        key = np.where(self.wide, self.relative, self.ratio)
        order: Array = np.lexsort((-key.ravel(), -rank.ravel()))
        return order

    @property
    def detectable(self) -> float:
        """The largest bound, relative to the largest quotient of its group; any fault above twice this shows."""
        relative = self.relative[~self._apart]
        return float(np.where(np.isnan(relative), np.inf, relative).max(initial=0.0)) if not self.constant else np.inf

    @property
    def factor(self) -> float | None:
        """The number c ≠ 1 by which all claimed derivatives differ from those found, or None."""
        sure = np.isfinite(self.bound) & (np.abs(self.found) > self.bound)
        if not self.different.any() or np.count_nonzero(sure) < ALIKE or not np.isfinite(self.bound).all():
            return None
        # The sharpest of them says what the factor is.
        sharpest = np.argmax(np.where(sure, np.abs(self.found) / np.maximum(self.bound, 1e-300), 0))
        factor = float(self.claimed.flat[sharpest] / self.found.flat[sharpest])
        doubt = self.bound.flat[sharpest] / abs(self.found.flat[sharpest])
        apart = np.abs(self.claimed - factor * self.found)
        allowed = (1 + abs(factor)) * (self.bound + doubt * np.abs(self.found))
        return factor if np.all(apart <= allowed) else None

    @property
    def transposed(self) -> bool:
        """Whether the claimed Jacobian is different, and its transpose is not."""
        if self.found.shape[0] != self.found.shape[1] or not self.different.any():
            return False
        return bool(np.all(np.abs(self.claimed.T - self.found) <= self.bound) and np.isfinite(self.bound).all())

    def verdict(self, flat: int) -> CoordinateVerdict:
        """Return the verdict on one of them, by its flat index."""
        at = divmod(int(flat), len(self._partials))
        output, partial = at[0], self._partials[at[1]]
        status = Status.EQUAL
        if self.different[at] or self.wide[at]:
            status = Status.DIFFERENT if self.different[at] else Status.INCONCLUSIVE
        return CoordinateVerdict(
            place=partial.place,
            output=output if self._outputs else None,
            status=status,
            ratio=float(self.ratio[at]),
            claimed=float(self.claimed[at]),
            found=float(self.found[at]),
            bound=float(self.bound[at]),
            step=float(self.step[at]),
            reason=self._reason(at, partial),
        )

    def _reason(self, at: tuple[int, int], partial: Partial) -> str:
        where = f"f[{at[0]}], {partial.place}" if self._outputs else partial.place
        if self.different[at]:
            return (
                f"{where}: the claimed derivative is {in_words(self.claimed[at], 9)}, but f has "
                f"{in_words(self.found[at], 9)}, give or take {self.bound[at]:.1g}."
            )
        if not self.wide[at]:
            return ""
        if partial.found.kink[at[0]]:
            return (
                f"{where}: f has a kink at x: its derivatives from the left and from the right differ. There is no "
                "derivative to judge, so move x."
            )
        if np.isinf(self.bound[at]):
            return (
                f"{where}: no difference quotients of f agree: it is not smooth there, not defined on both sides, or "
                "changes over other distances; then pass typical=."
            )
        return (
            f"{where}: the bound is {self.relative[at]:.1g} of the largest quotient, too wide to tell a right gradient "
            f"from a wrong one; f is too noisy{self._in_single}, or changes over other distances; then pass typical=."
        )
