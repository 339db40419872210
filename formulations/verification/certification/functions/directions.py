"""Derivatives along a few directions, for a function of many variables, and the search for a wrong coordinate.

A direction has the entries ±s_i, the scale of each coordinate with a random sign. So a fault in one coordinate shows in
every direction in its full size, and two that cancel in one direction show in another: that they cancel in all of
them is as likely as eight equal tosses of a coin. If a direction is different, the derivative along one
half of its entries says in which half the fault is, and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from formulations.arrays import Array
from formulations.verification.certification.functions.claims import Claim
from formulations.verification.certification.functions.evaluation import Function
from formulations.verification.certification.functions.ladder import FIRST, WIDENING, Derivative, differentiate_along
from formulations.verification.certification.functions.partials import Partial

__all__ = ["DIRECTIONS", "Directions", "explained"]

DIRECTIONS = 8


@dataclass(frozen=True)
class Directions:
    """The directions of a function at x.

    Attributes
    ----------
    function, claim : Function and Claim
        f, and its claimed derivative.
    scales : ndarray of shape (n,)
        The scales of the coordinates.
    noise : ndarray of shape (k,)
        The noise of f.
    eps : float
        The distance from 1 to the next larger number of x.
    """

    function: Function
    claim: Claim
    scales: Array
    noise: Array
    eps: float

    def partials(self) -> tuple[list[Array], list[Partial]]:
        """Return the directions, and the derivatives along them."""
        random = np.random.default_rng(0)
        signs = [random.choice([-1.0, 1.0], self.scales.size) for _ in range(DIRECTIONS)]
        directions = [sign * self.scales for sign in signs]
        return directions, [
            self._along(direction, f"direction {number} of {DIRECTIONS}")
            for number, direction in enumerate(directions, start=1)
        ]

    def search(self, direction: Array, residual: float, output: int, known: Mapping[int, Array]) -> int:
        """Return the coordinate to which a difference along a direction leads.

        Parameters
        ----------
        direction : ndarray of shape (n,)
            The direction.
        residual : float
            The claimed minus the found derivative along it, without the known faults.
        output : int
            The value of f that differs.
        known : mapping of int to ndarray of shape (k,)
            The faults that have been found, by coordinate.
        """
        low, high = 0, direction.size
        while high - low > 1:
            middle = (low + high) // 2
            half = np.zeros(direction.shape)
            half[low:middle] = direction[low:middle]
            partial = self._along(half, "")
            here = float((partial.claimed - partial.found.value - explained(half, known))[output])
            # An entry that is not finite is followed, in whichever half it is.
            if not np.isfinite(here) or (np.isfinite(residual) and abs(here) >= abs(residual - here)):
                high, residual = middle, here
            else:
                low, residual = middle, residual - here
        return low

    def _along(self, direction: Array, place: str) -> Partial:
        values = self.function.along(direction)

        def line(t: float) -> tuple[float, Array] | None:
            found = values(t)
            return None if found is None else (t, found)

        found: Derivative = differentiate_along(
            line, self.function.start, FIRST, WIDENING, 8 * self.eps, self.noise, self.function.unit
        )
        return Partial(place, self.claim.along(direction), self.claim.size_along(direction), found, 1.0, 0)


def explained(direction: Array, known: Mapping[int, Array]) -> Array:
    """Return what the faults in some coordinates make of a derivative along a direction, shape (k,)."""
    total: Array = np.asarray(sum((direction[i] * fault for i, fault in known.items()), np.zeros(1)))
    return total
