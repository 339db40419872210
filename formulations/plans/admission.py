"""Whether a gradient stays within the budget."""

from __future__ import annotations

from formulations.arrays import Budget
from formulations.backends import Backend, Estimate
from formulations.display import format_seconds
from formulations.network import Network

__all__ = ["seconds_for", "unreasonable"]

SECONDS_PER_MULTIPLICATION = 1e-9
SECONDS_PER_CALL = 1.5e-6
"""The time of a NumPy operation on a small array; both constants are rough, but enough to tell seconds from minutes."""


def seconds_for(estimate: Estimate) -> float:
    """Return roughly how long a gradient takes."""
    return estimate.multiplications * SECONDS_PER_MULTIPLICATION + estimate.calls * SECONDS_PER_CALL


def unreasonable(backend: Backend, network: Network, m: int, budget: Budget) -> str | None:
    """Return None if a gradient over m examples stays within the budget, else the reason why it does not."""
    estimate = backend.estimate(network, m)
    seconds = seconds_for(estimate)
    if seconds <= budget.seconds and estimate.bytes <= budget.memory:
        return None
    detail = estimate.detail or f"{estimate.forward_passes} forward passes"
    return (
        f"one gradient would take about {format_seconds(seconds)} and {estimate.bytes / 1e6:.3g} MB ({detail}, "
        f"{estimate.multiplications:.1e} multiplications), more than the budget"
    )
