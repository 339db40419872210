"""Stacks of arrays over the examples, one for each direction, times a weight matrix."""

from __future__ import annotations

from typing import Any

from scipy.sparse import issparse

from formulations.arrays import Array

__all__ = ["entries", "stacked_product"]


def stacked_product(stack: Array, matrix: Any) -> Array:
    """Return the rows of every array times a matrix, dense or sparse: (k, m, n) @ (n, n') as one product."""
    k, m, n = stack.shape
    product: Array = stack.reshape(k * m, n) @ matrix
    return product.reshape(k, m, -1)


def entries(weights: Any) -> Array:
    """Return the numbers of a weight matrix as an array of which they are a view: the stored ones of a sparse one."""
    stored: Array = weights.data if issparse(weights) else weights
    return stored
