"""What is special to back substitution: one triangular system for all layers and examples, filled at each call."""

from __future__ import annotations

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.backends._shared import system
from formulations.exceptions import Refused


def systems(net, m=2):
    """Return the filled matrix I − U of a plan, and the errors that it gave."""
    X, Y = makers.data(net, m)
    plan = fm.prepare(net, m, backend="back_substitution")
    g = plan(X, Y)
    # The solver leaves zeros on the diagonal, which it knows to be ones.
    matrix = plan.tape.workspace.matrix.toarray()
    np.fill_diagonal(matrix, 1)
    return matrix, g, plan.tape


def test_the_system_is_block_diagonal_and_unit_upper_triangular():
    net = makers.network(sizes=(3, 4, 2, 3), activations=("tanh", "sigmoid", "sine"))
    matrix, _, tape = systems(net)
    n = net.layout.neuron_count
    assert matrix.shape == (2 * n, 2 * n)
    assert np.array_equal(matrix, np.triu(matrix))
    assert not matrix[:n, n:].any()
    for x in range(2):
        block = matrix[x * n : (x + 1) * n, x * n : (x + 1) * n]
        assert np.array_equal(block[:4, 4:6], -(tape.slopes[0][x][:, None] * net.weights[1].T))
        assert np.array_equal(block[4:6, 6:], -(tape.slopes[1][x][:, None] * net.weights[2].T))
        assert not block[:4, 6:].any()


@pytest.mark.parametrize("coupled", ["cumulative", "softmax"])
def test_a_coupled_block_is_transposed(coupled):
    activation = makers.CUMULATIVE if coupled == "cumulative" else coupled
    net = makers.network("tangent", sizes=(3, 4, 2), activations=(activation, "tanh"))
    matrix, _, tape = systems(net, 1)
    block = tape.slopes[0].blocks()[0]
    # softmax forms a(v − aᵀv): four roundings and a sum over the layer.
    size = np.abs(net.weights[1]) @ tape.network.activations[0].magnitude(tape.slopes[0].z, tape.slopes[0].a)[0]
    bound = 2 * (4 + 6) * np.finfo(float).eps / 2 * size.T
    assert (np.abs(matrix[:4, 4:] + block.T @ net.weights[1].T) <= bound).all()


@pytest.mark.parametrize(("block", "products"), [(1, 5), (2 * 3 * 4, 3), (5 * 3 * 4, 1)])
def test_a_product_with_a_coupled_slope_serves_as_many_rows_of_weights_as_fit_a_block(monkeypatch, block, products):
    monkeypatch.setattr(system, "BLOCK", block)
    taken = []

    def transposed(Z, V):
        taken.append(len(V))
        return Z * np.cumsum(V[:, ::-1], axis=1)[:, ::-1]

    squares = fm.coupled_activation(
        lambda Z: np.cumsum(Z * Z / 2, axis=1), lambda Z, V: np.cumsum(Z * V, axis=1), transposed, name="squares"
    )
    net = makers.network("back_substitution", sizes=(2, 4, 5), activations=(squares, "tanh"))
    tape = net.forward(*makers.data(net, 3))
    filled = system.ErrorSystem(net, tape, "U")
    taken.clear()
    filled.fill_matrix(net, tape)
    assert len(taken) == products and sum(taken) == 3 * 5
    matrix = filled.matrix.toarray()
    for x in range(3):
        found = matrix[9 * x : 9 * x + 4, 9 * x + 4 : 9 * x + 9]
        assert np.array_equal(found, transposed(tape.weighted_inputs[0][x], net.weights[1]).T)


def test_integers_through_a_slope_that_is_not_symmetric():
    net = fm.Network([np.array([[1.0, 2], [3, -1], [0, 2]]), np.array([[1.0, -2, 3]])], [np.ones(3), [1.0]],
                     [makers.CUMULATIVE, "square"])  # fmt: skip
    X, Y = np.array([[1.0, 2], [3, 0]]), np.array([[1.0], [2]])
    expected = fm.gradient(net, X, Y, backend="sigma").vector
    for name in ("back_substitution", "neumann", "tangent"):
        assert np.array_equal(fm.gradient(net, X, Y, backend=name).vector, expected), name


def test_sparse_weights_leave_their_holes():
    net = makers.sparse_network()
    deep = fm.Network([np.ones((4, 2)), *net.weights], [np.ones(4), *net.biases], "tanh")
    plan = fm.prepare(deep, 3, backend="back_substitution")
    plan(*makers.data(deep, 3))
    stored = sum(part.stop - part.start for part, _ in deep.layout.slices[1:])
    assert stored < 4 * 5 + 5 * 3
    assert plan.tape.workspace.matrix.nnz == 3 * (stored + deep.layout.neuron_count)


def test_the_pattern_is_made_once():
    net = makers.network()
    plan = fm.prepare(net, 8, backend="back_substitution")
    X, Y = makers.data(net)
    first = plan(X, Y).vector.copy()
    system = plan.tape.workspace
    data = system.matrix.data
    plan(2 * X, Y)
    assert plan.tape.workspace is system
    assert system.matrix.data is data
    assert np.array_equal(plan(X, Y).vector, first)


def test_predicted_multiplications_follow_the_entries():
    net = makers.network(sizes=(4, 5, 3, 2), activations=("tanh", "sigmoid", "sine"))
    plan = fm.prepare(net, 8, backend="back_substitution")
    g = plan(*makers.data(net))
    entries = plan.tape.workspace.matrix.nnz - 8 * net.layout.neuron_count
    P = net.layout.weight_count
    # Forward and (BP4), filling and solving, and (BP1).
    expected = fm.get_backend("back_substitution").estimate(net, 8)
    assert expected.multiplications == 2 * 8 * P + 2 * entries + 8 * 2
    assert f"{entries:,} entries" in expected.detail
    assert g.forward_passes == expected.forward_passes == 1


@pytest.mark.skipif(np.dtype("longdouble") == np.dtype("float64"), reason="longdouble is float64 here")
def test_longdouble_is_refused_with_the_reason():
    net = makers.network(dtype="longdouble")
    with pytest.raises(Refused, match="it needs float32 or float64, and this network has longdouble"):
        fm.prepare(net, 1, backend="back_substitution")
    assert fm.which(net)["neumann"] is None
