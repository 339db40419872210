"""What a cost is: one number an example, and its gradient with respect to the outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from formulations.activations import Activation
from formulations.parameters import Array

__all__ = ["Cost", "FusedOutput"]


@dataclass(frozen=True)
class FusedOutput:
    """A cost and the activation before it, taken together, so that σ′ cancels.

    Parameters
    ----------
    value : callable (Z, Y) -> (m,)
        The examples' costs from the weighted inputs of the output layer.
    error : callable (A, Y, out)
        Writes each example's δ^L = ∂C_x/∂z^L, shape (m, n_L).
    """

    value: Callable[[Array, Any], Array]
    error: Callable[[Array, Any, Array], None]


class Cost(ABC):
    """One cost an example, and its gradient ∇_aC_x."""

    name: str

    @abstractmethod
    def evaluate(self, A: Array, Y: Array, gradient: Array | None = None) -> Array:
        """Return the examples' costs, shape (m,), and write ∇_aC_x of each into ``gradient``, shape (m, n_L)."""

    def fused(self, activation: Activation) -> FusedOutput | None:  # noqa: ARG002 - most costs have none
        """Return the form fused with this output activation, or None where there is none."""
        return None

    def check_targets(self, Y: Array) -> None:  # noqa: B027 - most costs take every target
        """Refuse targets for which the cost is not defined."""
