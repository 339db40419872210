"""What is special to Kronecker products: each example has a gradient of its own, also for the user."""

from __future__ import annotations

import bounds
import makers
import multiplications
import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import NotFinite, Refused, WrongShape
from formulations.operators import per_example_gradients


@pytest.fixture(params=["dense", "sparse"])
def net(request):
    return makers.network() if request.param == "dense" else makers.sparse_network()


def test_each_row_is_the_kronecker_product_of_error_and_activation():
    net = makers.network()
    X, Y = makers.data(net, 1)
    g = fm.gradient(net, X, Y, backend="kronecker")
    tape = net.forward(X, Y)
    for i, delta in enumerate(g.errors):
        assert np.array_equal(g.weights[i].ravel(), np.kron(delta[0], tape.activations[i][0]))


@pytest.mark.parametrize("cost", ["quadratic", "binary_cross_entropy"])
def test_each_row_is_the_gradient_of_its_example(net, cost):
    X, Y = makers.data(net)
    rows = per_example_gradients(net, X, Y, cost)
    assert rows.shape == (8, net.vector.size) and rows.dtype == net.dtype
    tape = net.forward(X, Y, cost=cost)
    for x in range(8):
        alone = fm.gradient(net, X[x : x + 1], Y[x : x + 1], cost, "kronecker")
        u = np.finfo(net.dtype).eps / 2
        # A product of matrices may sum a row among others in another order: γ_k of the sums of both, as in T1.
        steps = sum(net.sizes) + 2 * len(net.sizes)
        scale = np.max(np.abs(alone.vector)) + np.max(np.abs(tape.weighted_inputs[-1]))
        assert np.all(np.abs(rows[x] - alone.vector) <= 8 * steps * u * scale)


@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_rows_of_integers_are_exact_and_their_mean_is_the_gradient(dtype):
    net = fm.Network(
        [np.array([[1, -1], [2, 0]], dtype), np.array([[1, -2]], dtype)],
        [np.array([0, 1], dtype), np.array([1], dtype)],
        ["square", "identity"],
    )
    X, Y = np.array([[1, 1], [2, -1], [0, 3], [1, 0]]), np.array([[1], [0], [2], [-1]])
    rows = per_example_gradients(net, X, Y)
    for x in range(4):
        assert np.array_equal(rows[x], fm.gradient(net, X[x : x + 1], Y[x : x + 1]).vector)
    assert np.array_equal(rows.mean(axis=0), fm.gradient(net, X, Y).vector)
    assert rows.dtype == dtype


def test_a_mean_over_three_examples_leaves_no_trace_in_the_rows():
    # 1/3 is no float: rows that had been divided by m and multiplied again would not be the integers that they are.
    net = fm.Network([[[7.0]]], [[0.0]], "identity")
    assert per_example_gradients(net, [[1.0], [3.0], [5.0]], [[0.0]] * 3).tolist() == [[7, 7], [63, 21], [175, 35]]


def test_softmax_couples_the_neurons_and_not_the_examples():
    net = fm.Network.random([3, 4, 3], ["tanh", "softmax"], seed=0)
    X, Y = makers.data(net)
    rows = per_example_gradients(net, X, Y, backend="kronecker")
    changed = per_example_gradients(net, np.concatenate([X[:4], X[4:] + 1]), Y, backend="kronecker")
    assert np.array_equal(rows[:4], changed[:4])
    assert not np.array_equal(rows[4:], changed[4:])


def test_the_memory_is_predicted(net):
    plan = fm.prepare(net, 8, backend="kronecker")
    extra = fm.get_backend("kronecker").estimate(net, 8).bytes - fm.get_backend("hadamard").estimate(net, 8).bytes
    assert plan.tape.workspace.nbytes == extra


def test_predicted_multiplications_are_counted(monkeypatch):
    net = makers.network(sizes=(4, 5, 3, 2), activations=("sine", "sine", "sine"))
    backward = multiplications.counted(monkeypatch, net, *makers.data(net, 6), "kronecker")
    predicted = fm.get_backend("kronecker").estimate(net, 6)
    assert predicted.multiplications == backward + 6 * net.layout.weight_count


def test_rows_beyond_the_budget_are_refused():
    net = makers.network()
    X, Y = makers.data(net)
    with fm.use_budget(memory=1000), pytest.raises(Refused, match="the gradients of 8 examples by 43 parameters"):
        per_example_gradients(net, X, Y)


def test_bad_data_are_refused():
    net = makers.network()
    X, Y = makers.data(net)
    with pytest.raises(WrongShape, match="same number of examples"):
        per_example_gradients(net, X, Y[:3])
    huge = fm.Network([[[1e200]]], [[0.0]], "identity")
    with pytest.raises(NotFinite, match=r"∂C_x/∂weights\[0\]\[0, 0\] = inf for example 1"):
        per_example_gradients(huge, [[1.0], [1e200]], [[0.0], [0.0]])


def test_sparse_weights_and_negative_inputs():
    net = makers.sparse_network()
    X, Y = makers.data(net)
    assert (X < 0).any()
    mine, truth = (fm.gradient(net, X, Y, backend=name).vector for name in ("kronecker", "hadamard"))
    bound = 2 * bounds.propagated(net, X, Y).vector
    assert bounds.within(mine - truth, bound)
    assert bounds.within(fm.per_example_gradients(net, X, Y).mean(axis=0) - truth, bound)
