"""Elementary functions and linear algebra of arrays, of NumPy's numbers and of mpmath's.

A function of the study is written with these, so that the same lines run in double precision and with many digits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import scipy

__all__ = [
    "arccos",
    "arctan",
    "cholesky",
    "cos",
    "cosh",
    "eigenvalues",
    "erf",
    "exp",
    "expm",
    "expm1",
    "gammaln",
    "i0",
    "inverse",
    "log",
    "log1p",
    "sin",
    "sqrt",
    "stack",
    "tanh",
]


@cache
def _many_digits(name: str) -> Callable[..., Any]:
    import mpmath

    chosen = {"i0": lambda x: mpmath.besseli(0, x), "gammaln": mpmath.loggamma, "arctan": mpmath.atan}
    return np.frompyfunc(chosen.get(name) or getattr(mpmath, name.replace("arc", "a")), 1, 1)


def _elementary(name: str, ordinary: Callable[..., Any]) -> Callable[..., Any]:
    def elementary(x):
        return (_many_digits(name) if _is_exact(x) else ordinary)(x)

    return elementary


def _is_exact(x: Any) -> bool:
    return np.asarray(x).dtype == object


arccos = _elementary("arccos", np.arccos)
arctan = _elementary("arctan", np.arctan)
cos = _elementary("cos", np.cos)
cosh = _elementary("cosh", np.cosh)
erf = _elementary("erf", scipy.special.erf)
exp = _elementary("exp", np.exp)
expm1 = _elementary("expm1", np.expm1)
gammaln = _elementary("gammaln", scipy.special.gammaln)
i0 = _elementary("i0", scipy.special.i0)
log = _elementary("log", np.log)
log1p = _elementary("log1p", np.log1p)
sin = _elementary("sin", np.sin)
sqrt = _elementary("sqrt", np.sqrt)
tanh = _elementary("tanh", np.tanh)


def stack(*parts: Any) -> np.ndarray:
    """Return numbers and vectors as one vector."""
    return np.concatenate([np.atleast_1d(np.asarray(part)) for part in parts])


def _matrix(a: np.ndarray) -> Any:
    import mpmath

    return mpmath.matrix(a.tolist())


def _array(a: Any) -> np.ndarray:
    return np.array(a.tolist(), dtype=object)


def cholesky(a: np.ndarray) -> np.ndarray:
    """Return the lower triangular factor of a positive definite matrix."""
    if not _is_exact(a):
        return np.linalg.cholesky(a)
    import mpmath

    return _array(mpmath.cholesky(_matrix(a)))


def inverse(a: np.ndarray) -> np.ndarray:
    """Return the inverse of a matrix."""
    return _array(_matrix(a) ** -1) if _is_exact(a) else np.linalg.inv(a)


def eigenvalues(a: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of a symmetric matrix in ascending order."""
    if not _is_exact(a):
        return np.linalg.eigvalsh(a)
    import mpmath

    return np.array(list(mpmath.eigsy(_matrix(a), eigvals_only=True)), dtype=object)


def expm(a: np.ndarray) -> np.ndarray:
    """Return the exponential of a matrix."""
    if not _is_exact(a):
        return scipy.linalg.expm(a)
    import mpmath

    return _array(mpmath.expm(_matrix(a)))
