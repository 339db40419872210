"""Subjects: what may be checked, made a backend."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from formulations.arrays import Gradient
from formulations.backends import Backend, Estimate, Tier, get_backend
from formulations.exceptions import InvalidInput, Refused, WrongType
from formulations.functions import Cost, Quadratic
from formulations.network import Network, Tape, forward
from formulations.verification.certification import read_candidate

__all__ = ["read_subject"]


class Function(Backend):
    """A plain function ``(net, X, Y) -> gradient``, for the quadratic cost and examples that count the same.

    Parameters
    ----------
    function : callable
        It returns what :func:`formulations.certify` takes.
    """

    summary = "a function of yours"
    equations = ()
    tier = Tier.ELSEWHERE

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)

    def why_not(self, network: Network, cost: Cost) -> str | None:  # noqa: ARG002 - it says so by raising
        """Refuse costs that the function is not told of."""
        if type(cost) is not Quadratic:
            return f"a function is told of no cost, and is taken to mean the quadratic one, not {cost.name}"
        return None

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write what the function returns; its cost is that of the network's own pass."""
        if tape.shares is not None:
            raise Refused("a function is told of no sample weights; check it without, or write a backend.")
        forward(network, tape)
        found = read_candidate(self.function(network, tape.X, tape.targets), network.layout, network.dtype, tape.m)
        gradient.vector[...] = found.vector
        gradient.errors, gradient.cost = found.errors, tape.cost_value

    def estimate(self, network: Network, m: int) -> Estimate:  # noqa: ARG002 - nothing is known of it
        """Predict nothing but a pass."""
        return Estimate(multiplications=0, bytes=0, forward_passes=1, calls=1)


def read_subject(subject: Any) -> Backend:
    """Return a backend from a backend, its class, its name, ``"package:Class"``, or a plain function.

    Raises
    ------
    WrongType
        Where it is none of these.
    InvalidInput
        Where the package or the class cannot be loaded.
    UnknownName
        Where no backend has this name.
    """
    if isinstance(subject, type) and issubclass(subject, Backend):
        return subject()
    if isinstance(subject, str) and ":" in subject and "=" not in subject:
        return read_subject(_loaded(subject))
    if isinstance(subject, str | Backend):
        return get_backend(subject)
    if callable(subject):
        return Function(subject)
    raise WrongType(f"what is checked must be a backend, its name, package:Class or a function, got {subject!r}.")


def _loaded(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as caught:
        raise InvalidInput(f"{path!r} cannot be loaded ({caught}); give package:Class as it is imported.") from caught
    return found
