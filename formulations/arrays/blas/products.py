"""Products that BLAS adds to a matrix in place, which saves a buffer and a pass over the matrix."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from formulations.arrays.dtypes import SINGLE_AND_DOUBLE, Array

__all__ = ["IN_ONE_THREAD", "Adder", "product_adder"]

Adder: TypeAlias = Callable[[Array, Array, Array], None]
"""Adds δᵀa to a matrix: (delta, a, matrix) of shape (m, rows), (m, columns) and (rows, columns)."""

IN_ONE_THREAD = 2**18
"""The number of multiplications up to which OpenBLAS computes a product in one thread."""

WORTH_ADDING = 2**14
"""The entries of a matrix from which a pass over it takes longer than SciPy's call of BLAS does."""


def product_adder(m: int, rows: int, columns: int, dtype: np.dtype[Any]) -> Adder | None:
    """Return a function that adds δᵀa to a matrix.

    NumPy does not add a product. SciPy does, but its wheels bring a copy of BLAS with threads of their own, which would
    wait for work beside those of NumPy's: only products that BLAS computes in one thread are worth it.

    Parameters
    ----------
    m, rows, columns : int
        The shapes: δ has (m, rows), a has (m, columns), and the matrix has (rows, columns).
    dtype : numpy.dtype
        That of all three.

    Returns
    -------
    callable (delta, a, matrix), or None
        Changes the matrix, which must be C-contiguous. None if NumPy's product and sum are at least as fast.
    """
    if dtype not in SINGLE_AND_DOUBLE or rows * columns < WORTH_ADDING or m * rows * columns > IN_ONE_THREAD:
        return None
    return _adder(dtype.char)


@lru_cache
def _adder(char: str) -> Adder:
    # Loading it takes as long as some thousand of the steps that it speeds up.
    from scipy.linalg import blas

    gemm = blas.dgemm if char == "d" else blas.sgemm

    def add(delta: Array, a: Array, matrix: Array) -> None:
        # In Fortran's order: matrixᵀ ← 1·aᵀδ + 1·matrixᵀ, in place; (δᵀ)ᵀ needs no copy.
        gemm(1.0, a.T, delta.T, 1.0, matrix.T, 0, 1, 1)

    return add
