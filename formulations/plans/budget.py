"""Budgets: what is too long or too large to begin without being asked twice."""

from __future__ import annotations

from formulations.arrays import Budget
from formulations.backends import Backend, Estimate
from formulations.display import format_seconds
from formulations.network import Network

__all__ = ["foreseen_seconds", "unreasonable"]

SECONDS_PER_MULTIPLICATION = 1e-9
SECONDS_PER_CALL = 1.5e-6
"""What NumPy takes for an operation on a small array; both are rough, enough to foresee minutes."""


def foreseen_seconds(estimate: Estimate) -> float:
    """Return roughly how long a gradient is going to take."""
    return estimate.multiplications * SECONDS_PER_MULTIPLICATION + estimate.calls * SECONDS_PER_CALL


def unreasonable(backend: Backend, network: Network, m: int, budget: Budget) -> str | None:
    """Return None where a gradient over m examples stays within the budget, else what it would take."""
    estimate = backend.estimate(network, m)
    seconds = foreseen_seconds(estimate)
    if seconds <= budget.seconds and estimate.bytes <= budget.memory:
        return None
    detail = estimate.detail or f"{estimate.forward_passes} forward passes"
    return (
        f"one gradient would take about {format_seconds(seconds)} and {estimate.bytes / 1e6:.3g} MB ({detail}, "
        f"{estimate.multiplications:.1e} multiplications), more than the budget"
    )
