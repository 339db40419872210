"""Budgets: what is too long or too large to begin without being asked twice."""

from __future__ import annotations

from formulations.arrays import Budget
from formulations.backends import Backend, Prediction
from formulations.display import format_seconds
from formulations.network import Network

__all__ = ["foreseen_seconds", "unreasonable"]

SECONDS_PER_MULTIPLICATION = 1e-9
SECONDS_PER_CALL = 1.5e-6
"""What NumPy takes for an operation on a small array; both are rough, enough to foresee minutes."""


def foreseen_seconds(prediction: Prediction) -> float:
    """Return roughly how long a gradient is going to take."""
    return prediction.multiplications * SECONDS_PER_MULTIPLICATION + prediction.calls * SECONDS_PER_CALL


def unreasonable(backend: Backend, network: Network, m: int, budget: Budget) -> str | None:
    """Return None where a gradient over m examples stays within the budget, else what it would take."""
    prediction = backend.predict(network, m)
    seconds = foreseen_seconds(prediction)
    if seconds <= budget.seconds and prediction.bytes <= budget.memory:
        return None
    detail = prediction.detail or f"{prediction.forward_passes} forward passes"
    return (
        f"one gradient would take about {format_seconds(seconds)} and {prediction.bytes / 1e6:.3g} MB ({detail}, "
        f"{prediction.multiplications:.1e} multiplications), more than the budget"
    )
