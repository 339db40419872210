"""Candidates: user-supplied gradients, read as gradients of a network.

A candidate is a :class:`~formulations.Gradient`, a pair (weights, biases), a triple (weights, biases, errors) or the
flat vector; its arrays may be anything that NumPy reads as real numbers. Nothing is broadcast, transposed or cast to a
lower precision: an array that does not fit is refused, with the remedy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import DTYPES, Array, Layout, as_array
from formulations.exceptions import WrongShape, WrongType
from formulations.network import Gradient

__all__ = ["read_candidate", "read_errors"]

ACCEPTED = "a Gradient, (weights, biases), (weights, biases, errors) or the flat vector"


def read_candidate(candidate: Any, layout: Layout, dtype: np.dtype[Any], m: int) -> Gradient:
    """Return a candidate as a gradient with its own memory.

    Parameters
    ----------
    candidate : Gradient, sequence or array_like
        The user-supplied gradient.
    layout : Layout
        The layout of the network.
    dtype : dtype
        The dtype of the network; the gradient has this dtype, or that of the candidate if it is less precise.
    m : int
        The number of examples, which determines the shapes of the errors.

    Returns
    -------
    Gradient
        Not checked for NaN and infinity, which the verdict reports.

    Raises
    ------
    WrongShape
        If a shape does not fit the network, with the remedy.
    WrongType
        If the candidate is not a gradient, or its numbers are not real.
    """
    if isinstance(candidate, Gradient):
        parts = [part for pair in zip(candidate.weights, candidate.biases, strict=True) for part in pair]
        gradient = _assembled(parts, candidate.errors, layout, dtype, m)
        gradient.cost = None if candidate.cost is None else _read_cost(candidate.cost)
        gradient.summation = candidate.summation
        return gradient
    if isinstance(candidate, tuple | list) and len(candidate) in (2, 3) and _is_sequence(candidate[0]):
        weights, biases = candidate[0], candidate[1]
        for name, given in (("weights", weights), ("biases", biases)):
            if not _is_sequence(given) or len(given) != len(layout.shapes):
                count = len(given) if _is_sequence(given) else "no sequence"
                raise WrongShape(
                    f"a candidate's {name} must be one array for each of the {len(layout.shapes)} layers from the "
                    f"second on, got {count}; the input layer has none."
                )
        parts = [part for pair in zip(weights, biases, strict=True) for part in pair]
        return _assembled(parts, candidate[2] if len(candidate) == 3 else None, layout, dtype, m)
    vector = _numbers(candidate, "the candidate")
    if vector.shape != (layout.count,):
        raise WrongShape(
            f"a candidate must be {ACCEPTED} of shape ({layout.count},), got an array of shape {vector.shape}; "
            "pass the weights and biases layer by layer."
        )
    return Gradient(layout, vector.astype(_dtype_of([vector], dtype)), backend="candidate")


def _read_cost(given: Any) -> Any:
    """Return C as a NumPy scalar."""
    cost = _numbers(given, "the cost")
    if cost.shape != ():
        raise WrongShape(
            f"the cost of a candidate must be a single number, got shape {cost.shape}; pass the mean, or None."
        )
    return cost[()]


def _is_sequence(given: Any) -> bool:
    """Whether this is a sequence with one item for each layer: a list, a tuple or a gradient's views, no array."""
    return isinstance(given, Sequence) and not isinstance(given, str | bytes)


def _assembled(parts: list[Any], errors: Any, layout: Layout, dtype: np.dtype[Any], m: int) -> Gradient:
    flat = []
    for i, shape in enumerate(layout.shapes):
        flat.append(_weights(parts[2 * i], i, shape, layout))
        flat.append(_biases(parts[2 * i + 1], i, shape[0]))
    deltas = None if errors is None else read_errors(errors, layout, m)
    chosen = _dtype_of([*flat, *(deltas or ())], dtype)
    gradient = Gradient(layout, np.concatenate(flat, dtype=chosen, casting="unsafe"), backend="candidate")
    gradient.errors = None if deltas is None else tuple(delta.astype(chosen) for delta in deltas)
    return gradient


def _weights(given: Any, i: int, shape: tuple[int, int], layout: Layout) -> Array:
    name, pattern = f"weights[{i}]", layout.patterns[i]
    if pattern is not None:
        return _stored(given, name, shape, pattern)
    array = _numbers(given.toarray() if issparse(given) else given, name)
    if array.shape != shape:
        turned = f"; pass {name}.T, since rows are neurons and columns are inputs" if array.shape == shape[::-1] else ""
        raise WrongShape(
            f"{name} of a candidate must have shape {shape}, (n_l, n_(l−1)) of layer {i + 2}, got {array.shape}"
            f"{turned or '; pass ∂C/∂w of that layer, in the shape of its w'}."
        )
    return array.ravel()


def _stored(given: Any, name: str, shape: tuple[int, int], pattern: Any) -> Array:
    """Return the gradient's entries for sparse weights, one for each stored entry."""
    if issparse(given):
        matrix = given.tocsr()
        same = matrix.shape == shape and np.array_equal(matrix.indptr, pattern.indptr)
        if same and np.array_equal(matrix.indices, pattern.indices):
            return _numbers(matrix.data, name)
    else:
        array = _numbers(given, name)
        if array.shape == pattern.indices.shape:
            return array
    raise WrongShape(
        f"{name} of a candidate must have the {pattern.indices.size} entries that the network's sparse {name} stores; "
        f"pass a csr_array with its indices, or only its .data."
    )


def _biases(given: Any, i: int, n: int) -> Array:
    array = _numbers(given, f"biases[{i}]")
    if array.shape != (n,):
        flat = f"pass biases[{i}].ravel()" if array.size == n else f"pass ∂C/∂b of layer {i + 2}"
        raise WrongShape(f"biases[{i}] of a candidate must have shape ({n},), got {array.shape}; {flat}.")
    return array


def read_errors(given: Any, layout: Layout, m: int) -> list[Array]:
    """Return δ², …, δ^L as arrays, each of shape (m, n_l).

    Raises
    ------
    WrongShape
        If there is not one δ for each layer, or one has another shape.
    WrongType
        If one does not hold real numbers.
    """
    sizes = layout.sizes[1:]
    if not _is_sequence(given) or len(given) != len(sizes):
        raise WrongShape(
            f"a candidate's errors must be one δ for each of the {len(sizes)} layers from the second on, "
            f"got {len(given) if _is_sequence(given) else type(given).__name__}; leave them out if you have none."
        )
    found = []
    for i, (delta, n) in enumerate(zip(given, sizes, strict=True)):
        array = _numbers(delta, f"errors[{i}]")
        if array.shape != (m, n):
            turned = f"pass errors[{i}].T" if array.shape == (n, m) else f"pass δ of layer {i + 2}, divided by m"
            raise WrongShape(
                f"errors[{i}] of a candidate must have shape ({m}, {n}), one example a row, got {array.shape}; "
                f"{turned}."
            )
        found.append(array)
    return found


def _numbers(given: Any, name: str) -> Array:
    """Return real numbers as an array."""
    array = as_array(given, name)
    if array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and array.dtype not in DTYPES):
        raise WrongType(
            f"{name} must hold real numbers in float32, float64 or longdouble, got {array.dtype}; "
            f"convert it to one of these, whose roundoff is known."
        )
    return array


def _dtype_of(arrays: list[Array], dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype to judge in: the least precise of the dtypes of the arrays and the network."""
    own = [array.dtype for array in arrays if array.dtype.kind == "f"]
    return max([dtype, *own], key=lambda each: np.finfo(each).eps)
