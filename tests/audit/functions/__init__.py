"""The study of ``certify_function``: functions with gradients by hand, faults, and other checkers."""

from __future__ import annotations

# Each module adds its functions to the table.
from tests.audit.functions import classics, hard, learning, linear_algebra, more_garbow_hillstrom
from tests.audit.functions.function import FUNCTIONS, Function

__all__ = ["FUNCTIONS", "Function", "classics", "hard", "learning", "linear_algebra", "more_garbow_hillstrom"]
