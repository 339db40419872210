"""Products that BLAS adds to a matrix in place."""

from __future__ import annotations

import numpy as np
import pytest

from formulations.arrays import IN_ONE_THREAD, product_adder


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m", [1, 3])
def test_the_product_is_added_in_place(dtype, m):
    rows, columns, random = 96, 200, np.random.default_rng(0)
    delta, a = (random.normal(size=(m, n)).astype(dtype) for n in (rows, columns))
    # A part of a longer vector, as weights are.
    vector = random.normal(size=rows * columns + 2).astype(dtype)
    before, matrix = vector.copy(), vector[1:-1].reshape(rows, columns)
    product_adder(m, rows, columns, np.dtype(dtype))(delta, a, matrix)
    wide = before.astype(np.longdouble)[1:-1].reshape(rows, columns)
    terms = np.abs(wide) + np.abs(delta.T).astype(np.longdouble) @ np.abs(a)
    # γ of the m products and their sum with the matrix; the product here is rounded in a higher precision.
    bound = (m + 2) * np.finfo(dtype).eps * terms
    assert np.all(np.abs(matrix - (wide + delta.T.astype(np.longdouble) @ a)) <= bound)
    assert vector[0] == before[0] and vector[-1] == before[-1]


@pytest.mark.parametrize(
    ("m", "rows", "columns", "dtype"),
    [
        (10, 30, 784, "longdouble"),
        (10, 30, 64, "float64"),
        (IN_ONE_THREAD // 2**14 + 1, 128, 128, "float32"),
    ],
)
def test_other_products_take_a_buffer(m, rows, columns, dtype):
    assert product_adder(m, rows, columns, np.dtype(dtype)) is None
