r"""The products of a mini-batch with few multiplications, computed in the caller's thread.

BLAS copies its operands into blocks before it multiplies. In a mini-batch of ten examples each weight is read ten
times, and the copy costs more than the product. The loops here read the operands where they are: a tile of 2 × 4 inner
products in registers, or five rows at a time. For more than ``THIN`` examples BLAS is faster.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.backends._shared.compiled.compiler import compiled, compiled_sums

__all__ = ["THIN", "add_outer_products", "inner_products", "product"]

THIN = 32
"""The number of examples up to which the loops are faster than BLAS, for layers of 10 to 784 neurons."""


@compiled_sums
def inner_products(A: Array, B: Array, out: Array) -> None:
    """Write A Bᵀ, shape (m, n), for C-contiguous A and B of shapes (m, k) and (n, k), with m examples."""
    if len(A) > THIN:
        np.dot(A, B.T, out)
        return
    m, n, k = A.shape[0], B.shape[0], A.shape[1]
    zero = out.dtype.type(0)
    in_pairs, in_fours = m - m % 2, n - n % 4
    for j in range(0, in_fours, 4):
        b0, b1, b2, b3 = B[j], B[j + 1], B[j + 2], B[j + 3]
        for x in range(0, in_pairs, 2):
            a0, a1 = A[x], A[x + 1]
            s0, s1, s2, s3, t0, t1, t2, t3 = zero, zero, zero, zero, zero, zero, zero, zero
            for i in range(k):
                s0 += a0[i] * b0[i]
                s1 += a0[i] * b1[i]
                s2 += a0[i] * b2[i]
                s3 += a0[i] * b3[i]
                t0 += a1[i] * b0[i]
                t1 += a1[i] * b1[i]
                t2 += a1[i] * b2[i]
                t3 += a1[i] * b3[i]
            out[x, j], out[x, j + 1], out[x, j + 2], out[x, j + 3] = s0, s1, s2, s3
            out[x + 1, j], out[x + 1, j + 1], out[x + 1, j + 2], out[x + 1, j + 3] = t0, t1, t2, t3
        if in_pairs < m:
            a0 = A[in_pairs]
            s0, s1, s2, s3 = zero, zero, zero, zero
            for i in range(k):
                s0 += a0[i] * b0[i]
                s1 += a0[i] * b1[i]
                s2 += a0[i] * b2[i]
                s3 += a0[i] * b3[i]
            x = in_pairs
            out[x, j], out[x, j + 1], out[x, j + 2], out[x, j + 3] = s0, s1, s2, s3
    for j in range(in_fours, n):
        b0 = B[j]
        for x in range(m):
            a0, s0 = A[x], zero
            for i in range(k):
                s0 += a0[i] * b0[i]
            out[x, j] = s0


@compiled
def product(A: Array, B: Array, out: Array) -> None:
    """Write A B, shape (m, n), for C-contiguous A and B of shapes (m, k) and (k, n), with m examples."""
    if len(A) > THIN:
        np.dot(A, B, out)
    else:
        zero, one = out.dtype.type(0), out.dtype.type(1)
        _add_product(one, A, B, zero, zero, out)


@compiled
def add_outer_products(alpha: Any, D: Array, A: Array, beta: Any, decay: Any, out: Array, spare: Array) -> None:
    """Write β·out + (decay·out + α DᵀA), shape (n, k), for C-contiguous D (m, n) and A (m, k), with m examples.

    The bracket comes first. If β + decay were one factor, such as 1 − ηλ, every step would round it in the same way,
    and a decay below the unit roundoff would be lost.

    ``spare`` is a buffer like ``out``, which it may be if α is 1, and β and the decay are 0.
    """
    if len(D) <= THIN:
        _add_product(alpha, D.T, A, beta, decay, out)
        return
    np.dot(D.T, A, spare)
    if alpha != out.dtype.type(1) or beta != out.dtype.type(0):
        n, k = out.shape
        flat, added = out.reshape(n * k), spare.reshape(n * k)
        for i in range(n * k):
            flat[i] = beta * flat[i] + (decay * flat[i] + alpha * added[i])


@compiled
def _add_product(alpha: Any, A: Array, B: Array, beta: Any, decay: Any, out: Array) -> None:
    """Write β·out + (decay·out + α A B), for A of shape (m, k) in any order and C-contiguous B of shape (k, n).

    The decay is part of the first sum that is added. With β = 0 it must be 0, and what ``out``, of shape (m, n), held
    does not matter, even if it is not finite.
    """
    m, k, n = A.shape[0], A.shape[1], B.shape[1]
    zero, one = out.dtype.type(0), out.dtype.type(1)
    if beta == zero:
        out[:] = zero
        beta = one
    in_fives = k - k % 5
    for s in range(0, in_fives, 5):
        b0, b1, b2, b3, b4 = B[s], B[s + 1], B[s + 2], B[s + 3], B[s + 4]
        for x in range(m):
            row = out[x]
            a0, a1, a2, a3, a4 = (
                alpha * A[x, s],
                alpha * A[x, s + 1],
                alpha * A[x, s + 2],
                alpha * A[x, s + 3],
                alpha * A[x, s + 4],
            )
            for i in range(n):
                row[i] = beta * row[i] + (
                    decay * row[i] + a0 * b0[i] + a1 * b1[i] + a2 * b2[i] + a3 * b3[i] + a4 * b4[i]
                )
        beta, decay = one, zero
    for s in range(in_fives, k):
        b0 = B[s]
        for x in range(m):
            row, a0 = out[x], alpha * A[x, s]
            for i in range(n):
                row[i] = beta * row[i] + (decay * row[i] + a0 * b0[i])
        beta, decay = one, zero
