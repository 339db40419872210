"""A candidate: the gradient that a user has supplied, and which parts of it there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import InvalidInput
from formulations.network import Gradient, Network

__all__ = ["Candidate"]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A user-supplied gradient, which may lack parts.

    Attributes
    ----------
    gradient : Gradient
        With its own memory; 0 in the parts that are absent. Not checked for NaN and infinity, which the verdict
        reports.
    given : ndarray of bool of shape (P + N,), or None
        Which entries of the flat vector there are; None for all of them.
    sources : tuple of ndarray
        The arrays as NumPy reads them, in the order of the flat vector, without those that are absent. They share
        memory with the user's, where these are arrays.
    parameters : ndarray of shape (P + N,), or None
        The parameters whose gradients these are, NaN where they are not known; None if none of them is.
    unreached : tuple of str
        The absent parts whose parameters record gradients: ``backward`` has not reached them.
    """

    gradient: Gradient
    given: Array | None = None
    sources: tuple[Array, ...] = ()
    parameters: Array | None = None
    unreached: tuple[str, ...] = ()

    @property
    def absent(self) -> tuple[str, ...]:
        """The names of the parts that it lacks: ``"weights[0]"``, ``"biases[0]"``, …, as in the gradient."""
        if self.given is None:
            return ()
        return tuple(
            f"{kind}[{i}]"
            for i, parts in enumerate(self.gradient.layout.slices)
            for kind, part in zip(("weights", "biases"), parts, strict=True)
            if not self.given[part].all()
        )

    def whole(self) -> Gradient:
        """Return the gradient.

        Raises
        ------
        InvalidInput
            If a part of it is absent.
        """
        if self.absent:
            raise InvalidInput(f"the gradient must be whole, got one without {', '.join(self.absent)}; add these.")
        return self.gradient

    def elsewhere(self, network: Network) -> str | None:
        """Return the first of its parameters that differs from the network's, or None if there is no such."""
        if self.parameters is None:
            return None
        theirs, own = (vector.astype(self.gradient.dtype) for vector in (self.parameters, network.vector))
        found = np.flatnonzero((theirs != own) & ~np.isnan(theirs))
        return self.gradient.layout.locate(int(found[0])) if found.size else None

    def has_changed(self) -> bool:
        """Whether the user's arrays no longer hold the numbers that were read from them."""
        vector = self.gradient.vector if self.given is None else self.gradient.vector[self.given]
        return not np.array_equal(np.concatenate(self.sources).astype(vector.dtype), vector, equal_nan=True)
