"""What is special to the Neumann series: synchronous sweeps, as many as there are hidden layers, and then exact."""

from __future__ import annotations

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends import neumann
from formulations.backends._shared.system import ErrorSystem


class CountedMatrix:
    """A matrix that remembers what it has been multiplied with."""

    def __init__(self, matrix):
        self.matrix, self.data, self.seen = matrix, matrix.data, []

    def __matmul__(self, delta):
        self.seen.append(delta.copy())
        return self.matrix @ delta


@pytest.fixture
def counted(monkeypatch):
    made = []

    def system(network, tape, which):
        found = ErrorSystem(network, tape, which)
        found.matrix = CountedMatrix(found.matrix)
        made.append(found.matrix)
        return found

    monkeypatch.setattr(neumann, "ErrorSystem", system)
    return made


@pytest.mark.parametrize("depth", range(1, 6))
def test_a_sweep_for_each_hidden_layer(counted, depth):
    net = makers.network(sizes=[3] * (depth + 1), activations=["tanh"] * depth)
    X, Y = makers.data(net)
    found = fm.gradient(net, X, Y, backend="neumann")
    (matrix,) = counted
    assert len(matrix.seen) == depth - 1
    entries = 8 * 9 * (depth - 1)
    expected = fm.get_backend("neumann").estimate(net, 8)
    assert expected.multiplications == 2 * 8 * 9 * depth + entries + len(matrix.seen) * entries + 8 * 3
    assert found.forward_passes == expected.forward_passes == 1


def test_after_s_sweeps_the_last_layers_are_final_and_the_others_zero(counted):
    net = makers.network(sizes=[3] * 5, activations=["tanh"] * 4)
    X, Y = makers.data(net, 1)
    g = fm.gradient(net, X, Y, backend="neumann")
    for s, delta in enumerate(counted[0].seen):
        layers = delta.reshape(4, 3)
        for i in range(4):
            assert np.array_equal(layers[i], g.errors[i][0] if i >= 3 - s else np.zeros(3))


def test_it_stops_when_nothing_changes(counted):
    net = makers.network(sizes=[3] * 6, activations=["tanh"] * 5)
    X, _ = makers.data(net)
    g = fm.gradient(net, X, net(X), backend="neumann")
    assert len(counted[0].seen) == 1
    assert not g.vector.any()


def test_it_is_a_variant():
    assert fm.get_backend("neumann").kind == "variant of back_substitution"
