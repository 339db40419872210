"""Products of small matrices, whose numbers are read in the order in which they lie.

A call of a library's product costs as much as the arithmetic of a small one, and a library is tuned for large ones.
Here nothing is transposed or packed: loops run along rows, several at a time, and what is read serves twice.
"""

from __future__ import annotations

import numpy as np

from formulations.compiled.compiler import compiled_sums
from formulations.dtypes import Array

__all__ = ["products_of_rows", "sums_of_rows"]

_FEW = 24
"""Rows up to which adding them up is faster than a library's product, by measurement."""


@compiled_sums
def products_of_rows(A: Array, B: Array, out: Array) -> None:
    """Write A Bᵀ, shape (m, n), for A of shape (m, k) and B of shape (n, k)."""
    m, k = A.shape
    n = B.shape[0]
    zero = A.dtype.type(0)
    for x in range(0, m - 3, 4):
        a0, a1, a2, a3 = A[x], A[x + 1], A[x + 2], A[x + 3]
        for j in range(0, n - 1, 2):
            b0, b1 = B[j], B[j + 1]
            s00, s10, s20, s30 = zero, zero, zero, zero
            s01, s11, s21, s31 = zero, zero, zero, zero
            for i in range(k):
                s00 += a0[i] * b0[i]
                s01 += a0[i] * b1[i]
                s10 += a1[i] * b0[i]
                s11 += a1[i] * b1[i]
                s20 += a2[i] * b0[i]
                s21 += a2[i] * b1[i]
                s30 += a3[i] * b0[i]
                s31 += a3[i] * b1[i]
            out[x, j], out[x + 1, j], out[x + 2, j], out[x + 3, j] = s00, s10, s20, s30
            out[x, j + 1], out[x + 1, j + 1], out[x + 2, j + 1], out[x + 3, j + 1] = s01, s11, s21, s31
    whole_m, whole_n = m - m % 4, n - n % 2
    for x in range(m):
        for j in range(whole_n if x < whole_m else 0, n):
            s = zero
            for i in range(k):
                s += A[x, i] * B[j, i]
            out[x, j] = s


@compiled_sums
def sums_of_rows(C: Array, R: Array, out: Array) -> None:
    """Write Cᵀ R, shape (r, c), for C of shape (k, r) and R of shape (k, c)."""
    k, r = C.shape
    if k > _FEW:
        np.dot(C.T, R, out)
        return
    for j in range(r):
        row = out[j]
        row[:] = C.dtype.type(0)
        for x in range(0, k - 3, 4):
            c0, c1, c2, c3 = C[x, j], C[x + 1, j], C[x + 2, j], C[x + 3, j]
            r0, r1, r2, r3 = R[x], R[x + 1], R[x + 2], R[x + 3]
            for i in range(row.size):
                row[i] += (c0 * r0[i] + c1 * r1[i]) + (c2 * r2[i] + c3 * r3[i])
        for x in range(k - k % 4, k):
            c0, r0 = C[x, j], R[x]
            for i in range(row.size):
                row[i] += c0 * r0[i]
