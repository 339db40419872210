"""The index of equations: every numbered equation that the library uses, in one table.

A backend declares numbers, in ``equations``; what they stand for is said here alone.

>>> print(EQUATIONS["BP2"].plain)
δˡ = ((wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ)
"""

from __future__ import annotations

from formulations.equations.chapter import CHAPTER
from formulations.equations.elsewhere import ELSEWHERE
from formulations.equations.equation import Equation

__all__ = ["EQUATIONS", "Equation"]

EQUATIONS: dict[str, Equation] = {equation.number: equation for equation in (*CHAPTER, *ELSEWHERE)}
"""Every equation by its number, in the order of the book."""
