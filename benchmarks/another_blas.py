"""The time of the matrix products by Intel's MKL, beside NumPy's own BLAS.

Run ``python benchmarks/another_blas.py path/to/libmkl_rt.so``; ``pip install mkl`` in a separate environment installs
one under ``lib``. A ratio below 1 means that MKL is faster. Only cells with large products are measured: in a small one
the call from Python takes longer than the product.
"""

from __future__ import annotations

import argparse
import ctypes
from functools import partial
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.comparison.race.cells import CELLS
from formulations.comparison.race.floor import products_of
from formulations.comparison.timing import interleave
from formulations.display import format_ratio, format_seconds, format_table

MEASURED = ("medium", "wide")
ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112
SILENCE = 0.15
"""Seconds of the same call before a measurement, after which the other library's threads sleep."""


def product_by(library: ctypes.CDLL, left: Array, right: Array, out: Array) -> partial[Any]:
    """Return the call that writes left·right into out."""
    gemm, real = (
        (library.cblas_sgemm, ctypes.c_float) if out.dtype == np.float32 else (library.cblas_dgemm, ctypes.c_double)
    )
    operands: list[Any] = []
    for matrix in (left, right):
        stored = matrix if matrix.flags.c_contiguous else matrix.T
        operands.append((PLAIN if stored is matrix else TRANSPOSED, stored.ctypes.data, stored.shape[1]))
    (of_left, a, a_row), (of_right, b, b_row) = operands
    pointer = ctypes.c_void_p
    return partial(
        gemm, ROW_MAJOR, of_left, of_right, *out.shape, left.shape[1], real(1), pointer(a), a_row, pointer(b), b_row,
        real(0), pointer(out.ctypes.data), out.shape[1],
    )  # fmt: skip


def measured(library: ctypes.CDLL, cell: str, dtype: str) -> list[str]:
    """Return a row of the table."""
    products = products_of(CELLS[cell].problem(dtype))
    calls = [product_by(library, *product) for product in products]
    for (left, right, out), call in zip(products, calls, strict=True):
        call()
        # Each of the two sums has as many terms of one sign as a row has entries.
        np.testing.assert_allclose(out, left @ right, rtol=2 * left.shape[1] * np.finfo(dtype).eps)

    def by_numpy() -> None:
        for left, right, out in products:
            np.dot(left, right, out)

    def by_other() -> None:
        for call in calls:
            call()

    both = {"numpy": by_numpy, "other": by_other}
    found = interleave(both, baseline="numpy", budget=1.0, sample=4e-3, settling=SILENCE)
    ratio = found["other"].over(found["numpy"])
    times = [format_seconds(found[name].seconds) for name in both]
    return [cell, dtype, *times, format_ratio(ratio)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Time the matrix products by Intel's MKL, beside NumPy's own BLAS.")
    parser.add_argument("path", help="the path of libmkl_rt.so, which pip install mkl installs under lib")
    library = ctypes.CDLL(parser.parse_args().path)
    lines = [measured(library, cell, dtype) for cell in MEASURED for dtype in ("float32", "float64")]
    print(format_table(["", "dtype", "NumPy's", "MKL's", "MKL's over NumPy's"], lines, right=[2, 3, 4]))


if __name__ == "__main__":
    main()
