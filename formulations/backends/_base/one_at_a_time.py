"""Any backend applied to one example at a time, and averaged.

This is the loop over training examples in which the chapter first states the algorithm. It runs a forward pass for
every example, and is therefore not judged on the tape of the whole mini-batch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from formulations.backends._base.contract import Backend
from formulations.backends._base.estimates import Estimate, tape_bytes
from formulations.backends._base.perturbation import Difference
from formulations.backends._base.tiers import Tier
from formulations.functions import Cost
from formulations.network import Gradient, Network, Tape

__all__ = ["OneAtATime"]


class OneAtATime(Backend):
    """The (weighted) mean of a backend's gradients of single examples.

    Parameters
    ----------
    backend : Backend
        The formulation that computes each example's gradient.
    """

    linear_in_shares = True
    no_operators = "taking one example at a time is a way to sum a gradient; leave batch=example out"

    def __init__(self, backend: Backend) -> None:
        self._inner = backend
        self.name = backend.name
        self.summary = f"{backend.summary}, one example at a time"
        self.equations = backend.equations
        own_forward_pass = backend.tier in (Tier.ELSEWHERE, Tier.PERTURBATION)
        self.tier = backend.tier if own_forward_pass else Tier.FORWARD
        self.variant_of = backend.variant_of

    @property
    def inner(self) -> Backend:
        """The formulation that computes each example's gradient."""
        return self._inner

    @property
    def label(self) -> str:
        """The wrapped backend's flag with ``batch=example`` added."""
        inner = self.inner.label
        return f"{inner}{',' if ':' in inner else ':'}batch=example"

    def why_not(self, network: Network, cost: Cost) -> str | None:
        """Return the reason of the wrapped backend."""
        return self.inner.why_not(network, cost)

    def difference(self) -> Difference | None:
        """Return the quotient of the wrapped backend, one example at a time."""
        found = self.inner.difference()
        return found and replace(found, with_step=lambda step: OneAtATime(found.with_step(step)))

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate m gradients of one example each."""
        single = self.inner.estimate(network, 1)
        return replace(
            single,
            multiplications=m * (single.multiplications + network.layout.count),
            bytes=single.bytes + tape_bytes(network, m) + network.vector.nbytes,
            forward_passes=m * single.forward_passes,
            calls=m * single.calls,
        )

    def prepare(self, network: Network, tape: Tape) -> tuple[Tape, Gradient]:
        """Return a tape and a gradient for one example."""
        single = Tape(network, tape.cost, 1)
        return single, self.inner.ready(network, single)

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write the mean of the examples' gradients, and each example's δ in its row."""
        single, alone = tape.workspace
        passes = single.forward_passes
        gradient.vector[...] = 0
        cost: Any = network.dtype.type(0)
        # The tape of one example has the cost's factor.
        for x, share in enumerate(tape.mean_shares[:, 0]):
            rows = slice(x, x + 1)
            single.load(tape.X[rows], tape.targets[rows])
            self.inner.gradient(network, single, alone)
            alone.vector[...] *= share
            gradient.vector[...] += alone.vector
            cost += share * alone.cost
            for delta, mine in zip(tape.errors, alone.errors or (), strict=False):
                delta[rows] = share * mine
        # The last example is a view of the whole batch, which the inner tape must not keep alive.
        single.load(single.X[:0].copy(), None)
        gradient.errors = None if alone.errors is None else tuple(tape.errors)
        gradient.cost = cost
        tape.forward_passes += single.forward_passes - passes
