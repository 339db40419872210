"""The quadratic cost."""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np

from formulations.arrays import Array
from formulations.functions.costs import formulas
from formulations.functions.costs.base import Cost

__all__ = ["Quadratic"]


@final
class Quadratic(Cost):
    """The quadratic cost of Equation (6): C_x = ½‖a^L − y‖², ∇_aC_x = a^L − y."""

    name = "quadratic"
    analytic = True
    formula = staticmethod(formulas.quadratic)
    equation, mean_equation = "27", "26"

    def evaluate(self, A: Array, Y: Array, gradient: Array | None = None) -> Array:
        """Return ½‖a − y‖² of each example, shape (m,)."""
        difference = np.subtract(A, Y, gradient)
        values: Array = np.vecdot(difference, difference)
        values *= values.dtype.type(0.5)
        return values

    def average(self, A: Array, Y: Array, shares: Array, gradient: Array | None = None) -> Any:
        """Return C and write ∇_aC; with equal shares, C is one product of the differences."""
        if shares.ndim:
            return super().average(A, Y, shares, gradient)
        difference = np.subtract(A, Y, gradient)
        total = np.vdot(difference, difference)
        if not math.isfinite(total):
            # The sum may overflow although the mean does not.
            return super().average(A, Y, shares, gradient)
        if gradient is not None:
            np.multiply(gradient, shares, gradient)
        # The product with a Python number keeps the dtype, and halving the share is exact.
        return total * (0.5 * shares.item())

    def curvature_product(self, A: Array, Y: Array, V: Array) -> Array:  # noqa: ARG002
        """Return v: ∇²_aC_x is the identity."""
        return V.copy()
