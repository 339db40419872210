"""What a network is made of: the reading and checking of the arrays and activations that a user hands in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from formulations.activations import Activation, get_activation
from formulations.exceptions import InvalidInput, Refused, WrongShape, WrongType
from formulations.inputs import as_dtype, as_real
from formulations.parameters import Array, Layout, Pattern

__all__ = ["chained_shapes", "common_dtype", "read_activations", "read_weights", "shape_of"]


def common_dtype(arrays: Sequence[Any]) -> np.dtype[Any]:
    """Return the one floating dtype of all arrays; integers and bools stand for float64."""
    found = set()
    for array in arrays:
        dtype = getattr(array, "dtype", None)
        try:
            dtype = np.asarray(array).dtype if dtype is None else dtype
        except ValueError as caught:
            raise WrongShape(
                "weights and biases must be rectangular arrays of numbers, got rows of unequal length; "
                "pad the missing entries, or give that layer fewer columns."
            ) from caught
        found.add(np.dtype("float64") if dtype.kind in "biu" else dtype)
    if len(found) > 1:
        raise WrongType(
            f"weights and biases must all have one dtype, got {', '.join(sorted(map(str, found)))}; "
            "convert them, or name the network's dtype with dtype=."
        )
    dtype = found.pop() if found else np.dtype("float64")
    if dtype.kind in "OSUcMm":
        raise WrongType(f"weights and biases must be real numbers, got dtype {dtype}; pass rectangular real arrays.")
    return as_dtype(dtype)


def shape_of(matrix: Any) -> tuple[int, ...]:
    """Return the shape of a dense or sparse matrix, or of what can become one."""
    return matrix.shape if hasattr(matrix, "shape") else np.asarray(matrix).shape


def read_weights(matrix: Any, name: str, dtype: np.dtype[Any]) -> tuple[Array, Pattern | None]:
    """Return a weight matrix, or a sparse one's stored entries and their pattern."""
    if not issparse(matrix):
        return as_real(matrix, name, dtype), None
    rows = matrix.tocsr(copy=True)
    rows.sum_duplicates()
    return as_real(rows.data, name, dtype), Pattern(rows.indices, rows.indptr)


def chained_shapes(
    weights: Sequence[tuple[int, ...]], biases: Sequence[tuple[int, ...]]
) -> tuple[tuple[int, int], ...]:
    """Return the shapes (n_l, n_{l−1}), refusing matrices and bias vectors that do not chain."""
    shapes = []
    for i, (matrix, vector) in enumerate(zip(weights, biases, strict=True)):
        if len(matrix) != 2 or 0 in matrix:
            raise WrongShape(f"weights[{i}] must have shape (n_l, n_{{l-1}}), both positive, got {matrix}.")
        if i and matrix[1] != weights[i - 1][0]:
            raise WrongShape(
                f"the weights must chain: weights[{i}] has shape {matrix} but layer {i + 1} has "
                f"{weights[i - 1][0]} neurons, so it needs {weights[i - 1][0]} columns; "
                "rows are the neurons of the layer, columns those of the layer before."
            )
        if vector != matrix[:1]:
            raise WrongShape(
                f"biases[{i}] must have shape ({matrix[0]},), one bias for each row of weights[{i}], got {vector}; "
                f"pass biases[{i}].ravel() if it is a column."
            )
        shapes.append((int(matrix[0]), int(matrix[1])))
    return tuple(shapes)


def read_activations(given: Any, layout: Layout, dtype: np.dtype[Any]) -> tuple[Activation, ...]:
    """Return one activation for each layer from the second on, each fit for its layer's width and dtype."""
    layers = len(layout.shapes)
    if not isinstance(given, str | Activation | Sequence):
        raise WrongType(
            f"activations must be a name, an activation, or a sequence of them, got {type(given).__name__}; "
            "try 'sigmoid'."
        )
    each = [given] * layers if isinstance(given, str | Activation) else list(given)
    if len(each) != layers:
        raise WrongShape(
            f"a network of {layers + 1} layers needs {layers} activations, one for each layer from the second on "
            f"(or one for all), got {len(each)}."
        )
    activations = tuple(get_activation(item) for item in each)
    for i, activation in enumerate(activations):
        if reason := activation.why_not_width(layout.sizes[i + 1]):
            raise InvalidInput(f"activations[{i}] does not fit layer {i + 2}: {reason}.")
        if reason := activation.why_not(dtype):
            raise Refused(f"activations[{i}], {activation.name}, cannot serve {dtype}: {reason}.")
    return activations
