"""Checks of user input: X, Y, sample weights, counts.

All checks are here, so the same input gives the same message with every backend. Real numbers (bool, integer,
float) are converted to the network's dtype; nothing else is converted, and nothing is broadcast.
"""

from __future__ import annotations

import math
import operator
import sys
from typing import Any, Literal

import numpy as np

from formulations.arrays.dtypes import Array, as_dtype, format_dtype
from formulations.exceptions import InvalidInput, NotFinite, WrongShape, WrongType, described

__all__ = [
    "BATCH_SIZE",
    "as_array",
    "as_dtype",
    "as_examples",
    "as_real",
    "check_finite",
    "check_pair",
    "check_some_weight",
    "example_shares",
    "example_weights",
    "excluding",
    "nonnegative_number",
    "number_between",
    "positive_integer",
    "positive_number",
    "random_generator",
    "size_of_batch",
]

BATCH_SIZE = 10
"""The default number of examples in a mini-batch, or all examples if there are fewer."""


def as_array(data: Any, name: str) -> Array:
    """Convert ``data`` to an array.

    Raises
    ------
    WrongShape
        If rows have unequal lengths.
    WrongType
        If the data cannot become an array, such as a tensor that records its gradient or is on another device.
    """
    try:
        return np.asarray(data)
    except ValueError as caught:
        raise WrongShape(f"{name} must be a rectangular array of numbers, got rows of unequal length.") from caught
    except (RuntimeError, TypeError) as caught:
        raise WrongType(
            f"{name} must be an array that NumPy can read, got {type(data).__name__} ({caught}); "
            f"if it is a tensor, pass {name}.detach().cpu(), with .float() for a dtype that NumPy lacks and "
            ".to_dense() for a sparse one; likewise each tensor of a list."
        ) from caught


def as_real(data: Any, name: str, dtype: np.dtype[Any] | None = None) -> Array:
    """Return ``data`` as an array of ``dtype`` (its own by default), without a copy if it is one already.

    Raises
    ------
    WrongType
        If the data are complex, objects, strings or dates.
    NotFinite
        If a finite number exceeds the range of ``dtype``.
    """
    if type(data) is np.ndarray and data.dtype == dtype:
        return data
    if np.ma.isMaskedArray(data) and np.ma.is_masked(data):
        raise WrongType(f"{name} must not be masked: a mask would be lost; fill it first with {name}.filled(value).")
    if data is None:
        raise WrongType(f"{name} must hold real numbers (bool, integer or float), got None; pass an array.")
    array = as_array(data, name)
    if array.dtype.kind not in "biuf":
        got, remedy = f"dtype {array.dtype}", f"convert it first, for instance with {name}.astype(float)"
        if array.dtype.kind == "c":
            remedy = f"pass {name}.real if the imaginary parts are 0: {name}.astype(float) would drop them"
        elif hasattr(data, "vector"):
            got, remedy = type(data).__name__, f"pass its array, {name}.vector"
        raise WrongType(f"{name} must hold real numbers (bool, integer or float), got {got}; {remedy}.")
    if dtype is None:
        return array
    try:
        with np.errstate(over="raise"):
            return array.astype(dtype, copy=False)
    except FloatingPointError:
        raise NotFinite(_out_of_range(array, name, dtype)) from None


def _out_of_range(array: Array, name: str, dtype: np.dtype[Any]) -> str:
    """Return the message for an array that has finite entries beyond the range of a dtype."""
    with np.errstate(over="ignore"):
        beyond = np.isfinite(array) & ~np.isfinite(array.astype(dtype))
    position = tuple(int(i) for i in np.argwhere(beyond)[0])
    where = f" at {name}[{', '.join(map(str, position))}]" if position else ""
    return (
        f"{name} must lie within the range of {format_dtype(dtype)}, ±{np.finfo(dtype).max:.2g}, got "
        f"{array[position]}{where}; scale it down, or take a wider dtype, for a network by network.astype."
    )


def as_examples(data: Any, name: str, width: int, dtype: np.dtype[Any] | None = None) -> Array:
    """Return ``data`` as examples of ``dtype`` (by default their own), one a row: shape (m, ``width``), m ≥ 1.

    Raises
    ------
    WrongShape
        If the array does not have two dimensions, ``width`` columns and at least one row.
    WrongType
        If the data are not real numbers.
    """
    # The fast path of a training loop.
    if type(data) is np.ndarray and data.dtype is dtype:
        shape = data.shape
        if len(shape) == 2 and shape[1] == width and shape[0]:
            return data
    array = as_real(data, name, dtype)
    if array.ndim != 2:
        remedy = _one_hot(array, name, width)
        if array.ndim == 1:
            remedy += f"; for one example use {name}.reshape(1, -1), for one number an example {name}.reshape(-1, 1)"
        raise WrongShape(f"{name} must have shape (m, {width}), one example a row, got shape {array.shape}{remedy}.")
    if array.shape[1] != width:
        layer = "n₁, the input layer" if name == "X" else "n_L, the output layer"
        remedy = f"; pass {width} columns, or make the layer {array.shape[1]} neurons wide"
        if array.shape[0] == width:
            remedy = f"; one example is a row, so pass {name}.T if the examples are its columns"
        remedy = _one_hot(array, name, width) or remedy
        raise WrongShape(f"{name} must have {width} columns ({layer}), got shape {array.shape}{remedy}.")
    if array.shape[0] == 0:
        raise WrongShape(f"{name} must hold at least one example, got shape {array.shape}; pass a row or more.")
    return array


def _one_hot(array: Array, name: str, width: int) -> str:
    """Return the remedy if class labels were passed instead of unit vectors, else an empty string."""
    column = array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)
    if name != "Y" or width == 1 or not column or not array.size:
        return ""
    labels = np.all((array >= 0) & (array < width) & (array == np.floor(array)))
    return f"; if these are class labels, pass formulations.one_hot(labels, classes={width})" if labels else ""


def check_pair(X: Array, Y: Array) -> None:
    """Raise an exception if X and Y have different numbers of examples."""
    if X.shape[0] != Y.shape[0]:
        raise WrongShape(
            f"X and Y must hold the same number of examples, got {X.shape[0]} and {Y.shape[0]}; pair them row by row."
        )


def check_finite(array: Array, name: str) -> None:
    """Refuse NaN and infinity, naming the first position.

    Raises
    ------
    NotFinite
        With the position of the first entry that is not a number.
    """
    # A single product without a temporary array: a sum of squares is finite only if all entries are.
    if array.dtype.kind == "f" and math.isfinite(np.vdot(array, array)):
        return
    finite = np.isfinite(array)
    if finite.all():
        return
    position = tuple(int(i) for i in np.argwhere(~finite)[0])
    where = ", ".join(map(str, position))
    raise NotFinite(
        f"{name} must be finite, got {array[position]} at {name}[{where}]; remove or replace it "
        f"(numpy.isfinite({name}) finds them all).",
        position=position,
    )


def example_shares(sample_weight: Any, m: int, dtype: np.dtype[Any]) -> Array | None:
    """Return each example's share of the mean, w_x / Σw, shape (m, 1); None if all are 1/m.

    Raises
    ------
    WrongShape
        If there is not one weight for each example.
    InvalidInput
        If a weight is negative, or all are zero.
    NotFinite
        If a weight, or their sum, is not finite.
    """
    if sample_weight is None:
        return None
    weights = example_weights(sample_weight, m)
    largest = weights.max()
    check_some_weight(largest)
    # Scale by the largest, so that the sum cannot overflow and small weights do not vanish; and use at least the
    # network's precision, so that weights of a smaller dtype are not rounded twice.
    wide = np.promote_types(weights.dtype, dtype)
    scaled = (weights.astype(wide, copy=False) / wide.type(largest)).astype(dtype)
    shares: Array = (scaled / scaled.sum())[:, None]
    return shares


def excluding(X: Array, Y: Any, shares: Array) -> tuple[Array, Any]:
    """Return the examples, each one of share 0 replaced by a copy of the one with the largest share.

    A factor of 0 does not exclude an example, since 0·∞ is NaN. The copy's values are finite if those of the other
    examples are, so 0 times them is exactly 0 in every formulation.
    """
    excluded = shares[:, 0] == 0
    if not excluded.any():
        return X, Y
    rows = np.where(excluded, shares.argmax(), np.arange(len(X)))
    return X[rows], None if Y is None else Y[rows]


def example_weights(sample_weight: Any, m: int) -> Array:
    """Return the weights of m examples in their own dtype; they may all be zero.

    Raises
    ------
    WrongShape
        If there is not one weight for each example.
    InvalidInput
        If a weight is negative.
    NotFinite
        If a weight is not finite.
    """
    weights = as_real(sample_weight, "sample_weight")
    if weights.shape != (m,):
        raise WrongShape(
            f"sample_weight must have shape ({m},), one weight an example, got {weights.shape}; "
            "pass sample_weight.ravel() if it is a column."
        )
    check_finite(weights, "sample_weight")
    if (weights < 0).any():
        position = int(np.argmax(weights < 0))
        raise InvalidInput(
            f"sample_weight must not be negative, got {weights[position]} at sample_weight[{position}]; "
            "give 0 to an example that should not count.",
            position=(position,),
        )
    return weights


def check_some_weight(largest: Any) -> None:
    """Raise an exception if no weight is positive."""
    if largest == 0:
        raise InvalidInput("sample_weight must not be zero everywhere; give at least one example a positive weight.")


def positive_integer(value: Any, name: str) -> int:
    """Return ``value`` as an integer of at least 1.

    Raises
    ------
    WrongType
        If it is not an integer (neither a bool nor 10.0 is one).
    InvalidInput
        If it is below 1.
    """
    if isinstance(value, bool | np.bool_):
        raise WrongType(f"{name} must be a positive integer, got {described(value)}; pass a number such as 10.")
    try:
        number = operator.index(value)
    except TypeError:
        raise WrongType(
            f"{name} must be a positive integer, got {described(value)}; pass a number such as 10."
        ) from None
    if number < 1:
        raise InvalidInput(f"{name} must be at least 1, got {number}; pass a positive integer such as 10.")
    if number > sys.maxsize:
        raise InvalidInput(f"{name} must be at most {sys.maxsize}, got {number}; pass a number such as 10.")
    return number


def size_of_batch(value: Any, m: int, name: str = "batch_size") -> int:
    """Return ``value`` as the size of mini-batches taken from m examples; None means the default.

    Raises
    ------
    WrongType
        If it is not an integer.
    InvalidInput
        If it is below 1 or above m.
    """
    if value is None:
        return min(BATCH_SIZE, m)
    size = positive_integer(value, name)
    if size > m:
        raise InvalidInput(f"{name} must be at most the number of examples, {m}, got {size}; take fewer.")
    return size


def random_generator(seed: Any) -> np.random.Generator:
    """Return a generator of random numbers from a seed, None, or a generator.

    Raises
    ------
    WrongType
        If the seed is of another type.
    InvalidInput
        If it is negative.
    """
    remedy = "pass a non-negative integer such as 0, None or a numpy.random.Generator"
    try:
        return np.random.default_rng(seed)
    except TypeError:
        raise WrongType(f"seed must be a non-negative integer or None, got {described(seed)}; {remedy}.") from None
    except ValueError:
        raise InvalidInput(f"seed must not be negative, got {described(seed)}; {remedy}.") from None


def positive_number(value: Any, name: str, *, finite: bool = True) -> float:
    """Return ``value`` as a positive float, finite unless infinity is allowed as no limit.

    Raises
    ------
    WrongType
        If it is not a real number.
    InvalidInput
        If it is not positive, or not finite.
    """
    number = _number(value, name, "a positive number")
    if not number > 0 or (finite and math.isinf(number)):
        raise InvalidInput(
            f"{name} must be positive{' and finite' if finite else ''}, got {number}; pass a number such as 0.5."
        )
    return number


def nonnegative_number(value: Any, name: str) -> float:
    """Return ``value`` as a finite float of at least 0.

    Raises
    ------
    WrongType
        If it is not a real number.
    InvalidInput
        If it is negative or not finite.
    """
    number = _number(value, name, "a number of at least 0")
    if not 0 <= number < math.inf:
        raise InvalidInput(f"{name} must be at least 0 and finite, got {number}; pass a number such as 0.5.")
    return number


def number_between(
    value: Any, name: str, low: float, high: float, closed: Literal["left", "right", "neither"] = "left"
) -> float:
    """Return ``value`` as a float in an interval, to which the ends that are closed belong.

    Raises
    ------
    WrongType
        If it is not a real number.
    InvalidInput
        If it is outside the interval.
    """
    number = _number(value, name, "a number")
    if not low <= number <= high or (number == low and closed != "left") or (number == high and closed != "right"):
        least, most = "at least" if closed == "left" else "above", "at most" if closed == "right" else "below"
        raise InvalidInput(f"{name} must be {least} {low} and {most} {high}, got {number}; pass a number between.")
    return number


def _number(value: Any, name: str, what: str) -> float:
    """Return ``value`` as a float."""
    if isinstance(value, bool | np.bool_ | str):
        raise WrongType(f"{name} must be {what}, got {described(value)}; pass a number such as 0.5.")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise WrongType(f"{name} must be {what}, got {described(value)}; pass a number such as 0.5.") from None
    except OverflowError:
        raise InvalidInput(
            f"{name} must be {what} below {sys.float_info.max:.1e}, got a larger integer; pass a number such as 0.5."
        ) from None
