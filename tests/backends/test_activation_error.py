"""What is special to ∂C/∂a: it is kept for the hidden layers, and does not know what a saturated neuron forgets."""

from __future__ import annotations

import makers
import multiplications
import numpy as np
import pytest

import formulations as fm


def test_it_is_a_variant_with_the_arithmetic_of_hadamard():
    assert fm.get_backend("activation_error").kind == "variant of hadamard"
    net = makers.network(sizes=(4, 5, 3, 2), activations=("tanh", "sigmoid", "sine"))
    X, Y = makers.data(net)
    found, hadamard = (fm.gradient(net, X, Y, backend=each) for each in ("activation_error", "hadamard"))
    assert np.array_equal(found.vector, hadamard.vector)


def test_the_workspace_holds_what_each_layer_hands_back():
    net = makers.network(sizes=(4, 5, 3, 2), activations=("tanh", "sigmoid", "sine"))
    plan = fm.prepare(net, 8, backend="activation_error")
    g = plan(*makers.data(net))
    buffers = plan.tape.workspace
    assert len(buffers) == 2
    for i, by_activation in enumerate(buffers):
        assert np.array_equal(by_activation, g.errors[i + 1] @ net.weights[i + 1])
        assert np.array_equal(by_activation * plan.tape.slopes[i], g.errors[i])


def test_a_dead_neuron_receives_an_error_that_its_z_does_not_have():
    net = fm.Network([[[-3.0]], [[2.0]]], [[0.0], [0.0]], ["relu", "identity"])
    plan = fm.prepare(net, 1, backend="activation_error")
    # a³ = 0 for the target 1: δ³ = −1, ∂C/∂a² = −2, and σ′ = 0.
    assert plan([[1.0]], [[1.0]]).errors[0].tolist() == [[0.0]]
    assert plan.tape.workspace[0].tolist() == [[-2.0]]


@pytest.mark.parametrize(
    "activations", [(makers.CUMULATIVE, "identity"), ("identity", makers.CUMULATIVE), ("square", makers.CUMULATIVE)]
)
def test_a_coupled_slope_acts_transposed(activations):
    net = fm.Network([[[1.0, 2.0], [3.0, -1.0]], [[2.0, 1.0], [0.0, 1.0]]], [[0.0, 1.0], [1.0, 0.0]], activations)
    X, Y = np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 3.0]])
    tape, g = net.forward(X, Y), fm.gradient(net, X, Y, backend="activation_error")
    first, last = (slope.blocks() if hasattr(slope, "blocks") else [*map(np.diag, slope)] for slope in tape.slopes)
    for x in range(2):
        delta = last[x].T @ tape.cost_gradient[x]
        assert np.array_equal(g.errors[1][x], delta)
        assert np.array_equal(g.errors[0][x], first[x].T @ net.weights[1].T @ delta)


def test_predicted_multiplications_are_counted(monkeypatch):
    net = makers.network(sizes=(4, 5, 3, 2), activations=("sine", "sine", "sine"))
    backward = multiplications.counted(monkeypatch, net, *makers.data(net, 6), "activation_error")
    predicted = fm.get_backend("activation_error").estimate(net, 6)
    assert predicted.multiplications == backward + 6 * net.layout.weight_count
    assert predicted.bytes - fm.get_backend("hadamard").estimate(net, 6).bytes == 6 * (5 + 3) * 8
