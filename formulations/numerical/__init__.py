"""What is asked of functions that users hand in: keep to the rules, and let one be the derivative of the other."""

from __future__ import annotations

from formulations.numerical.derivatives import Estimate, estimate, row_estimate
from formulations.numerical.functions import call_untouched, called, first_mixed, interval, sample_points

__all__ = [
    "Estimate",
    "call_untouched",
    "called",
    "estimate",
    "first_mixed",
    "interval",
    "row_estimate",
    "sample_points",
]
