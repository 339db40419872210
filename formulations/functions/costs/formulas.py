"""The costs as formulas of a^L or z^L, for complex numbers and automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from formulations.functions.activations import Engine, softplus

__all__ = [
    "CostFormula",
    "binary_cross_entropy",
    "cross_entropy_of_logits",
    "log_likelihood",
    "log_likelihood_of_logits",
    "log_likelihood_of_sigmoids",
    "quadratic",
]

CostFormula: TypeAlias = Callable[[Engine, Any, Any], Any]
"""C_x of each example, shape (m,), from the outputs a^L (or the weighted inputs z^L) and targets, shape (m, n_L)."""


def quadratic(engine: Engine, A: Any, Y: Any) -> Any:  # noqa: ARG001 - needs no function of the engine
    """Return ½Σ(a − y)²."""
    return ((A - Y) * (A - Y)).sum(1) / 2


def binary_cross_entropy(engine: Engine, A: Any, Y: Any) -> Any:
    """Return −Σ[y ln a + (1 − y) ln(1 − a)], skipping entries with weight 0."""
    hit = engine.log(engine.where(Y == 0, 0 * A + 1, A))
    miss = engine.log(engine.where(Y == 1, 0 * A + 1, 1 - A))
    return -(Y * hit + (1 - Y) * miss).sum(1)


def log_likelihood(engine: Engine, A: Any, Y: Any) -> Any:
    """Return −Σ y ln a, skipping entries with weight 0."""
    return -(Y * engine.log(engine.where(Y == 0, 0 * A + 1, A))).sum(1)


def cross_entropy_of_logits(engine: Engine, Z: Any, Y: Any) -> Any:
    """Return Σ[y ln(1+e^−z) + (1 − y) ln(1+e^z)]."""
    return (Y * softplus(engine, -Z) + (1 - Y) * softplus(engine, Z)).sum(1)


def log_likelihood_of_logits(engine: Engine, Z: Any, Y: Any) -> Any:
    """Return Σ y (ln Σe^z − z), after subtracting the largest z and skipping entries with weight 0."""
    lower = Z - engine.largest(Z)
    return (Y * (engine.log(engine.exp(lower).sum(1))[:, None] - engine.where(Y == 0, 0 * Z, lower))).sum(1)


def log_likelihood_of_sigmoids(engine: Engine, Z: Any, Y: Any) -> Any:
    """Return Σ y ln(1+e^−z) = −Σ y ln σ(z)."""
    return (Y * softplus(engine, -Z)).sum(1)
