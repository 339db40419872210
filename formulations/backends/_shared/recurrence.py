"""The recurrence for δ and the Khatri–Rao product, shared by several backends."""

from __future__ import annotations

import numpy as np

from formulations.arrays import Array, Pattern
from formulations.functions import ACTIVATIONS
from formulations.network import Network, Tape

__all__ = ["errors_by_recurrence", "khatri_rao", "why_not_linear"]


def errors_by_recurrence(network: Network, tape: Tape) -> list[Array]:
    """Return δ², …, δ^L in the tape's own memory, each of shape (m, n_l), by (BP1) and (BP2).

    A coupled slope acts as Σ′ᵀ, as in (33) and (34).
    """
    delta = tape.output_error()
    for l in network.hidden_layers:
        delta = tape.through_slope(l, tape.pull_back(l, delta))
    return tape.errors


def why_not_linear(network: Network, last: int | None = None) -> str | None:
    """Return None for a network of linear neurons, up to a layer, else the reason with the first other layer."""
    for l, activation in enumerate(network.activations[: None if last is None else last - 1], start=2):
        if any(function != ACTIVATIONS["identity"] for function in activation.functions):
            return f"it needs the activation identity in every layer, and layer {l} has {activation.name}"
    return None


def khatri_rao(delta: Array, a: Array, pattern: Pattern | None, out: Array) -> None:
    """Write each example's δ ⊗ a into its row, shape (m, n_l·n_{l−1}).

    With entry j·n_{l−1} + k equal to δ_j a_k, a row is vec ∂C_x/∂w row by row. With a pattern, the row
    has the stored entries only.
    """
    if pattern is None:
        # Splitting the last axis is a view, also of columns of a wider array.
        np.multiply(delta[:, :, None], a[:, None, :], out=out.reshape(*delta.shape, a.shape[1]))
    else:
        np.multiply(delta[:, pattern.rows], a[:, pattern.indices], out=out)
