"""Anything that can be checked, as a backend."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from formulations.backends import Backend, Estimate, Tier, get_backend
from formulations.exceptions import InvalidInput, Refused, WrongType
from formulations.functions import Cost, Quadratic
from formulations.network import Gradient, Network, Tape, forward
from formulations.verification.certification import read_candidate

__all__ = ["read_subject"]


class Function(Backend):
    """A plain function ``(net, X, Y) -> gradient``, for the quadratic cost without sample weights.

    Parameters
    ----------
    function : callable
        Returns a gradient in a form that :func:`formulations.certify` accepts.
    """

    summary = "a user-supplied function"
    equations = ()
    tier = Tier.ELSEWHERE

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)

    def why_not(self, network: Network, cost: Cost) -> str | None:  # noqa: ARG002 - the function raises
        """Refuse other costs than the quadratic, since the function does not get the cost."""
        if type(cost) is not Quadratic or cost.factor != 1:
            return f"a plain function does not get the cost and must be for the quadratic one, got {cost.name}"
        return None

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write what the function returns; the cost comes from a forward pass of the network."""
        if tape.shares is not None:
            raise Refused("a plain function does not get sample weights; check it without them, or write a backend.")
        forward(network, tape)
        returned = self.function(network, tape.X, tape.targets)
        found = read_candidate(returned, network.layout, network.dtype, tape.m).whole()
        gradient.vector[...] = found.vector
        gradient.errors, gradient.cost = found.errors, tape.cost_value

    def estimate(self, network: Network, m: int) -> Estimate:  # noqa: ARG002 - the cost of the function is unknown
        """Estimate one forward pass, which is all that is known."""
        return Estimate(multiplications=0, bytes=0, forward_passes=1, calls=1)


def read_subject(subject: Any) -> Backend:
    """Return a backend from a backend, its class, its name, ``"package:Class"``, or a plain function.

    Raises
    ------
    WrongType
        If it is none of these.
    InvalidInput
        If the package or the class cannot be loaded.
    UnknownName
        If no backend has this name.
    """
    if isinstance(subject, type) and issubclass(subject, Backend):
        return subject()
    if isinstance(subject, str) and ":" in subject and "=" not in subject:
        return read_subject(_loaded(subject))
    if isinstance(subject, str | Backend):
        return get_backend(subject)
    if callable(subject):
        return Function(subject)
    raise WrongType(f"what to check must be a backend, its name, package:Class or a function, got {subject!r}.")


def _loaded(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as caught:
        raise InvalidInput(f"{path!r} cannot be loaded ({caught}); pass an importable package:Class.") from caught
    return found
