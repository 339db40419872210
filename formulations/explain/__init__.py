"""Explanations: each equation with its number, first in symbols, then in numbers, then its result."""

from __future__ import annotations

from formulations.explain.explanation import Explanation
from formulations.explain.stages import explain

__all__ = ["Explanation", "explain"]
