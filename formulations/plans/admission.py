"""Whether a gradient, or a product with an operator, stays within the budget."""

from __future__ import annotations

from formulations.arrays import Budget
from formulations.backends import PARAMETERS, Backend, Estimate, Where
from formulations.display import format_seconds
from formulations.network import Network

__all__ = ["seconds_for", "unreasonable"]

SECONDS_PER_MULTIPLICATION = 1e-9
SECONDS_PER_CALL = 1.5e-6
"""The time of a NumPy operation on a small array; both constants are rough, but enough to tell seconds from minutes."""


def seconds_for(estimate: Estimate) -> float:
    """Return roughly how long it takes."""
    return estimate.multiplications * SECONDS_PER_MULTIPLICATION + estimate.calls * SECONDS_PER_CALL


WHAT = {
    "gradient": "one gradient",
    "jacobian": "one product with the Jacobian or its transpose",
    "input_gradient": "the input gradient",
    "hessian": "one product with the Hessian",
    "gauss_newton": "one product with the Gauss–Newton matrix",
}
"""What is estimated, in messages."""


def unreasonable(
    backend: Backend, network: Network, m: int, budget: Budget, operator: str = "gradient", wrt: Where = PARAMETERS
) -> str | None:
    """Return None if a gradient, or a product with an operator, stays within the budget, else the reason.

    Parameters
    ----------
    backend, network, m : Backend, Network, int
        The backend, the network, and the number of examples.
    budget : Budget
        The limits.
    operator, wrt
        ``"gradient"``, or as in :meth:`formulations.Backend.estimate_operator`.
    """
    if operator == "gradient":
        estimate = backend.estimate(network, m)
    else:
        estimate = backend.estimate_operator(operator, network, m, wrt)
    seconds = seconds_for(estimate)
    if seconds <= budget.seconds and estimate.bytes <= budget.memory:
        return None
    detail = estimate.detail or f"{estimate.forward_passes} forward passes"
    return (
        f"{WHAT[operator]} would take about {format_seconds(seconds)} and {estimate.bytes / 1e6:.3g} MB ({detail}, "
        f"{estimate.multiplications:.1e} multiplications), more than the budget"
    )
