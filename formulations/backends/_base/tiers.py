"""How a backend relates to the tape."""

from __future__ import annotations

from enum import Enum

__all__ = ["Tier"]


class Tier(Enum):
    """How a backend relates to the tape, which decides the tolerances that judge it."""

    RECURRENCE = "R"
    """A recurrence on the tape, layer by layer: judged locally (T1), and by T4 if T1 finds no fault."""
    PRODUCT = "Q"
    """An explicit product over several layers, on the tape: judged over paths (T2, T3), and likewise by T4."""
    FORWARD = "F"
    """A separate forward pass: judged by the propagated roundoff of both passes (T4)."""
    ELSEWHERE = "E"
    """A forward pass of its own, by functions that are not this library's: judged by T4, and granted what customary
    formulas lose."""
    PERTURBATION = "P"
    """Differences of the cost: judged by their own truncation and roundoff."""
