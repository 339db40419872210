"""Numbers that a mistake leaves open, fitted to the candidate, and the names of such numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from formulations.arrays import Array

__all__ = ["fitted", "in_words", "round_number", "uncertainty"]


def fitted(found: Array, direction: Array, entries: Any) -> float:
    """Return t of the smallest ‖found − t·direction‖ over some entries; 0 if the direction vanishes there."""
    d, scale = direction[entries], float(np.max(np.abs(direction[entries]), initial=0.0))
    if not (scale > 0 and math.isfinite(scale)):
        return 0.0
    # Scaled, so that the squares neither overflow nor underflow.
    d = d / scale
    return float(d @ found[entries] / (d @ d)) / scale


def uncertainty(bound: Array, direction: Array, entries: Any) -> float:
    """Return how far :func:`fitted` can be off if each entry of ``found`` is off by its bound."""
    return abs(fitted(bound, np.abs(direction), entries))


def round_number(number: float, digits: int = 2) -> float:
    """Return the nearest number of so many significant decimal digits.

    Examples
    --------
    >>> round_number(0.0998), round_number(5.0000003)
    (0.1, 5.0)
    """
    return float(f"{number:.{digits - 1}e}") if math.isfinite(number) else number


def in_words(number: float, digits: int) -> str:
    """Return a number with so many significant digits, and a minus sign where a sentence needs one.

    Examples
    --------
    >>> in_words(-0.1, 4), in_words(-1e-5, 4)
    ('−0.1', '−1e−05')
    """
    return f"{number:.{digits}g}".replace("-", "−")
