"""One example at a time: the mean is weighted by the examples' shares, in the cost and in every δ."""

from __future__ import annotations

import pytest

import formulations as fm

# One linear neuron, w = 2: a − y is 1 and 4, C_x is ½ and 8, the shares are ¼ and ¾.
NET = fm.Network([[[2.0]]], [[0.0]], "identity")
X, Y, WEIGHTS = [[1.0], [3.0]], [[1.0], [2.0]], [1.0, 3.0]


@pytest.mark.parametrize("inner", ["hadamard", "sigma", "linear"])
def test_cost_and_errors_are_weighted_by_the_shares(inner):
    g = fm.gradient(NET, X, Y, backend=f"{inner}:batch=example", sample_weight=WEIGHTS)
    assert g.cost == 0.25 * 0.5 + 0.75 * 8
    assert g.errors[0].tolist() == [[0.25 * 1], [0.75 * 4]]
    assert g.vector.tolist() == [0.25 * 1 * 1 + 0.75 * 4 * 3, 0.25 * 1 + 0.75 * 4]


def test_without_weights_each_example_has_the_same_share():
    g = fm.gradient(NET, X, Y, backend="hadamard:batch=example")
    assert g.cost == (0.5 + 8) / 2
    assert g.errors[0].tolist() == [[0.5], [2.0]]
