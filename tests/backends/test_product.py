"""What is special to the product: it starts again for every layer, and still equals the recurrence."""

from __future__ import annotations

import itertools

import bounds
import makers
import multiplications
import numpy as np
import pytest

import formulations as fm

ORDERS = [flag for flag in makers.FLAGS if flag.startswith("product") and "batch" not in flag]


def test_there_are_three_orders():
    assert ORDERS == ["product", "product:order=forward", "product:order=optimal"]


@pytest.mark.parametrize("flag", ORDERS)
@pytest.mark.parametrize("depth", range(1, 7))
def test_it_equals_the_recurrence_at_every_depth(depth, flag):
    activations = ["tanh", "sigmoid", "sine"] * 2
    net = makers.network(activations=activations[:depth], sizes=[4, 5, 3, 5, 2, 4, 3][: depth + 1])
    X, Y = makers.data(net)
    product, recurrence = (fm.gradient(net, X, Y, backend=each) for each in (flag, "hadamard"))
    tape = net.forward(X, Y)
    constant = bounds.path_constant(net, len(X))
    for i, absolute in enumerate(bounds.absolute_errors(net, tape)):
        assert bounds.within(product.errors[i] - recurrence.errors[i], 2 * constant * absolute)
        scale = absolute.T @ np.abs(tape.activations[i])
        assert bounds.within(product.weights[i] - recurrence.weights[i], 2 * constant * scale)


@pytest.mark.parametrize("flag", ORDERS)
def test_equation_35_written_out(flag):
    net = makers.network(sizes=(4, 5, 3, 2), activations=("tanh", "sigmoid", "sine"))
    X, Y = makers.data(net, 1)
    tape, g = net.forward(X, Y), fm.gradient(net, X, Y, backend=flag)
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
        product, recurrence = (fm.get_backend(name).estimate(net, 10) for name in ("product", "hadamard"))
        extra.append(product.multiplications - recurrence.multiplications)
    # For L = 8, (L−1)(L−2)/2 products of width 20 instead of L − 2, each with a Hadamard product.
    assert extra == [0, 10 * 15 * (400 + 20)]


def test_predicted_forward_passes_are_counted():
    net = makers.network()
    g = fm.gradient(net, *makers.data(net), backend="product")
    assert g.forward_passes == fm.get_backend("product").estimate(net, 8).forward_passes == 1


@pytest.mark.parametrize("flag", ORDERS)
@pytest.mark.parametrize("sizes", [(4, 3), (4, 5, 3, 2), (4, 1, 5, 2, 4, 1, 3), (2, 1, 6, 2, 6)])
def test_predicted_multiplications_are_counted(monkeypatch, flag, sizes):
    net = makers.network(sizes=sizes, activations=["sine"] * (len(sizes) - 1))
    backward = multiplications.counted(monkeypatch, net, *makers.data(net, 6), flag)
    predicted = fm.get_backend(flag).estimate(net, 6)
    assert predicted.multiplications == backward + 6 * net.layout.weight_count
    assert (
        f"{predicted.multiplications // 6 - 2 * net.layout.weight_count} multiplications an example" in predicted.detail
    )


def test_with_a_vector_at_its_end_no_brackets_beat_those_from_the_right():
    for sizes in itertools.product((1, 2, 7, 20), repeat=4):
        net = fm.Network.random([2, *sizes], "tanh", seed=0)
        reverse, forward, optimal = (fm.get_backend(flag).estimate(net, 5).multiplications for flag in ORDERS)
        assert reverse == optimal, sizes
        # From the left, each matrix is scaled once for all δ: among single neurons that can save a few.
        assert reverse <= forward or 1 in sizes, sizes


def test_the_optimal_order_of_a_gradient_gives_the_bits_of_the_reverse_one():
    net = makers.network(sizes=(4, 5, 1, 3, 2), activations=("tanh", "sigmoid", "sine", "tanh"))
    X, Y = makers.data(net)
    reverse, optimal = (fm.gradient(net, X, Y, backend=ORDERS[i]).vector for i in (0, 2))
    assert np.array_equal(reverse, optimal)


def test_the_order_from_the_left_has_matrices_in_memory():
    net = fm.Network.random([2, 30, 30, 30], "tanh", seed=0)
    reverse, forward, _ = (fm.get_backend(flag).estimate(net, 5) for flag in ORDERS)
    assert forward.bytes - reverse.bytes == 5 * 8 * (2 * 900 + 3 * 900)


@pytest.mark.parametrize("flag", ORDERS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_coupled_slope_acts_transposed(flag, place):
    activations = ["square", "identity", "square"]
    activations[place] = fm.coupled_activation(
        lambda Z: np.cumsum(Z, axis=1),
        lambda _, V: np.cumsum(V, axis=1),
        lambda _, V: np.cumsum(V[:, ::-1], axis=1)[:, ::-1],
        name="cumulative",
    )
    weights = [[[1, 2], [3, -1], [0, 1]], [[2, 1, 0], [0, 1, -1]], [[1, 0], [-1, 2], [1, 1]]]
    net = fm.Network(weights, [[0, 1, 0], [1, 0], [0, 0, 1]], activations)
    X, Y = np.array([[1, -1], [2, 0]]), np.array([[0, 1, 0], [1, 3, 2]])
    tape, g = net.forward(X, Y), fm.gradient(net, X, Y, backend=flag)
    for x in range(2):
        sigma = [slope.blocks()[x] if hasattr(slope, "blocks") else np.diag(slope[x]) for slope in tape.slopes]
        delta = sigma[-1].T @ tape.cost_gradient[x]
        for i in (1, 0):
            delta = sigma[i].T @ net.weights[i + 1].T @ delta
            assert np.array_equal(g.errors[i][x], delta)


def test_sparse_weights_in_every_order():
    net = makers.sparse_network()
    X, Y = makers.data(net)
    reference = fm.gradient(net, X, Y).vector
    for flag in ORDERS:
        assert bounds.within(
            fm.gradient(net, X, Y, backend=flag).vector - reference, 2 * bounds.propagated(net, X, Y).vector
        )
