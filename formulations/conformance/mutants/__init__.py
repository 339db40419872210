"""Mutants: backends with planted faults, so that a suite that passes means something.

Every one is the right way back of :class:`~formulations.conformance.mutants.written.Written` with one step replaced.
"""

from __future__ import annotations

from formulations.conformance.mutants import conditions, equations, memory, numbers, sums
from formulations.conformance.mutants.written import MUTANTS, Mutant, Written

__all__ = ["MUTANTS", "Mutant", "Written", "conditions", "equations", "memory", "numbers", "sums"]
