"""The spare plan: a small plan that ``gradient`` keeps with the network for the next similar call."""

from __future__ import annotations

from typing import NamedTuple

from formulations.arrays import Budget
from formulations.backends import Backend
from formulations.functions import Cost
from formulations.network import Network
from formulations.plans.plan import Plan

__all__ = ["Call", "is_small", "leave_spare", "shadow", "take_spare"]

SPARE = "_spare"
"""The attribute of the network that holds it; copies of the network do not have it."""

SPARED = 2**24
"""The bytes, including the gradient's, up to which a plan is kept."""


class Call(NamedTuple):
    """The arguments of a gradient, apart from the data.

    Attributes
    ----------
    m : int
        The number of examples.
    cost : Cost
        The cost.
    backend : str or Backend
        The flag, or the backend itself.
    budget : Budget
        The budget in force.
    """

    m: int
    cost: Cost
    backend: str | Backend
    budget: Budget

    def is_like(self, other: Call) -> bool:
        """Return whether one plan serves both; costs and backends, which users may write, compare by identity."""
        backend, other_backend = self.backend, other.backend
        named = isinstance(backend, str) and isinstance(other_backend, str) and backend == other_backend
        same = self.m == other.m and self.cost is other.cost and (named or backend is other_backend)
        return same and bool(self.budget == other.budget)


def take_spare(net: Network, call: Call) -> Plan | None:
    """Remove and return the network's spare plan; None if it does not serve this call."""
    # A single atomic step, so that two threads never get the same plan.
    left = net.__dict__.pop(SPARE, None)
    return left[1] if left is not None and call.is_like(left[0]) else None


def is_small(plan: Plan) -> bool:
    """Whether a plan may stay with its network."""
    net = plan.network
    return plan.backend.estimate(net, plan.batch_size).bytes + net.vector.nbytes <= SPARED


def leave_spare(net: Network, call: Call, plan: Plan) -> None:
    """Leave a small plan with its network, for the next call to take."""
    net.__dict__[SPARE] = call, plan


def shadow(net: Network) -> Network:
    """Return a network on the same parameters for the plan to hold.

    If the plan held the network itself, the cycle would keep both alive until the garbage collector runs, which counts
    objects and not their megabytes.
    """
    return net.with_vector(net.vector) if type(net) is Network else net
