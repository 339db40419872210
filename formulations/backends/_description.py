"""The facts of a backend, from the backend itself."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from formulations.backends._base import (
    ESTIMATED_EXAMPLES,
    ESTIMATED_SIZES,
    OPERATORS,
    Backend,
    BackendFacts,
    Estimate,
    option_types,
)
from formulations.backends._registry import BATCH_CHOICES
from formulations.functions import get_cost
from formulations.network import Network

__all__ = ["facts_of"]


def facts_of(backend: Backend) -> BackendFacts:
    """Return what a backend declares, and what it estimates."""
    cost = _estimated(backend)
    return BackendFacts(
        name=backend.name,
        kind=backend.kind,
        summary=backend.summary,
        equations=backend.equations,
        tier=backend.tier.value,
        options=_options(backend),
        multiplications=None if cost is None else cost.multiplications,
        forward_passes=None if cost is None else cost.forward_passes,
        other_passes=None if cost is None else cost.other_passes,
        detail=None if cost is None else cost.detail,
        operators=backend.operators,
        orders=backend.orders,
        no_operators="" if set(OPERATORS) <= set(backend.operators) else backend.no_operators,
    )


def _options(backend: Backend) -> dict[str, list[str] | str]:
    """Return the choices of each option, the default first, or its type."""
    described: dict[str, list[str] | str] = {}
    declared: Any = type(backend)
    for key, kind in option_types(declared).items():
        if get_origin(kind) is Literal:
            default = getattr(backend, key)
            described[key] = [default, *(value for value in get_args(kind) if value != default)]
        else:
            members = get_args(kind) or (kind,)
            described[key] = "|".join(member.__name__ for member in members if member is not type(None))
    return {**described, "batch": list(BATCH_CHOICES)}


def _estimated(backend: Backend) -> Estimate | None:
    """Estimate the cost on a sigmoid network, or on a linear one; None if the backend serves neither."""
    for activation in ("sigmoid", "identity"):
        network = Network.random(ESTIMATED_SIZES, activation, seed=0)
        if backend.why_not(network, get_cost("quadratic")) is None:
            return backend.estimate(network, ESTIMATED_EXAMPLES)
    return None
