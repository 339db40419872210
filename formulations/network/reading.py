"""Read and check the user-supplied arrays and activations of a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from formulations.arrays import Array, Layout, Pattern, as_dtype, as_real, check_finite
from formulations.exceptions import InvalidInput, Refused, WrongShape, WrongType
from formulations.functions import Activation, get_activation

__all__ = ["check_shapes", "read_activations", "read_layers"]


def read_layers(weights: Any, biases: Any, dtype: Any = None, *, finite: bool = True) -> tuple[Layout, list[Array]]:
    """Return the layout of a network and its parameters, w², b², w³, b³, …, as flat arrays.

    Parameters
    ----------
    weights, biases, dtype
        As :class:`~formulations.Network` takes them.
    finite : bool
        Whether NaN and infinity are refused.

    Raises
    ------
    WrongShape
        If the arrays do not fit each other.
    WrongType
        If one is not real, or their dtypes differ.
    NotFinite
        If one holds NaN or infinity, and ``finite`` is true.
    """
    each_w = _each(weights, "weights")
    if each_w and all(isinstance(w, Integral) for w in each_w):
        sizes = list(map(int, each_w))
        raise WrongShape(
            f"weights must be a list of arrays, one a layer, got the numbers {sizes}; "
            f"if these are the neurons of each layer, call Network.random({sizes})."
        )
    each_b = _each(biases, "biases")
    if not len(each_w) == len(each_b) > 0:
        raise WrongShape(
            f"a network needs one weight matrix and one bias vector for each layer from the second on, "
            f"got {len(each_w)} and {len(each_b)}; pass lists of the same length."
        )
    named = [
        (f"{kind}[{i}]", given)
        for i, pair in enumerate(zip(each_w, each_b, strict=True))
        for kind, given in zip(("weights", "biases"), pair, strict=True)
    ]
    read: list[tuple[str, Any]] = [
        (name, _rows(given, name, dtype) if issparse(given) else as_real(given, name)) for name, given in named
    ]
    found = _common_dtype(array.dtype for _, array in read) if dtype is None else as_dtype(dtype)
    shapes = check_shapes([(name, array.shape) for name, array in read])
    patterns, parts = [], []
    for (w_name, w), (b_name, b) in zip(read[::2], read[1::2], strict=True):
        patterns.append(Pattern(w.indices, w.indptr) if issparse(w) else None)
        for name, array in ((f"{w_name}.data", w.data) if issparse(w) else (w_name, w), (b_name, b)):
            part = as_real(array, name, found)
            if finite:
                check_finite(part, name)
            parts.append(part.ravel())
    return Layout(tuple(shapes), tuple(patterns)), parts


def check_shapes(named: Sequence[tuple[str, tuple[int, ...]]]) -> list[tuple[int, int]]:
    """Return the shapes of weight matrices that fit their biases and each other.

    Parameters
    ----------
    named : sequence of (str, tuple of int)
        Names and shapes of w², b², w³, b³, …

    Raises
    ------
    WrongShape
        If they do not make a network.
    """
    pairs = list(zip(named[::2], named[1::2], strict=True))
    shapes = [_shape(*weights, *biases) for weights, biases in pairs]
    for i, ((rows, _), (_, columns)) in enumerate(pairwise(shapes), start=1):
        if columns != rows:
            raise WrongShape(
                f"the weights must chain: layer {i + 1} has {rows} neurons, so {named[2 * i][0]} needs {rows} columns, "
                f"got shape {shapes[i]}; rows are the neurons of the layer, columns those of the layer before."
            )
    return shapes


def _each(given: Any, name: str) -> list[Any]:
    if not isinstance(given, Iterable) or isinstance(given, str):
        raise WrongType(f"{name} must be a list of arrays, one a layer, got {type(given).__name__}; pass [array, ...].")
    return list(given)


def _rows(matrix: Any, name: str, dtype: Any) -> Any:
    """Return a copy of a sparse matrix, each row in order and without duplicate entries, and with its stored zeros."""
    if matrix.format != "csr":
        # Another format stores its entries in another order, and a conversion can drop stored zeros.
        raise WrongType(
            f"{name} must be sparse in compressed rows (csr), whose stored entries are the parameters, "
            f"got {matrix.format}; pass {name}.tocsr()."
        )
    if matrix.ndim == 1:
        return matrix
    if not _fits(matrix):
        raise InvalidInput(
            f"{name} must be a valid sparse array, got one whose indices do not fit its shape {matrix.shape}; "
            "rebuild it, for instance by scipy.sparse.csr_array(dense)."
        )
    count = matrix.indptr[-1]
    # Duplicate entries are added, which would overflow small integers and bools.
    data = as_real(matrix.data[:count], f"{name}.data", None if dtype is None else as_dtype(dtype))
    data = data if data.dtype.kind == "f" else data.astype(np.float64)
    rows = csr_array((data, matrix.indices[:count], matrix.indptr), shape=matrix.shape, copy=True)
    rows.sum_duplicates()
    return rows


def _fits(matrix: Any) -> bool:
    """Return whether all indices of compressed rows are valid; SciPy does not check them."""
    indptr, indices, (rows, columns) = matrix.indptr, matrix.indices, matrix.shape
    if indptr.size != rows + 1 or indptr.dtype.kind not in "iu" or indices.dtype.kind not in "iu":
        return False
    stored = min(indices.size, matrix.data.size)
    if indptr[0] != 0 or indptr[-1] > stored or not (indptr[1:] >= indptr[:-1]).all():
        return False
    used = indices[: indptr[-1]]
    return not used.size or bool(used.min() >= 0 and used.max() < columns)


def _common_dtype(dtypes: Iterable[np.dtype[Any]]) -> np.dtype[Any]:
    """Return the one floating dtype of all arrays; integers and bools count as float64."""
    found = {np.dtype("float64") if dtype.kind in "biu" else dtype for dtype in dtypes}
    if len(found) > 1:
        raise WrongType(
            f"weights and biases must all have one dtype, got {', '.join(sorted(map(str, found)))}; "
            "convert them, or name the network's dtype with dtype=."
        )
    return as_dtype(found.pop())


def _shape(w_name: str, matrix: tuple[int, ...], b_name: str, vector: tuple[int, ...]) -> tuple[int, int]:
    if len(matrix) != 2 or 0 in matrix:
        raise WrongShape(
            f"{w_name} must have shape (n_l, n_{{l-1}}), both positive, got {matrix}; "
            "pass one row a neuron, one column a neuron of the layer before."
        )
    if vector != matrix[:1]:
        raise WrongShape(
            f"{b_name} must have shape ({matrix[0]},), one bias for each row of {w_name}, got {vector}; "
            f"pass {b_name}.ravel() if it is a column."
        )
    return int(matrix[0]), int(matrix[1])


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
