"""Attempts to make a step cheaper, each with its predicted and its measured gain.

Run ``python benchmarks/attempts.py``. Each line times two implementations of one step in turn; a ratio below 1 is a
gain. benchmarks/targets.md says which were kept, and why.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.linalg.blas import daxpy, dgemm, saxpy, sgemm

from formulations.arrays import Array
from formulations.comparison.timing import interleave
from formulations.display import format_ratio, format_seconds, format_table
from formulations.functions import ACTIVATIONS

SAMPLE, SETTLE = 4e-3, 2e-3


class Attempt(NamedTuple):
    """Two implementations of one step."""

    name: str
    predicted: str
    before: Callable[[], object]
    after: Callable[[], object]


def buffers(m: int, n: int, dtype: str, count: int) -> list[Array]:
    """Return arrays of shape (m, n) with entries between ½ and 1."""
    generator = np.random.default_rng(0)
    return [(0.5 + generator.random((m, n)) / 2).astype(dtype) for _ in range(count)]


def biases(dtype: str) -> Attempt:
    z, same = buffers(10, 30, dtype, 2)
    b = np.zeros(30, dtype)
    return Attempt("bias of 10×30: a row repeated → rows that are there", "≈ 1", lambda: np.add(z, b, z),
                   lambda: np.add(z, same, z))  # fmt: skip


def products(dtype: str) -> Attempt:
    a, z = buffers(32, 64, dtype, 2)
    (w,) = buffers(64, 64, dtype, 1)
    b, gemm = np.zeros(64, dtype), sgemm if dtype == "float32" else dgemm

    def before() -> None:
        np.dot(a, w.T, z)
        np.add(z, b, z)

    def after() -> None:
        np.copyto(z, b)
        gemm(1.0, w.T, a.T, 1.0, z.T, 1, 0, 1)

    return Attempt("z = wa + b of deep: dot, add → copy, gemm on top", "0.85", before, after)


def division(dtype: str) -> Attempt:
    value, slope, one = *buffers(100, 100, dtype, 2), np.array(1, dtype)

    def before() -> None:
        np.divide(value, slope, value)
        np.divide(value, slope, slope)
        np.add(value, one, slope)

    def after() -> None:
        np.divide(one, slope, slope)
        np.multiply(value, slope, value)
        np.multiply(value, slope, slope)
        np.add(value, one, slope)

    return Attempt("σ and σ′ of 100×100: two divisions → one and two products", "0.93", before, after)


def descent(dtype: str) -> Attempt:
    w, g = (part.ravel() for part in buffers(1, 23860, dtype, 2))
    eta, axpy = np.array(1e-9, dtype), saxpy if dtype == "float32" else daxpy

    def before() -> None:
        np.multiply(g, eta, g)
        np.subtract(w, g, w)

    return Attempt("a step on 784-30-10: two passes → axpy", "0.5", before, lambda: axpy(g, w, w.size, -1e-9))


def finite(dtype: str) -> Attempt:
    (X,) = buffers(10, 784, dtype, 1)
    return Attempt("is X finite, 10×784: each entry → one product", "0.5", lambda: np.isfinite(X).all(),
                   lambda: np.isfinite(np.vdot(X, X)))  # fmt: skip


def cost(dtype: str) -> Attempt:
    A, Y, G = buffers(10, 10, dtype, 3)
    shares = np.full(10, 0.1, dtype)

    def before() -> None:
        np.subtract(A, Y, G)
        values = np.vecdot(G, G)
        values *= values.dtype.type(0.5)
        np.dot(values, shares)

    def after() -> None:
        np.subtract(A, Y, G)
        np.vdot(G, G) * shares.dtype.type(0.05)

    return Attempt("C of 10×10: example by example → one product", "0.4", before, after)


def layout(dtype: str) -> Attempt:
    a, z = buffers(256, 1024, dtype, 2)
    (w,) = buffers(1024, 1024, dtype, 1)
    turned = np.ascontiguousarray(w.T)
    return Attempt("wa of wide: weights transposed for the product → stored so", "0.9", lambda: np.dot(a, w.T, z),
                   lambda: np.dot(a, turned, z))  # fmt: skip


def clamp(dtype: str) -> Attempt:
    z, a = buffers(64, 1024, dtype, 2)
    t = np.array(80, dtype)
    return Attempt("is min(z, t) needed, 64×1024: take it → look first", "0.3", lambda: np.minimum(z, t, out=a),
                   lambda: z.item(z.argmax()) <= 80)  # fmt: skip


def threads(dtype: str) -> Attempt:
    z, a, slope = buffers(256, 1024, dtype, 3)
    halves = [(z[part], a[part], slope[part]) for part in (slice(128), slice(128, 256))]
    evaluate, pool = ACTIVATIONS["sigmoid"].evaluate, ThreadPoolExecutor(1)

    def after() -> None:
        other = pool.submit(evaluate, *halves[1])
        evaluate(*halves[0])
        other.result()

    return Attempt("σ and σ′ of 256×1024: one thread → two", "0.6", lambda: evaluate(z, a, slope), after)


@njit
def takes_many(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o) -> None:  # type: ignore[no-untyped-def]
    """Receive fifteen arrays."""


@njit
def takes_few(a, b, c, d, e, f) -> None:  # type: ignore[no-untyped-def]
    """Receive six."""


def passed(dtype: str) -> Attempt:
    arrays = buffers(1, 1, dtype, 15)
    return Attempt("arrays passed to compiled code: 15 → 6", "0.4", lambda: takes_many(*arrays),
                   lambda: takes_few(*arrays[:6]))  # fmt: skip


ATTEMPTS = (layout, biases, products, division, descent, finite, cost, clamp, threads, passed)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(
        description="Time attempts to make a step cheaper; a ratio below 1 is a gain. It takes no options."
    ).parse_args()
    lines = []
    for make in ATTEMPTS:
        for dtype in ("float32", "float64"):
            attempt = make(dtype)
            calls = {"before": attempt.before, "after": attempt.after}
            with np.errstate(all="ignore"):
                found = interleave(calls, baseline="before", budget=0.5, sample=SAMPLE, settling=SETTLE)
            before, measured = format_seconds(found["before"].seconds), format_ratio(found["after"].ratio)
            lines.append([attempt.name, dtype, attempt.predicted, before, measured])
    print(format_table(["", "dtype", "predicted", "before", "measured"], lines, right=[2, 3, 4]))


if __name__ == "__main__":
    main()
