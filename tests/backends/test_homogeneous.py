"""What is special to homogeneous coordinates: ∂C/∂b is the last column of the product that gives ∂C/∂w."""

from __future__ import annotations

import bounds
import makers
import multiplications
import numpy as np
import pytest

import formulations as fm


def test_it_is_a_variant_of_hadamard():
    assert fm.get_backend("homogeneous").kind == "variant of hadamard"


@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_weights_and_biases_are_one_product(dtype):
    net = makers.network(sizes=(4, 5, 3, 2), activations=("tanh", "sigmoid", "sine"), dtype=dtype)
    X, Y = makers.data(net)
    plan = fm.prepare(net, 8, backend="homogeneous")
    g = plan(X, Y)
    for i, buffer in enumerate(plan.tape.workspace):
        assert np.array_equal(buffer.activations[:, -1], np.ones(8))
        assert np.array_equal(buffer.activations[:, :-1], plan.tape.activations[i])
        product = g.errors[i].T @ buffer.activations
        assert np.array_equal(g.weights[i], product[:, :-1])
        assert np.array_equal(g.biases[i], product[:, -1])


def test_the_errors_are_those_of_hadamard():
    net = makers.network(sizes=(4, 5, 3, 2), activations=("tanh", "sigmoid", "sine"))
    X, Y = makers.data(net)
    found, hadamard = (fm.gradient(net, X, Y, backend=each).errors for each in ("homogeneous", "hadamard"))
    assert all(np.array_equal(mine, other) for mine, other in zip(found, hadamard, strict=True))


def test_a_network_with_a_constant_unit_has_the_bias_among_its_weights():
    # The bias 3 written as the weight of a second input that is always 1.
    with_bias = fm.Network([[[2.0]]], [[3.0]], "square")
    with_unit = fm.Network([[[2.0, 3.0]]], [[0.0]], "square")
    g = fm.gradient(with_bias, [[1.0], [-1.0]], [[4.0], [0.0]], backend="homogeneous")
    h = fm.gradient(with_unit, [[1.0, 1.0], [-1.0, 1.0]], [[4.0], [0.0]])
    assert np.array_equal(np.append(g.weights[0], g.biases[0]), h.weights[0][0])


def test_of_sparse_weights_only_the_stored_entries_are_computed():
    net = makers.sparse_network()
    X, Y = makers.data(net)
    plan = fm.prepare(net, 8, backend="homogeneous")
    g = plan(X, Y)
    buffer, matrix = plan.tape.workspace[0], net.weights[0]
    assert buffer.gradient.shape == (matrix.nnz + 5,) and buffer.pattern.indices.max() == 4
    full = g.errors[0].T @ buffer.activations
    expected = np.append(full[:, :-1][net.layout.patterns[0].rows, matrix.indices], full[:, -1])
    found = np.append(g.weights[0].data, g.biases[0])
    # Two sums of the same 8 products, in two orders.
    scale = np.abs(g.errors[0]).T @ np.abs(buffer.activations)
    bound = np.append(scale[:, :-1][net.layout.patterns[0].rows, matrix.indices], scale[:, -1])
    assert (np.abs(found - expected) <= 2 * bounds.gamma(8, "float64") * bound).all()


def test_predicted_multiplications_are_counted(monkeypatch):
    net = makers.network(sizes=(4, 5, 3, 2), activations=("sine", "sine", "sine"))
    backward = multiplications.counted(monkeypatch, net, *makers.data(net, 6), "homogeneous")
    predicted = fm.get_backend("homogeneous").estimate(net, 6)
    assert predicted.multiplications == backward + 6 * net.layout.weight_count
    # One multiplication by 1 for each neuron and example.
    assert predicted.multiplications - fm.get_backend("hadamard").estimate(net, 6).multiplications == 6 * 10
