"""Mutants: backends with planted faults, each the correct backward pass of ``Written`` with one step replaced."""

from __future__ import annotations

# Each module adds its faults to the table.
from tests.audit.mutants import conditions, equations, memory, numbers, sums
from tests.audit.mutants.written import MUTANTS, Mutant, Written, fault

__all__ = ["MUTANTS", "Mutant", "Written", "conditions", "equations", "fault", "memory", "numbers", "sums"]
