"""Examples from data frames, dask collections, sparse matrices and whatever else NumPy can read.

None of these packages is imported: an object is recognised by its attributes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from formulations.arrays import Array, as_array, as_real, check_finite
from formulations.data.labels import is_missing
from formulations.exceptions import InvalidInput, NotFinite, WrongShape, WrongType

__all__ = ["as_matrix", "check_matrix", "column_names", "computed"]


def column_names(X: Any) -> tuple[str, ...] | None:
    """Return the names of a data frame's columns.

    Parameters
    ----------
    X : object
        Any object; a frame of pandas, polars or dask has names.

    Returns
    -------
    tuple of str, or None
        None if it is not a frame, or none of its names is text, like the numbers that pandas gives to unnamed columns.

    Raises
    ------
    InvalidInput
        If two columns have the same name.
    """
    names = _names(X)
    if names is None or not any(isinstance(name, str) for name in names):
        return None
    return tuple(map(str, names))


def as_matrix(X: Any, name: str = "X") -> Array | csr_array:
    """Return examples as an array of real numbers, or as a sparse array if they are sparse.

    Parameters
    ----------
    X : object
        A frame of pandas, polars or dask, a dask array, a sparse array or matrix of SciPy, or anything that NumPy can
        read.
    name : str
        Its name, for the messages.

    Returns
    -------
    ndarray or scipy.sparse.csr_array
        With the dtype of the data. A frame has two dimensions and is finite; an array has any shape and values, which
        its user checks.

    Raises
    ------
    WrongType
        If a column or the array does not hold real numbers.
    NotFinite
        If an entry of a frame is missing or infinite, with its row and column.
    WrongShape
        If rows have unequal lengths, or a sparse array does not have two dimensions.
    InvalidInput
        If the indices of a sparse array are invalid, or two columns of a frame have the same name.

    Examples
    --------
    >>> from scipy.sparse import coo_array
    >>> as_matrix(coo_array([[0.0, 2.0]]))
    <Compressed Sparse Row sparse array of dtype 'float64'
        with 1 stored elements and shape (1, 2)>
    """
    X = computed(X)
    if issparse(X):
        return _as_csr(X, name)
    names = _names(X)
    if names is None:
        return as_real(X, name)
    if not names:
        raise WrongShape(f"{name} must have at least one column, got a frame without columns; pass one or more.")
    columns = [_numbers(as_array(X[each], name), name, each) for each in names]
    matrix = np.empty((len(columns[0]), len(columns)), np.result_type(*columns))
    for j, column in enumerate(columns):
        matrix[:, j] = column
    return matrix


def check_matrix(X: Any, name: str) -> None:
    """Refuse an array, dense or in the row format, that is not a matrix of finite numbers with one row or more.

    Raises
    ------
    WrongShape
        If it does not have two dimensions, or is empty.
    NotFinite
        With the position of the first entry that is not finite.
    """
    if X.ndim != 2 or 0 in X.shape:
        raise WrongShape(
            f"{name} must have two dimensions, one example a row, with one example or more, got shape {X.shape}; "
            f"for one feature pass {name}.reshape(-1, 1)."
        )
    if not issparse(X):
        check_finite(X, name)
    elif not (finite := np.isfinite(X.data)).all():
        entry = int(np.argmin(finite))
        row = int(np.searchsorted(X.indptr, entry, "right")) - 1
        raise NotFinite(
            f"{name} must be finite, got {X.data[entry]} at {name}[{row}, {X.indices[entry]}]; remove or replace it "
            f"(numpy.isfinite({name}.data) finds them all)."
        )


def computed(data: Any) -> Any:
    """Return the result of a lazy collection, such as those of dask and the lazy frames of polars; else the data."""
    for verb in ("compute", "collect"):
        if callable(compute := getattr(data, verb, None)):
            return compute()
    return data


def _names(X: Any) -> list[Any] | None:
    """Return the names of a frame's columns as they are; None if X is not a frame."""
    if callable(schema := getattr(X, "collect_schema", None)):  # polars, also for a lazy frame
        names = list(schema().names())
    elif hasattr(X, "columns") and hasattr(X, "dtypes"):
        names = list(X.columns)
    else:
        return None
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(f"the columns of a frame must have distinct names, got {twice!r} twice; rename one.")
    return names


def _numbers(column: Array, name: str, label: Any) -> Array:
    """Return a column of a frame after checking that it holds finite numbers."""
    if column.dtype.kind == "O":
        missing = [is_missing(value) for value in column]
        if any(missing):
            raise _not_finite(name, label, missing.index(True), "no value")
        if all(isinstance(value, bool | int | float | np.bool_ | np.number) for value in column):
            column = column.astype(float)
    if column.dtype.kind not in "biuf":
        kind = repr(column[:1].tolist()[0]) if len(column) else f"dtype {column.dtype}"
        remedy = "leave the column out, or encode it as numbers, a category with formulations.one_hot"
        if name == "Y":
            remedy = f"pass the column, Y[{label!r}], if it holds labels"
        raise WrongType(f"each column of {name} must hold numbers, got {kind} in column {label!r}; {remedy}.")
    if column.dtype.kind == "f" and not (finite := np.isfinite(column)).all():
        row = int(np.argmin(finite))
        raise _not_finite(name, label, row, "no value" if np.isnan(column[row]) else str(column[row]))
    return column


def _not_finite(name: str, label: Any, row: int, came: str) -> NotFinite:
    return NotFinite(
        f"{name} must be finite and without missing values, got {came} in row {row}, column {label!r}; leave such rows "
        "out, or fill them."
    )


def _as_csr(X: Any, name: str) -> csr_array:
    """Return a sparse array in the canonical row format, without a copy if it is in that format already."""
    if X.ndim != 2:
        raise WrongShape(f"{name} must have two dimensions, got shape {X.shape}; pass one example a row.")
    if X.dtype.kind not in "biuf":
        raise WrongType(f"{name} must hold real numbers (bool, integer or float), got dtype {X.dtype}; convert it.")
    found = csr_array(X)
    try:
        # SciPy reads beyond its arrays if the indices are invalid.
        found.check_format(full_check=True)
    except ValueError as caught:
        raise InvalidInput(f"{name} must be a valid sparse array, got one whose {caught}; make it again.") from None
    if not found.has_canonical_format:
        found = found.copy()
        found.sum_duplicates()
    return found
