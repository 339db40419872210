"""The binary tree of sums: one tree for one number of leaves, whoever adds them and in whatever order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from formulations.arrays.dtypes import higher
from formulations.plans.tree import Sums, Tree

WIDE = higher(np.dtype("float64")) or np.dtype("float64")


def leaf(value, exponent=0, weight=1.0):
    sums = Sums(2, np.dtype("float64"))
    if weight:
        sums.set(np.array([value, -value]), value, weight, exponent)
    sums.examples = sums.largest = 1
    return sums


def recursive(leaves):
    """Return the sum as the docstring of the module defines it, in units of 1."""
    n = len(leaves)
    if n == 1:
        return leaves[0]
    p = 1 << ((n - 1).bit_length() - 1)
    return recursive(leaves[:p]) + recursive(leaves[p:])


def values(n):
    return np.random.default_rng(n).standard_normal(n) * 10.0 ** np.random.default_rng(n + 1).integers(-15, 15, n)


@pytest.mark.parametrize("n", [*range(1, 18), 64, 100])
def test_it_is_the_tree_of_its_definition_in_any_order_and_for_any_tasks(n):
    numbers = values(n)
    expected = recursive([WIDE.type(x) for x in numbers])
    random = np.random.default_rng(0)
    for levels in range(5):
        subtrees = []
        for first in range(0, n, 1 << levels):
            inner = Tree(2, np.dtype("float64"))
            for index in range(first, min(first + (1 << levels), n)):
                inner.add(index, leaf(numbers[index]))
            subtrees.append((first >> levels, inner.total()))
        tree = Tree(2, np.dtype("float64"))
        for i in random.permutation(len(subtrees)):
            tree.add(*subtrees[i], levels)
        found = tree.total()
        assert found.vector[0] == -found.vector[1] == found.cost == expected
        assert (found.weight, found.examples, found.largest) == (n, n, 1)
        assert found.depth == (n - 1).bit_length()


def test_another_order_of_the_leaves_is_another_sum():
    # The tests above would pass if the numbers were added exactly.
    numbers = values(64)
    assert len({float(recursive(list(numbers[i:]) + list(numbers[:i]))) for i in range(8)}) > 1


def test_units_grow_with_the_larger_and_scale_exactly():
    for exponents in itertools.permutations([-900, 0, 900]):
        tree = Tree(2, np.dtype("float64"))
        for index, exponent in enumerate(exponents):
            tree.add(index, leaf(1.0, exponent))
        found = tree.total()
        assert found.exponent == 900 and found.weight == found.vector[0]
        assert float(found.weight) == 1.0


@pytest.mark.parametrize("exponents", [(3, 7), (7, 3), (5, 5)])
def test_all_sums_are_in_the_same_units(exponents):
    numbers = (3.0, 5.0)
    tree = Tree(2, np.dtype("float64"))
    for index, exponent in enumerate(exponents):
        tree.add(index, leaf(numbers[index], exponent))
    found = tree.total()
    expected = sum(number * 2.0**exponent for number, exponent in zip(numbers, exponents, strict=True))
    unit = 2.0**found.exponent
    assert (found.vector[0] * unit, found.vector[1] * unit, found.cost * unit) == (expected, -expected, expected)
    assert found.weight * unit == sum(2.0**exponent for exponent in exponents)


@pytest.mark.parametrize("weights", [(1, 1, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (0, 0, 0)])
def test_the_largest_chunk_of_all_is_known(weights):
    for sizes in itertools.permutations([2, 3, 7]):
        tree = Tree(2, np.dtype("float64"))
        for index, (size, weight) in enumerate(zip(sizes, weights, strict=True)):
            sums = leaf(1.0, weight=weight)
            sums.examples = sums.largest = size
            tree.add(index, sums)
        found = tree.total()
        assert (found.largest, found.examples) == (7, 12)


def test_leaves_of_weight_zero_leave_no_trace():
    for order in itertools.permutations([0.0, 3.0, 0.0, 5.0]):
        tree = Tree(2, np.dtype("float64"))
        for index, value in enumerate(order):
            tree.add(index, leaf(value, weight=value))
        found = tree.total()
        assert (found.vector[0], found.weight, found.examples, found.exponent) == (8, 8, 4, 0)


def test_leaves_in_their_order_need_as_many_vectors_as_there_are_levels():
    tree = Tree(2, np.dtype("float64"))
    # The sums, which stay alive here, and so have different identities.
    made = {}
    for index in range(1000):
        sums = tree.free()
        made[id(sums)] = sums
        sums.set(np.ones(2), 1.0, 1.0, 0)
        tree.add(index, sums)
        assert sum(each.vector.nbytes for each in made.values()) == Tree.bytes(2, np.dtype("float64"), index + 1)
    assert len(made) == 10 and tree.total().vector[0] == 1000


def test_whoever_only_merges_keeps_no_more_vectors_than_levels():
    tree = Tree(2, np.dtype("float64"))
    for index in range(1000):
        tree.add(index, leaf(1.0))
    assert len(tree._free) == Tree.LEVELS
