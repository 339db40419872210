"""The dtypes that a network can have, and the next higher precision of each."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import numpy as np

from formulations.exceptions import WrongType, described

__all__ = ["DTYPES", "DTYPE_NAMES", "SINGLE_AND_DOUBLE", "Array", "as_dtype", "format_dtype", "higher"]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

DTYPES: tuple[np.dtype[np.floating[Any]], ...] = (
    np.dtype(np.float32),
    np.dtype(np.float64),
    np.dtype(np.longdouble),
)
"""The dtypes that a network can have."""

SINGLE_AND_DOUBLE = DTYPES[:2]
"""float32 and float64: the dtypes that compiled code and automatic differentiation have too."""


def as_dtype(dtype: Any) -> np.dtype[np.floating[Any]]:
    """Return one of the dtypes that a network can have.

    Parameters
    ----------
    dtype : dtype-like
        Anything that ``numpy.dtype`` converts to one of ``DTYPES``.

    Returns
    -------
    numpy.dtype

    Raises
    ------
    WrongType
        For any other dtype, such as half precision, which has no matrix product and would become float32.

    Examples
    --------
    >>> as_dtype("float32")
    dtype('float32')
    """
    try:
        given = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):
        given = np.dtype(object)
    for known in DTYPES:
        if given == known:
            return known
    raise WrongType(f"dtype must be float32, float64 or longdouble, got {described(dtype)}; choose one of these.")


def format_dtype(dtype: Any) -> str:
    """Return the name of a dtype; NumPy's own name of longdouble depends on the platform.

    Examples
    --------
    >>> format_dtype("float32"), format_dtype("longdouble")
    ('float32', 'longdouble')
    """
    given = np.dtype(dtype)
    return "longdouble" if given.char == "g" else str(given)


DTYPE_NAMES = tuple(map(format_dtype, DTYPES))
"""The names of the dtypes that a network can have."""


def higher(dtype: np.dtype[Any]) -> np.dtype[Any] | None:
    """Return the next higher precision, or None if the platform has none.

    longdouble does not count if its functions are only as precise as double's, as with musl and in WebAssembly.

    Examples
    --------
    >>> higher(np.dtype("float32"))
    dtype('float64')
    """
    double, extended = np.dtype(np.float64), np.dtype(np.longdouble)
    for wide in (double, extended):
        if np.finfo(wide).eps < np.finfo(dtype).eps:
            return wide if wide == double or _exponential_is_extended() else None
    return None


@cache
def _exponential_is_extended() -> bool:
    """Return whether exp is as precise as ``finfo`` says for longdouble, by comparison with its series."""
    one = term = total = np.longdouble(1)
    for k in range(1, 40):
        term = term / k
        total = total + term
    return bool(abs(np.exp(one) - total) <= 64 * np.finfo(np.longdouble).eps)
