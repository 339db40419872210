"""The spare plan: what a gradient in one call leaves with its network, for the next call like it."""

from __future__ import annotations

from typing import NamedTuple

from formulations.arrays import Budget
from formulations.backends import Backend
from formulations.functions import Cost
from formulations.network import Network
from formulations.plans.plan import Plan

__all__ = ["Call", "is_small", "leave_spare", "shadow", "take_spare"]

SPARE = "_spare"
"""Where it is left: an attribute of the network that copies do not have."""

SPARED = 2**24
"""Bytes, the gradient's among them, up to which a plan is kept."""


class Call(NamedTuple):
    """What a gradient is asked for besides the numbers.

    Attributes
    ----------
    m : int
        Examples.
    cost : Cost
        The cost.
    backend : str or Backend
        The flag, or the backend itself.
    budget : Budget
        What it may cost.
    """

    m: int
    cost: Cost
    backend: str | Backend
    budget: Budget

    def is_like(self, other: Call) -> bool:
        """Whether one plan serves both: cost and backend by identity, for what users write may compare oddly."""
        backend, other_backend = self.backend, other.backend
        named = isinstance(backend, str) and isinstance(other_backend, str) and backend == other_backend
        same = self.m == other.m and self.cost is other.cost and (named or backend is other_backend)
        return same and bool(self.budget == other.budget)


def take_spare(net: Network, call: Call) -> Plan | None:
    """Take the network's spare plan away, for a plan belongs to one thread; None where it does not serve this call."""
    # In one step, which no other thread comes between.
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

    A network that its own plan held would not go with its last name, but when the collector comes, and that counts
    objects and not their megabytes.
    """
    return net.with_vector(net.vector) if type(net) is Network else net
