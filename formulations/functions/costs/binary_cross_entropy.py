"""The cross-entropy of independent binary outputs, and its form combined with the sigmoid."""

from __future__ import annotations

from typing import final

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import InvalidInput
from formulations.functions.activations import ACTIVATIONS, Activation
from formulations.functions.costs import formulas
from formulations.functions.costs.base import CombinedOutput, Cost, over_square

__all__ = ["BinaryCrossEntropy"]


@final
class BinaryCrossEntropy(Cost):
    """The cross-entropy of Equation (63), summed over the output neurons.

    C_x = −Σ_j [y_j ln a_j + (1 − y_j) ln(1 − a_j)], for outputs and targets in [0, 1]. With sigmoid outputs C_x is
    computed from z, so that it is always finite, and δ^L = a^L − y (Equation 66). With other outputs, ∇_aC and ∇²_aC
    are infinite if an output is exactly 0 or 1 and the target is not.
    """

    name = "binary_cross_entropy"
    analytic = True
    formula = staticmethod(formulas.binary_cross_entropy)
    equation = "63"

    def evaluate(self, A: Array, Y: Array, gradient: Array | None = None) -> Array:
        """Return the cross-entropy of each example, shape (m,)."""
        outside = (A < 0) | (A > 1)
        if outside.any():
            x, j = (int(i) for i in np.argwhere(outside)[0])
            raise InvalidInput(
                f"binary_cross_entropy needs outputs in [0, 1], got {A[x, j]} from output neuron {j} in example {x}; "
                "use an output activation such as sigmoid, or another cost."
            )
        with np.errstate(divide="ignore"):
            # 0·ln 0 is 0: entries with weight 0 are skipped.
            hit = np.log(A, out=np.zeros_like(A), where=Y != 0)
            miss = np.log1p(-A, out=np.zeros_like(A), where=Y != 1)
            if gradient is not None:
                np.divide(1 - Y, 1 - A, out=gradient, where=Y != 1)
                gradient[Y == 1] = 0
                gradient -= np.divide(Y, A, out=np.zeros_like(A), where=Y != 0)
        values: Array = -(Y * hit + (1 - Y) * miss).sum(axis=1)
        return values

    def curvature_product(self, A: Array, Y: Array, V: Array) -> Array:
        """Return (1 − y)/(1 − a)² ⊙ v + y/a² ⊙ v."""
        product = over_square(1 - Y, 1 - A, V)
        product += over_square(Y, A, V)
        return product

    def combined(self, activation: Activation) -> CombinedOutput | None:
        """Return the form for sigmoid outputs: C_x from z, δ^L = a − y."""
        if all(function == ACTIVATIONS["sigmoid"] for function in activation.functions):
            return CombinedOutput(_cross_entropy_of_logits, formula=formulas.cross_entropy_of_logits, equation="66")
        return None

    def check_targets(self, Y: Array) -> None:
        """Refuse targets outside [0, 1]."""
        outside = (Y < 0) | (Y > 1)
        if outside.any():
            x, j = (int(i) for i in np.argwhere(outside)[0])
            raise InvalidInput(
                f"binary_cross_entropy needs targets in [0, 1], got {Y[x, j]} at Y[{x}, {j}]; "
                "rescale Y, or use cost='quadratic'.",
                position=(x, j),
            )


def _cross_entropy_of_logits(Z: Array, Y: Array) -> Array:
    zero = Z.dtype.type(0)
    values: Array = (Y * np.logaddexp(zero, -Z) + (1 - Y) * np.logaddexp(zero, Z)).sum(axis=1)
    return values
