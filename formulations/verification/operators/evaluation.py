"""What is judged of an operator."""

from __future__ import annotations

import numpy as np

from formulations.arrays import Array
from formulations.backends import Linearization

__all__ = ["evaluate"]


def evaluate(linearization: Linearization, operator: str, v: Array | None = None) -> Array:
    """Return what is judged of an operator: the Jacobian from input to output, or the product with a direction v."""
    if operator == "jacobian":
        return linearization.jacobian(linearization.point.network.layout.last, 1)
    product = linearization.hessian_product if operator == "hessian" else linearization.gauss_newton_product
    return product(np.asarray(v))
