"""What is special to the product: it starts anew for every layer, and still equals the recurrence."""

from __future__ import annotations

import bounds
import makers
import numpy as np
import pytest

import formulations as fm


@pytest.mark.parametrize("depth", range(1, 7))
def test_it_equals_the_recurrence_at_every_depth(depth):
    activations = ["tanh", "sigmoid", "sine"] * 2
    net = makers.network(activations=activations[:depth], sizes=[4, 5, 3, 5, 2, 4, 3][: depth + 1])
    X, Y = makers.data(net)
    product, recurrence = (fm.gradient(net, X, Y, backend=each) for each in ("product", "hadamard"))
    tape = net.forward(X, Y)
    constant = bounds.path_constant(net, len(X))
    for i, absolute in enumerate(bounds.absolute_errors(net, tape)):
        assert bounds.within(product.errors[i] - recurrence.errors[i], 2 * constant * absolute)
        scale = absolute.T @ np.abs(tape.activations[i])
        assert bounds.within(product.weights[i] - recurrence.weights[i], 2 * constant * scale)


def test_equation_35_written_out():
    net = makers.network(sizes=(4, 5, 3, 2), activations=("tanh", "sigmoid", "sine"))
    X, Y = makers.data(net, 1)
    tape, g = net.forward(X, Y), fm.gradient(net, X, Y, backend="product")
    sigma2, sigma3, sigma4 = (np.diag(slopes[0]) for slopes in tape.slopes)
    written = sigma2 @ net.weights[1].T @ sigma3 @ net.weights[2].T @ sigma4 @ tape.cost_gradient[0]
    constant = bounds.path_constant(net, 1)
    assert bounds.within(g.errors[0][0] - written, 2 * constant * bounds.absolute_errors(net, tape)[0][0])


@pytest.mark.parametrize("cost", makers.COST_NAMES)
def test_every_layer_has_memory_of_its_own(cost):
    net = makers.network(sizes=(3, 3, 3, 3), activations=("tanh", "tanh", "sigmoid"))
    g = fm.gradient(net, *makers.data(net), cost=cost, backend="product")
    for i, delta in enumerate(g.errors):
        assert not any(np.shares_memory(delta, other) for other in g.errors[:i])


def test_it_is_predicted_to_cost_more_than_the_recurrence_when_deep():
    shallow, deep = (fm.Network.random([20] * layers, seed=0) for layers in (3, 8))
    extra = []
    for net in (shallow, deep):
        product, recurrence = (fm.get_backend(name).predict(net, 10) for name in ("product", "hadamard"))
        extra.append(product.multiplications - recurrence.multiplications)
    # L(L−1)/2 products of width 20 instead of L − 1, and as many Hadamard products on top.
    assert extra[0] == 10 * 20
    assert extra[1] == 10 * (15 * 400 + 21 * 20)


def test_predicted_forward_passes_are_counted():
    net = makers.network()
    g = fm.gradient(net, *makers.data(net), backend="product")
    assert g.forward_passes == fm.get_backend("product").predict(net, 8).forward_passes == 1
