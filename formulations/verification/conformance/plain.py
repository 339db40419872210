"""A plain function ``(net, X, Y) -> gradient``, as a backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from formulations.backends import Backend, Estimate, Tier
from formulations.data import Problem
from formulations.exceptions import CandidateFailed
from formulations.network import Gradient, Network, Tape, forward
from formulations.verification.certification import read_candidate
from formulations.verification.conformance.serves import Serves

__all__ = ["PlainFunction"]


class PlainFunction(Backend):
    """A plain function ``(net, X, Y) -> gradient``, and what it is asked for.

    Parameters
    ----------
    function : callable
        Returns a gradient in a form that :func:`formulations.certify` accepts.
    serves : Serves
        What it is asked for.
    """

    summary = "a user-supplied function"
    equations = ()
    tier = Tier.ELSEWHERE

    def __init__(self, function: Callable[..., Any], serves: Serves) -> None:
        self.function, self.serves = function, serves
        self.name = getattr(function, "__name__", type(function).__name__)

    def why_not_asked(self, problem: Problem) -> str | None:
        """Return None if the function is asked for the gradient of a problem, else the reason."""
        if problem.sample_weight is not None:
            return "it does not get sample weights"
        return self.serves.why_not(problem.network, problem.cost)

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write what the function returns; the cost comes from a forward pass of the network."""
        forward(network, tape)
        returned = self.function(network, tape.X, tape.targets)
        found = read_candidate(returned, network.layout, network.dtype, tape.m).whole()
        if found.dtype != network.dtype:
            raise CandidateFailed(
                f"it must return the gradient in the network's dtype {network.dtype}, got {found.dtype}; compute in "
                f"the dtype of the parameters, or check dtypes=['{found.dtype}'] alone."
            )
        gradient.vector[...] = found.vector
        gradient.errors, gradient.cost = found.errors, tape.cost_value

    def estimate(self, network: Network, m: int) -> Estimate:  # noqa: ARG002 - the cost of the function is unknown
        """Estimate one forward pass, which is all that is known."""
        return Estimate(multiplications=0, bytes=0, forward_passes=1, calls=1)
