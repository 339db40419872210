"""Numbers that a mistake leaves open, fitted to the candidate, and the names of such numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from formulations.arrays import Array

__all__ = ["fitted", "fitted_together", "in_words", "round_number", "uncertainty"]


def fitted(found: Array, direction: Array, entries: Any) -> float:
    """Return t of the smallest ‖found − t·direction‖ over some entries; 0 if the direction vanishes there."""
    d, scale = direction[entries], float(np.max(np.abs(direction[entries]), initial=0.0))
    if not (scale > 0 and math.isfinite(scale)):
        return 0.0
    # Scaled, so that the squares neither overflow nor underflow.
    d = d / scale
    return float(d @ found[entries] / (d @ d)) / scale


def fitted_together(found: Array, directions: Sequence[Array], entries: Any, bound: Array) -> tuple[Array, Array]:
    """Return the t_i of the smallest ‖found − Σ t_i·direction_i‖ over some entries, and their uncertainties.

    An uncertainty is how far t_i can be off if each entry of ``found`` is off by its bound. Both are 0 if a direction
    vanishes there.
    """
    columns = np.stack([each[entries] for each in directions], axis=1)
    scale = np.max(np.abs(columns), axis=0, initial=0.0)
    if not ((scale > 0) & np.isfinite(scale)).all():
        return np.zeros(len(directions)), np.zeros(len(directions))
    inverse = np.linalg.pinv(columns / scale) / scale[:, None]
    return inverse @ found[entries], np.abs(inverse) @ bound[entries]


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
