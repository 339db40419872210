"""The matrix-chain recurrence, against all brackets there are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from formulations.backends._shared.chain import (
    cheapest,
    dense_step,
    from_left,
    from_right,
    multiplications,
    multiply,
    splits,
    written,
)


def trees(i, k):
    """Return every tree over the factors i, …, k."""
    if i == k:
        return [i]
    return [(left, right) for j in range(i, k) for left in trees(i, j) for right in trees(j + 1, k)]


@pytest.mark.parametrize("seed", range(20))
def test_no_brackets_are_cheaper(seed):
    sizes = np.random.default_rng(seed).integers(1, 9, size=seed % 6 + 2).tolist()
    count, step = len(sizes) - 1, dense_step(sizes)
    assert multiplications(cheapest(count, step), step) == min(
        multiplications(tree, step) for tree in trees(0, count - 1)
    ), sizes


def test_each_order_is_what_its_name_says():
    assert [written(order(4), "ABCD") for order in (from_left, from_right)] == ["((AB)C)D", "A(B(CD))"]
    assert [written(order(1), "A") for order in (from_left, from_right)] == ["A", "A"]
    assert splits(from_left(3)) == [(0, 0, 1), (0, 1, 2)]


def test_equally_cheap_brackets_are_those_from_the_right():
    assert cheapest(4, dense_step([2] * 5)) == from_right(4)


def test_a_row_at_the_left_end_can_be_cheaper_than_a_column_at_the_right():
    step = dense_step([1, 100, 2, 50, 1])
    counts = [multiplications(tree, step) for tree in (from_left(4), from_right(4), cheapest(4, step))]
    assert counts == [200 + 100 + 50, 100 + 200 + 100, 200 + 100 + 2]


def test_every_order_gives_the_same_product():
    sizes = [2, 3, 1, 4, 2]
    random = np.random.default_rng(0)
    factors = [random.integers(-3, 4, size=shape) for shape in pairwise(sizes)]
    expected = factors[0] @ factors[1] @ factors[2] @ factors[3]
    for tree in trees(0, 3):
        assert np.array_equal(multiply(tree, factors.__getitem__, np.matmul), expected)
