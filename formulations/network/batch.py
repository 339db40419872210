"""A mini-batch that has been checked."""

from __future__ import annotations

from typing import Any, NamedTuple

from formulations.arrays import Array, excluding
from formulations.functions import Cost

__all__ = ["Batch"]


class Batch(NamedTuple):
    """Examples that a network has checked; functions that take a batch check nothing again.

    Made by :meth:`formulations.Network.check_examples`.

    Attributes
    ----------
    X : ndarray of shape (m, n₁)
        The inputs, finite and of the network's dtype.
    Y : ndarray of shape (m, n_L), or None
        The targets, likewise, and valid for the cost.
    shares : ndarray of shape (m, 1), or None
        Each example's share of the mean cost; None if each has 1/m.
    cost : Cost
        The cost.
    """

    X: Array
    Y: Any
    shares: Array | None
    cost: Cost

    def copy(self) -> Batch:
        """Return the same batch with arrays of its own, for code that may write to them."""
        Y, shares = (None if array is None else array.copy() for array in (self.Y, self.shares))
        return self._replace(X=self.X.copy(), Y=Y, shares=shares)

    def counted(self) -> Batch:
        """Return the batch with each example of share 0 replaced, so that it cannot affect a gradient."""
        if self.shares is None:
            return self
        X, Y = excluding(self.X, self.Y, self.shares)
        return self._replace(X=X, Y=Y)
