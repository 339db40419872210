"""The scale of each coordinate: over which distances a function is expected to change."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.arrays import Array, as_real, check_finite
from formulations.exceptions import InvalidInput, WrongShape, WrongType, described
from formulations.verification.certification.functions.structure import Structure

__all__ = ["Scales", "scales_of"]

PART = (math.sqrt(5) - 1) / 2
"""The scale of a coordinate as a part of |x_i|: irrational, so that no step is a multiple of a period of f."""

SMALLEST = 1e-290
"""The smallest typical size: 26 rungs below it, steps are still normal numbers."""


@dataclass(frozen=True)
class Scales:
    """The scales of all entries of x.

    Attributes
    ----------
    size : ndarray of shape (n,)
        The scale of each entry; the first step is an eighth of it.
    widest : ndarray of shape (n,)
        The scale up to which the steps grow where noise blurs f.
    """

    size: Array
    widest: Array


def scales_of(point: Structure, typical: Any) -> Scales:
    """Return the scales, by default near |x_i|, and for an entry of 0 near the largest of its array, of x, or 1.

    Raises
    ------
    WrongShape
        If ``typical`` has neither one entry nor those of x.
    WrongType
        If it is a bool.
    InvalidInput
        If it is not positive, or too small for steps.
    """
    if typical is not None:
        given = PART * _sizes(point, typical)
        return Scales(given, given)
    sizes, widest = [], []
    whole = float(np.max(np.abs(point.vector))) or 1.0
    for leaf in point.leaves:
        size = np.abs(leaf.array).ravel().astype(np.float64)
        largest = float(size.max(initial=0.0)) or whole
        sizes.append(np.where(size == 0, largest, size))
        widest.append(np.full(size.shape, largest))
    return Scales(PART * np.concatenate(sizes), PART * np.concatenate(widest))


def _sizes(point: Structure, typical: Any) -> Array:
    if isinstance(typical, bool | np.bool_):
        raise WrongType(f"typical must be the size of the entries of x, got {described(typical)}; pass a number.")
    if isinstance(typical, int | float | np.number):
        given = np.full(point.size, float(typical))
    elif point.nested:
        given = point.flatten(typical, "typical").astype(np.float64)
    else:
        given, shape = as_real(typical, "typical").astype(np.float64), point.leaves[0].array.shape
        if given.shape != shape:
            raise WrongShape(
                f"typical must be a number or have the shape of x, {shape}, got {given.shape}; pass one size for each "
                "entry of x."
            )
        given = given.ravel()
    check_finite(given, "typical")
    if not (given > 0).all():
        raise InvalidInput(f"typical must be positive, got {given.min()}; pass the size of each entry of x.")
    if (given < SMALLEST).any():
        raise InvalidInput(f"typical must be at least {SMALLEST:.0e}, got {given.min()}; express x in a smaller unit.")
    return given
