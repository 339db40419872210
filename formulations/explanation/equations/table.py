"""The index of equations: every numbered equation that the library uses.

Backends refer to them by number, in ``equations``.

>>> print(EQUATIONS["BP2"].plain)
δˡ = ((wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ)
"""

from __future__ import annotations

from formulations.explanation.equations.chapter import CHAPTER
from formulations.explanation.equations.elsewhere import ELSEWHERE
from formulations.explanation.equations.equation import Equation

__all__ = ["EQUATIONS", "Equation"]

EQUATIONS: dict[str, Equation] = {equation.number: equation for equation in (*CHAPTER, *ELSEWHERE)}
"""Number → equation, in the order of the book."""
