"""Class labels: integers, strings or booleans, and their unit vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from formulations.arrays import Array, as_array, as_dtype, current_budget, format_bytes, positive_integer
from formulations.display import listed
from formulations.exceptions import FormulationsException, InvalidInput, Refused, WrongShape, WrongType, described

__all__ = ["classes_of", "encode_labels", "is_labels", "is_missing", "one_hot", "unit_vectors"]


def one_hot(labels: ArrayLike, classes: int | ArrayLike | None = None, dtype: DTypeLike = "float64") -> Array:
    """Encode labels as unit vectors, the desired outputs y of the book, one example per row.

    Parameters
    ----------
    labels : array-like of int, str or bool, shape (m,)
        The class of each example.
    classes : int or array-like of shape (K,), optional
        The classes, one column each, in their order; an integer K stands for 0, …, K − 1. By default the distinct
        labels, sorted.
    dtype : dtype-like, default "float64"
        float32, float64 or longdouble.

    Returns
    -------
    ndarray of shape (m, K)
        1 in the column of the example's class, 0 elsewhere.

    Raises
    ------
    WrongType
        If the labels are not all integers, all strings or all booleans, or ``dtype`` is not one of the three.
    WrongShape
        If the labels are not one-dimensional.
    InvalidInput
        If a label is missing or is none of the classes.
    Refused
        If the unit vectors need more memory than the budget allows.

    Examples
    --------
    >>> one_hot(["setosa", "virginica", "setosa"])
    array([[1., 0.],
           [0., 1.],
           [1., 0.]])
    >>> one_hot([2, 0], classes=4)
    array([[0., 0., 1., 0.],
           [1., 0., 0., 0.]])
    """
    target = as_dtype(dtype)
    if classes is not None and (isinstance(classes, str) or not hasattr(classes, "__len__")):
        count, indices = _below(labels, classes)
    else:
        known, indices = encode_labels(labels, classes)
        count = len(known)
    size, memory = len(indices) * count * target.itemsize, current_budget().memory
    if size > memory:
        raise Refused(
            f"unit vectors must fit the budget of {format_bytes(memory)}, got {count} classes for {len(indices)} "
            f"examples, {format_bytes(size)}; check that these are labels, or allow more with "
            "formulations.use_budget(memory=...)."
        )
    return unit_vectors(indices, count, target)


def unit_vectors(indices: NDArray[np.intp], count: int, dtype: np.dtype[Any]) -> Array:
    """Return the unit vectors of indices below ``count``, shape (m, ``count``)."""
    encoded = np.zeros((len(indices), count), dtype)
    encoded[np.arange(len(indices)), indices] = 1
    return encoded


def encode_labels(
    labels: ArrayLike, classes: ArrayLike | None = None, name: str = "labels"
) -> tuple[Array, NDArray[np.intp]]:
    """Return the classes, and the index of each label in them.

    Parameters
    ----------
    labels : array-like of int, str or bool, shape (m,)
        The class of each example.
    classes : array-like of shape (K,), optional
        The classes in their order; by default the distinct labels, sorted.
    name : str
        The name of the labels, for the messages.

    Returns
    -------
    classes : ndarray of int64, str or bool, shape (K,)
    indices : ndarray of int, shape (m,)

    Raises
    ------
    WrongType
        If the labels or classes are of mixed types, or their types differ.
    WrongShape
        If they are not one-dimensional.
    InvalidInput
        If a label is missing or is none of the classes, if there are none, or if one class is listed twice.

    Examples
    --------
    >>> classes, indices = encode_labels([3, 7, 3])
    >>> classes.tolist(), indices.tolist()
    ([3, 7], [0, 1, 0])
    >>> encode_labels(["no", "yes", "perhaps"], classes)
    Traceback (most recent call last):
        ...
    formulations.exceptions.WrongType: labels must be integers like the classes 3, 7, got strings such as 'no'; ...
    """
    found = _as_labels(labels, name)
    if not found.size:
        raise InvalidInput(f"{name} must hold at least one label, got none; pass one for each example.")
    if classes is None:
        distinct, indices = np.unique(found, return_inverse=True)
        return distinct, indices
    known = _as_labels(classes, "classes")
    if not known.size:
        raise InvalidInput(
            "classes must hold at least one class, got none; leave them out to take the distinct labels."
        )
    if found.dtype.kind != known.dtype.kind:
        raise WrongType(
            f"{name} must be {_plural(known)} like the classes {listed(known.tolist())}, got {_plural(found)} such as "
            f"{found[0].item()!r}; pass labels of the same type."
        )
    order = np.argsort(known, kind="stable")
    ordered = known[order]
    if (repeated := np.flatnonzero(ordered[1:] == ordered[:-1])).size:
        raise InvalidInput(f"classes must be distinct, got {ordered[repeated[0]].item()!r} twice; list each once.")
    places = np.minimum(np.searchsorted(ordered, found), len(known) - 1)
    unseen = np.flatnonzero(ordered[places] != found)
    if unseen.size:
        where = int(unseen[0])
        raise InvalidInput(
            f"{name} must be among the classes {listed(known.tolist())}, got {found[where].item()!r} at "
            f"{name}[{where}]; leave such examples out, or add the class."
        )
    return known, order[places]


def is_labels(Y: Any) -> bool:
    """Return whether targets are class labels: a one-dimensional sequence of integers, strings or booleans.

    Real numbers are not, nor are arrays of two dimensions. A sequence that is partly labels counts as labels, so that
    :func:`encode_labels` can say what is wrong with it.

    Examples
    --------
    >>> is_labels(["yes", "no"]), is_labels([0.5, 1.0]), is_labels([[0, 1]])
    (True, False, False)
    """
    if Y is None or getattr(Y, "ndim", 1) != 1:
        return False
    try:
        array = as_array(Y, "Y")
    except FormulationsException:
        return False  # Whoever reads the numbers refuses them.
    if array.ndim != 1 or array.dtype.kind != "O":
        return array.ndim == 1 and array.dtype.kind in "biuUST"
    return any(isinstance(value, bool | int | str | bytes | np.bool_ | np.integer) for value in array)


def classes_of(Y: Array) -> NDArray[np.intp] | None:
    """Return the class of each target, shape (m,): the column of its 1, or the value of a single column of 0 and 1.

    Parameters
    ----------
    Y : ndarray of shape (m, n_L)
        The targets.

    Returns
    -------
    ndarray of int, or None
        None if the targets are neither unit vectors nor one column of 0 and 1.

    Examples
    --------
    >>> classes_of(one_hot([2, 0], classes=3)), classes_of(np.array([[0.5]]))
    (array([2, 0]), None)
    """
    binary = np.all((Y == 0) | (Y == 1))
    if not (binary and (Y.shape[1] == 1 or np.all(np.count_nonzero(Y, axis=1) == 1))):
        return None
    return Y[:, 0].astype(np.intp) if Y.shape[1] == 1 else Y.argmax(axis=1)


def is_missing(value: Any) -> bool:
    """Return whether a value stands for a missing one: None, NaN, or the NA and NaT of pandas."""
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, float | np.floating) and value != value)
    )


def _below(labels: ArrayLike, classes: Any) -> tuple[int, Array]:
    """Return the number of classes 0, …, K − 1, and the labels, which are integers among them."""
    if isinstance(classes, bool | np.bool_) or not isinstance(classes, int | np.integer):
        raise WrongType(
            f"classes must be an integer, a list of classes or None, got {described(classes)}; "
            "pass the number of output "
            "neurons, such as 10."
        )
    count, found = positive_integer(classes, "classes"), _as_labels(labels, "labels")
    if found.dtype.kind != "i":
        raise WrongType(
            f"labels must be integers if classes is an integer, got {_plural(found)}; pass the classes as a list, or "
            "leave them out."
        )
    outside = np.flatnonzero((found < 0) | (found >= count))
    if outside.size:
        where = int(outside[0])
        raise InvalidInput(
            f"labels must be from 0 to {count - 1}, got {found[where]} at labels[{where}]; "
            "pass the number of classes, or renumber the labels from 0."
        )
    return count, found


def _as_labels(labels: Any, name: str) -> Array:
    """Return labels as an array of bool, int64 or str, shape (m,)."""
    if np.ma.isMaskedArray(labels) and np.ma.is_masked(labels):
        raise _missing(name, int(np.flatnonzero(np.ma.getmaskarray(labels))[0]), "a masked entry")
    array = as_array(labels, name)
    if array.ndim != 1:
        raise WrongShape(
            f"{name} must have shape (m,), one label an example, got {array.shape}; flatten them with "
            f"numpy.ravel({name})."
        )
    kind = array.dtype.kind
    if kind == "f" and np.isnan(array).any():
        raise _missing(name, int(np.argmax(np.isnan(array))), "nan")
    # NumPy makes strings of [1, "a"], and integers of [1, True].
    if isinstance(labels, list | tuple) or kind in "OST":
        return _of_one_type(list(labels) if isinstance(labels, list | tuple) else array.tolist(), name)
    if kind not in "biuU":
        raise _wrong_type(name, f"dtype {array.dtype}")
    if kind not in "iu":
        return array
    if kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise _too_large(name)
    return array.astype(np.int64, copy=False)


def _of_one_type(values: list[Any], name: str) -> Array:
    """Return an array of Python values after checking that all are integers, all strings or all booleans."""
    values = [_decoded(value) for value in values]
    kinds = {kind: _kind(kind) for kind in set(map(type, values))}
    for where, value in enumerate(values) if None in kinds.values() else ():
        if is_missing(value):
            raise _missing(name, where, repr(value))
        if kinds[type(value)] is None:
            raise _wrong_type(name, f"{value!r}, of type {type(value).__name__}, at {name}[{where}]")
    if len(set(kinds.values())) > 1:
        first = kinds[type(values[0])]
        where = next(i for i, value in enumerate(values) if kinds[type(value)] != first)
        raise WrongType(
            f"{name} must be of one type, got {first}, {values[0]!r}, at {name}[0] and {kinds[type(values[where])]}, "
            f"{values[where]!r}, at {name}[{where}]; convert them, for instance with [str(y) for y in {name}]."
        )
    if not values:
        return np.zeros(0, np.int64)
    for where, value in enumerate(values) if kinds[type(values[0])] == "a string" else ():
        if "\0" in value:
            # NumPy pads strings with them, so "a" and "a\0" would be one class.
            raise InvalidInput(
                f"{name} must be without null characters, got {value!r} at {name}[{where}]; take them out."
            )
    try:
        return np.array(values, dtype=np.int64 if kinds[type(values[0])] == "an integer" else None)
    except OverflowError:
        raise _too_large(name) from None


def _kind(found: type) -> str | None:
    """Return what a label of this type is; None if it is none."""
    kinds = {"a boolean": bool | np.bool_, "an integer": int | np.integer, "a string": str}
    return next((kind for kind, types in kinds.items() if issubclass(found, types)), None)


def _decoded(value: Any) -> Any:
    """Return text for bytes, if they are text."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _plural(labels: Array) -> str:
    return {"b": "booleans", "i": "integers", "U": "strings"}[labels.dtype.kind]


def _missing(name: str, where: int, value: str) -> InvalidInput:
    return InvalidInput(
        f"{name} must not be missing, got {value} at {name}[{where}]; leave such examples out, or give them a class."
    )


def _wrong_type(name: str, came: str) -> WrongType:
    return WrongType(
        f"{name} must be integers, strings or booleans, got {came}; convert them, for instance with {name}.astype(int)."
    )


def _too_large(name: str) -> InvalidInput:
    return InvalidInput(f"{name} must fit 64-bit integers, got a larger one; pass them as strings.")
