"""Standardisation: each feature shifted to mean 0 and scaled to standard deviation 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from formulations.arrays import Array, check_finite, quiet
from formulations.data.frames import as_matrix, check_matrix
from formulations.exceptions import Refused, WrongShape

__all__ = ["Scaling"]


@dataclass(frozen=True, eq=False)
class Scaling:
    """The mean and standard deviation of each feature.

    Attributes
    ----------
    mean : ndarray of shape (n₁,)
        The mean, which is subtracted; 0 for sparse examples, which stay sparse.
    scale : ndarray of shape (n₁,)
        The divisor: the standard deviation (over m); 1 for a feature that is constant up to rounding.

    Examples
    --------
    >>> scaling = Scaling.of([[1.0, 5.0], [3.0, 5.0]])
    >>> scaling.mean, scaling.scale
    (array([2., 5.]), array([1., 1.]))
    >>> scaling([[4.0, 5.0]])
    array([[2., 0.]])
    """

    mean: Array
    scale: Array

    @classmethod
    @quiet
    def of(cls, X: Any) -> Scaling:
        """Return the scaling of examples.

        Parameters
        ----------
        X : array-like, frame or sparse array of shape (m, n₁)
            At least one example.

        Returns
        -------
        Scaling

        Raises
        ------
        WrongShape, WrongType, NotFinite, InvalidInput
            If the examples cannot be used.
        """
        data = _checked(X)
        dtype = np.promote_types(data.dtype, np.float64)
        if issparse(data):
            return cls(np.zeros(data.shape[1], dtype), _deviations_of_sparse(data.astype(dtype), _roundoff(data)))
        wide = np.asarray(data, dtype)
        low, high = wide.min(axis=0), wide.max(axis=0)
        # With the largest value scaled to 1, no square overflows or vanishes.
        unit = _positive(np.maximum(-low, high))
        scaled = wide / unit
        mean = np.where(low == high, low, scaled.mean(axis=0) * unit)
        deviations = scaled.std(axis=0)
        constant = (low == high) | (deviations <= _roundoff(data))
        return cls(mean, np.where(constant, 1, _positive(deviations * unit)))

    @quiet
    def __call__(self, X: Any) -> Array | csr_array:
        """Return the standardised examples, (X − mean) / scale.

        Parameters
        ----------
        X : array-like, frame or sparse array of shape (m, n₁)
            At least one example.

        Returns
        -------
        ndarray or csr_array of shape (m, n₁)
            Sparse for sparse examples.

        Raises
        ------
        WrongType, NotFinite, InvalidInput
            If the examples cannot be used.
        WrongShape
            If they have another number of features.
        Refused
            If sparse examples would not stay sparse, because the mean is not 0.
        """
        data = _checked(X)
        if data.shape[1] != len(self.mean):
            raise WrongShape(
                f"X must have {len(self.mean)} columns, one for each feature that was scaled, got shape {data.shape}; "
                "pass the same features in the same order."
            )
        if not issparse(data):
            result = (data - self.mean) / self.scale
            check_finite(result, "the scaled X")
            return result
        if self.mean.any():
            raise Refused(
                "sparse X must have a scaling of mean 0 to stay sparse, got one with other means; pass X.toarray(), "
                "or the scaling of a sparse X."
            )
        values = data.data / self.scale[data.indices]
        sparse = csr_array((values, data.indices, data.indptr), shape=data.shape)
        check_matrix(sparse, "the scaled X")
        return sparse


def _checked(X: Any) -> Any:
    """Return finite examples, at least one, as an array or a sparse array."""
    data: Any = as_matrix(X, "X")
    check_matrix(data, "X")
    return data


def _roundoff(X: Any) -> float:
    """Return the deviation that rounding alone can give a constant feature whose largest value is 1.

    The mean of m values rounds m times (Higham 2002, eq. 4.4). The values may be results themselves, such as the sums
    of features that were normalised to 1: a sum of n₁ terms by pairs rounds ⌈log₂ n₁⌉ times, a division once more.
    """
    m, n = X.shape
    steps = math.ceil(math.log2(n)) + 1
    values = steps * np.finfo(X.dtype).eps if X.dtype.kind == "f" else 0
    return float(values + m * np.finfo(np.promote_types(X.dtype, np.float64)).eps)


def _deviations_of_sparse(X: csr_array, roundoff: float) -> Array:
    """Return the standard deviation of each column; 1 if it is constant."""
    m, n = X.shape
    columns, stored = X.indices, np.bincount(X.indices, minlength=n)
    low, high = np.where(stored < m, 0, np.inf).astype(X.dtype), np.where(stored < m, 0, -np.inf).astype(X.dtype)
    np.minimum.at(low, columns, X.data)
    np.maximum.at(high, columns, X.data)
    unit = _positive(np.maximum(-low, high))
    values = X.data / unit[columns]
    mean, squares = np.zeros((2, n), X.dtype)
    np.add.at(mean, columns, values)
    mean /= m
    np.add.at(squares, columns, (values - mean[columns]) ** 2)
    squares += (m - stored) * mean**2
    deviations = np.sqrt(squares / m)
    return np.where((low == high) | (deviations <= roundoff), 1, _positive(deviations * unit))


def _positive(values: Array) -> Array:
    """Return the values with 1 in the place of 0."""
    return np.where(values > 0, values, 1)
