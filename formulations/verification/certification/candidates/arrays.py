"""The arrays of a candidate, checked against the network.

They may be anything that NumPy reads as real numbers. Nothing is broadcast, transposed or cast to a lower precision: an
array that does not fit is refused, with the remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import DTYPES, Array, Layout, as_array
from formulations.exceptions import InvalidInput, WrongShape, WrongType
from formulations.network import Gradient
from formulations.verification.certification.candidates.candidate import Candidate
from formulations.verification.certification.candidates.tensors import gradient_of, is_parameter, untracked

__all__ = ["KERNELS", "Part", "Parts", "assemble", "is_sequence", "read_errors", "read_numbers", "read_vector"]

KERNELS = ("out_in", "in_out")
"""What the rows and the columns of a weight matrix are: neurons and inputs, as in the book, or the reverse."""
ABSENT = (
    "a candidate must hold the gradient of at least one weight or bias, got None; compute it first, in PyTorch by "
    "loss.backward()."
)


class Part(NamedTuple):
    """A part of a candidate: its name for the messages, and what was given, None if it is absent.

    Where its layer is known by its place alone, ``instead`` says what to pass if it does not fit.
    """

    name: str
    given: Any
    instead: str = ""


Parts: TypeAlias = Mapping[tuple[str, int], Part]
"""∂C/∂w and ∂C/∂b of the layers, by ``("weights", l − 2)`` and ``("biases", l − 2)``; absent ones may be missing."""


def is_sequence(given: Any) -> bool:
    """Whether this is a sequence with one item for each layer: a list, a tuple or a gradient's views, no array."""
    return isinstance(given, Sequence) and not isinstance(given, str | bytes)


def assemble(parts: Parts, errors: Any, layout: Layout, dtype: np.dtype[Any], m: int, kernels: str) -> Candidate:
    """Return the candidate that consists of these parts.

    Parameters
    ----------
    parts : Parts
        ∂C/∂w and ∂C/∂b; parameters stand for their gradients.
    errors : sequence of array_like, or None
        δ², …, δ^L.
    layout, dtype, m
        The layout and the dtype of the network, and the number of examples.
    kernels : str
        One of :data:`KERNELS`, for the weights.

    Raises
    ------
    InvalidInput
        If no part has a gradient.
    WrongShape, WrongType
        If a part does not fit the network, or is not an array of real numbers.
    """
    given = np.zeros(layout.count, dtype=bool)
    parameters = np.full(layout.count, np.nan)
    unreached: list[str] = []
    slices: list[slice] = []
    arrays: list[Array] = []
    for i in range(len(layout.shapes)):
        for kind, part in zip(("weights", "biases"), layout.slices[i], strict=True):
            found: Part | None = parts.get((kind, i))
            if found is None or found.given is None:
                continue
            read: Callable[..., Array] = partial(_weights, kernels=kernels) if kind == "weights" else _biases
            read = partial(read, instead=found.instead if hasattr(found.given, "detach") else "")
            if is_parameter(found.given):
                parameters[part] = read(found.given, i, layout, found.name)
            value = gradient_of(found.given)
            if value is None:
                unreached += [f"{kind}[{i}]"] if found.given.requires_grad else []
                continue
            given[part] = True
            slices.append(part)
            arrays.append(read(value, i, layout, found.name))
    if not arrays:
        raise InvalidInput(ABSENT)
    deltas = None if errors is None else read_errors(errors, layout, m)
    chosen = _dtype_of([*arrays, *(deltas or ())], dtype)
    vector = np.zeros(layout.count, chosen)
    for part, array in zip(slices, arrays, strict=True):
        vector[part] = array
    gradient = Gradient(layout, vector, backend="candidate")
    gradient.errors = None if deltas is None else tuple(delta.astype(chosen) for delta in deltas)
    known = None if np.isnan(parameters).all() else parameters
    return Candidate(gradient, None if given.all() else given, tuple(arrays), known, tuple(unreached))


def read_vector(given: Any, layout: Layout, dtype: np.dtype[Any], accepted: str) -> Candidate:
    """Return the candidate that is the flat vector.

    Raises
    ------
    InvalidInput
        If it is a parameter without a gradient.
    WrongShape
        If its length is not that of the network's vector; the message says what else would be ``accepted``.
    WrongType
        If it does not hold real numbers.
    """
    held = gradient_of(given)
    if held is None:
        raise InvalidInput(ABSENT)
    vector = read_numbers(held, "the candidate")
    if vector.shape != (layout.count,):
        raise WrongShape(
            f"a candidate must be {accepted} of shape ({layout.count},), got an array of shape {vector.shape}; "
            "pass the weights and biases layer by layer."
        )
    return Candidate(
        Gradient(layout, vector.astype(_dtype_of([vector], dtype)), backend="candidate"), sources=(vector,)
    )


def _weights(given: Any, i: int, layout: Layout, name: str, kernels: str, instead: str) -> Array:
    shape, pattern = layout.shapes[i], layout.patterns[i]
    turned = kernels == "in_out"
    if pattern is not None:
        return _stored(given.T if turned and issparse(given) else given, name, shape, pattern, turned)
    array = read_numbers(given.toarray() if issparse(given) else given, name)
    expected = shape[::-1] if turned else shape
    if array.shape != expected:
        rows = "(n_(l−1), n_l)" if turned else "(n_l, n_(l−1))"
        remedy = f"pass ∂C/∂w of that layer, in the shape of its w{instead}"
        if array.shape == expected[::-1]:
            remedy = (
                f"pass {name}.T, since layout='in_out' takes inputs as rows and neurons as columns"
                if turned
                else f"pass {name}.T, since rows are neurons and columns are inputs, or layout='in_out' for all weights"
            )
        raise WrongShape(
            f"{name} of a candidate must have shape {expected}, {rows} of layer {i + 2}, got {array.shape}; {remedy}."
        )
    return (array.T if turned else array).ravel()


def _stored(given: Any, name: str, shape: tuple[int, int], pattern: Any, turned: bool) -> Array:
    """Return the gradient's entries for sparse weights, one for each stored entry."""
    if issparse(given):
        matrix = given.tocsr()
        same = matrix.shape == shape and np.array_equal(matrix.indptr, pattern.indptr)
        if same and np.array_equal(matrix.indices, pattern.indices):
            return read_numbers(matrix.data, name)
    elif not turned:
        array = read_numbers(given, name)
        if array.shape == pattern.indices.shape:
            return array
    raise WrongShape(
        f"{name} of a candidate must have the {pattern.indices.size} entries that the network's sparse {name} stores; "
        f"pass a csr_array with its indices, {'transposed' if turned else 'or only its .data'}."
    )


def _biases(given: Any, i: int, layout: Layout, name: str, instead: str) -> Array:
    n, array = layout.shapes[i][0], read_numbers(given, name)
    if array.shape != (n,):
        flat = f"pass {name}.ravel()" if array.size == n else f"pass ∂C/∂b of layer {i + 2}{instead}"
        raise WrongShape(f"{name} of a candidate must have shape ({n},), got {array.shape}; {flat}.")
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
    if not is_sequence(given) or len(given) != len(sizes):
        raise WrongShape(
            f"a candidate's errors must be one δ for each of the {len(sizes)} layers from the second on, "
            f"got {len(given) if is_sequence(given) else type(given).__name__}; leave them out if you have none."
        )
    found = []
    for i, (delta, n) in enumerate(zip(given, sizes, strict=True)):
        array = read_numbers(delta, f"errors[{i}]")
        if array.shape != (m, n):
            turned = f"pass errors[{i}].T" if array.shape == (n, m) else f"pass δ of layer {i + 2}, divided by m"
            raise WrongShape(
                f"errors[{i}] of a candidate must have shape ({m}, {n}), one example a row, got {array.shape}; "
                f"{turned}."
            )
        found.append(array)
    return found


def read_numbers(given: Any, name: str) -> Array:
    """Return real numbers as an array.

    Raises
    ------
    WrongShape
        If rows have unequal lengths.
    WrongType
        If the numbers are not real, or have no roundoff of their own.
    """
    array = as_array(untracked(given), name)
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
