"""Jacobians of layers and of the parameters: arrays, plans, operators and the tangent kernel."""

from __future__ import annotations

import copy
import threading
import tracemalloc
from itertools import pairwise

import makers
import numpy as np
import pytest
from scipy.sparse import csr_array, issparse

import formulations as fm
from formulations.arrays import gamma, unit_roundoff
from formulations.backends import JacobianFactors

SIZES = [3, 4, 2, 5]


@pytest.fixture
def random():
    return np.random.default_rng(7)


def integer_network(dtype=float, *, sparse=False):
    """A network whose Jacobians are integers, so that nothing is rounded."""
    random = np.random.default_rng(1)
    weights = [random.integers(-2, 3, (n, below)).astype(dtype) for below, n in pairwise(SIZES)]
    if sparse:
        weights = [csr_array(w) for w in weights]
    return fm.Network(
        weights, [random.integers(-1, 2, n).astype(dtype) for n in SIZES[1:]], ["relu", "square", "identity"]
    )


def examples(m=4, dtype=float):
    return np.random.default_rng(2).integers(-2, 3, (m, 3)).astype(dtype)


def by_factors(net, X, of, wrt):
    tape, J = net.forward(X), None
    for l in range(wrt + 1, of + 1):
        weights = net.weights[l - 2]
        factor = tape.slopes[l - 2][:, :, None] * (weights.toarray() if issparse(weights) else weights)
        J = factor if J is None else factor @ J
    return J


PAIRS = [(of, wrt) for of in range(2, 5) for wrt in range(1, of)]


@pytest.mark.parametrize("order", ["optimal", "reverse", "forward"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("sparse", [False, True])
def test_the_jacobian_of_any_two_layers(order, dtype, sparse):
    net, X = integer_network(dtype, sparse=sparse), examples(dtype=dtype)
    for of, wrt in PAIRS:
        J = fm.jacobian(net, X, of, wrt, order)
        assert J.dtype == dtype
        assert np.array_equal(J, by_factors(net, X, of, wrt))


@pytest.mark.parametrize("backend", fm.list_backends())
@pytest.mark.parametrize("order", ["optimal", "reverse", "forward"])
def test_every_order_that_a_backend_takes_gives_the_same_matrix(backend, order):
    chosen, net, X = fm.get_backend(backend), integer_network(), examples()
    if reason := chosen.why_not_operator("jacobian", net, fm.functions.get_cost("quadratic")):
        with pytest.raises(fm.exceptions.Refused) as caught:
            fm.jacobian(net, X, order=order, backend=backend)
        assert reason in str(caught.value)
    elif order in ("optimal", *chosen.orders):
        found = fm.jacobian(net, X, order=order, backend=backend)
        expected = by_factors(net, X, 4, 1)
        assert found.shape == expected.shape
        if chosen.difference() is None and chosen.tier in (fm.Tier.RECURRENCE, fm.Tier.PRODUCT):
            assert np.array_equal(found, expected)
    else:
        with pytest.raises(fm.exceptions.Refused, match="pass order='optimal', or take another backend; backends"):
            fm.jacobian(net, X, order=order, backend=backend)


def test_a_plan_gives_the_jacobians_of_any_batch_that_fits():
    net = integer_network()
    plan = fm.prepare_jacobian(net, 6, of=4, wrt=2)
    for m in (6, 1, 4, 4, 6):
        X = examples(m)
        assert np.array_equal(plan(X), by_factors(net, X, 4, 2))


def test_a_plan_reads_the_parameters_of_the_present():
    net, X = integer_network(), examples()
    plan = fm.prepare_jacobian(net, 4)
    before = plan(X).copy()
    net.vector[...] *= 2
    assert not np.array_equal(plan(X), before)
    assert np.array_equal(plan(X), by_factors(net, X, 4, 1))


def test_a_plan_multiplies_into_its_own_memory(random):
    net = fm.Network.random([8, 30, 20, 40, 10], seed=0)
    X = random.standard_normal((400, 8))
    for order in ("optimal", "reverse", "forward"):
        plan = fm.prepare_jacobian(net, 400, order=order)
        first = plan(X)
        tracemalloc.start()
        try:
            second = plan(X)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert np.shares_memory(first, second)
        # NumPy's own buffers of 64 KiB, but none of the arrays: the smallest has 400 × 8 × 10 numbers.
        assert peak < 400 * 8 * 10 * 8


def test_a_result_of_jacobian_has_memory_of_its_own():
    net, X = integer_network(), examples()
    first = fm.jacobian(net, X)
    kept = first.copy()
    fm.jacobian(net, -X)
    assert np.array_equal(first, kept)


def test_a_plan_says_in_which_order_it_multiplies():
    net = fm.Network.random([784, 256, 64, 16, 64, 256, 784], seed=0)
    plan = fm.prepare_jacobian(net, 3)
    assert plan.brackets == "(J7(J6J5))((J4J3)J2)"
    assert plan.multiplications == JacobianFactors(net, 7, 1).multiplications(((0, (1, 2)), ((3, 4), 5)))
    assert fm.prepare_jacobian(net, 3, order="reverse").brackets == "((((J7J6)J5)J4)J3)J2"
    assert "order optimal, batch_size 3" in repr(plan)
    over = {line.split()[0]: float(line.split()[3]) for line in str(plan).splitlines()[2:] if "J7" in line}
    assert over["optimal"] == 1 < min(over["forward"], over["reverse"])
    other = fm.prepare_jacobian(net, 3, backend="sigma")
    assert other.brackets is other.multiplications is None
    assert "each call linearises the network anew" in str(other)


def test_a_plan_belongs_to_the_thread_that_called_it_first():
    net, X = integer_network(), examples()
    plan = fm.prepare_jacobian(net, 4)
    plan(X)
    caught = []

    def call():
        try:
            plan(X)
        except fm.exceptions.Refused as refused:
            caught.append(str(refused))
        caught.append(copy.copy(plan)(X).shape)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert "must be called by the thread that called it first" in caught[0]
    assert caught[1] == (4, 5, 3)


def test_a_plan_refuses_what_does_not_fit():
    plan = fm.prepare_jacobian(integer_network(), 4)
    with pytest.raises(fm.exceptions.StalePlan, match="at most 4 examples, got 5; prepare another"):
        plan(examples(5))
    with pytest.raises(fm.exceptions.WrongShape, match="3 columns"):
        plan(np.ones((2, 4)))


@pytest.mark.parametrize("function", [fm.jacobian, fm.jacobian_operator])
@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({"of": 5}, r"of must be a layer of the network 3-4-2-5, from 1 \(the input\) to 4 \(the output\), got 5"),
        ({"of": 0}, "of must be a layer"),
        ({"wrt": -1}, "wrt must be a layer"),
        ({"wrt": 1.0}, "wrt must be a layer .* got 1.0"),
        ({"wrt": True}, "wrt must be a layer .* got True"),
        ({"wrt": 4}, "of must be a layer above wrt, got of=4 and wrt=4"),
        ({"of": 2, "wrt": 3}, "of must be a layer above wrt, got of=2 and wrt=3"),
        ({"of": "output"}, "of must be a layer .* got 'output'"),
        ({"wrt": "weights"}, "wrt must be a layer .*got 'weights'"),
    ],
)
def test_layers_that_do_not_exist_or_stand_in_the_wrong_order(function, layers, message):
    with pytest.raises(fm.exceptions.InvalidInput, match=message):
        function(integer_network(), examples(), **layers)


def test_layers_may_be_numpy_integers():
    net, X = integer_network(), examples()
    assert np.array_equal(fm.jacobian(net, X, of=np.int64(3), wrt=np.int8(2)), by_factors(net, X, 3, 2))


def test_messages_name_the_remedy():
    net, X = integer_network(), examples()
    with pytest.raises(fm.exceptions.InvalidInput, match=r'jacobian_operator\(net, X, wrt="parameters"\)'):
        fm.jacobian(net, X, wrt="parameters")
    with pytest.raises(fm.exceptions.InvalidInput, match='pass "parameters" for all weights and biases'):
        fm.jacobian_operator(net, X, wrt="weights")
    with pytest.raises(fm.exceptions.UnknownName, match="unknown order 'backward'; valid names are optimal, reverse"):
        fm.jacobian(net, X, order="backward")
    with fm.use_budget(memory=100), pytest.raises(fm.exceptions.Refused, match=r"4 examples by 5 × 3 numbers must fit"):
        fm.jacobian(net, X)
    softmax = fm.Network.random([3, 4, 2], ["sigmoid", "softmax"], seed=0)
    with pytest.raises(
        fm.exceptions.Refused,
        match=r"the default backend 'hadamard' cannot compute the Jacobian of layer 3 of .*: it needs a slope for each "
        "neuron by itself, and softmax in layer 3 couples the neurons of its layer; backends that can: .*product",
    ):
        fm.jacobian(softmax, X)
    assert fm.jacobian(softmax, X, of=2).shape == (4, 4, 3)
    # What another backend can depends on the layer.
    below = fm.Network.random([3, 4, 2], ["identity", "tanh"], seed=0)
    for of, able in ((2, True), (3, False)):
        with pytest.raises(fm.exceptions.Refused, match="backends that can: ") as caught:
            fm.jacobian(below, X, of=of, backend="path_sum")
        assert (" linear," in str(caught.value)) == able


def test_an_infinite_jacobian_is_refused():
    net = fm.Network([[[1e200]], [[1e200]]], [[0.0], [0.0]], activations=["identity", "identity"])
    with pytest.raises(fm.exceptions.NotFinite, match="the Jacobian must be finite"):
        fm.jacobian(net, [[0.0]])


@pytest.mark.parametrize("sparse", [False, True])
def test_operators_of_layers_and_parameters_are_their_matrices(sparse):
    net, X = integer_network(sparse=sparse), examples()
    J = by_factors(net, X, 4, 2)
    layer = fm.jacobian_operator(net, X, wrt=2)
    dense = layer.to_dense()
    for x in range(4):
        assert np.array_equal(dense[5 * x : 5 * x + 5, 4 * x : 4 * x + 4], J[x])
    assert np.count_nonzero(dense) == np.count_nonzero(J)
    parameters = [fm.jacobian_operator(net, X, of=of, wrt="parameters") for of in (3, 4)]
    for operator in (layer, *parameters):
        dense = operator.to_dense()
        assert np.array_equal(operator @ np.eye(operator.shape[1]), dense)
        assert np.array_equal(operator.T @ np.eye(operator.shape[0]), dense.T)


def test_coupled_slopes_that_are_not_symmetric_are_transposed_in_the_matrices_of_the_parameters():
    random = np.random.default_rng(3)
    weights = [random.integers(-2, 3, (n, below)).astype(float) for below, n in pairwise([2, 3, 3])]
    net = fm.Network(weights, [np.ones(3)] * 2, [makers.NEIGHBOURS, makers.NEIGHBOURS])
    J = fm.jacobian_operator(net, random.integers(-1, 2, (2, 2)), wrt="parameters", backend="sigma")
    dense = J @ np.eye(J.shape[1])
    assert np.array_equal(J.to_dense(), dense)
    assert np.array_equal(J.tangent_kernel().to_dense(), dense @ dense.T)


@pytest.mark.parametrize("wrt", [1, 2, "parameters"])
def test_the_dot_test(wrt, random):
    net, X = integer_network(), examples()
    A = fm.jacobian_operator(net, X, wrt=wrt)
    u, v = (random.integers(-2, 3, n).astype(float) for n in A.shape)
    assert u @ (A @ v) == (A.T @ u) @ v


def test_many_directions_are_taken_in_blocks(monkeypatch, random):
    net, X = integer_network(), examples()
    A = fm.jacobian_operator(net, X, wrt="parameters")
    V = random.integers(-2, 3, (A.shape[1], 7)).astype(float)
    expected, sizes, push = A @ V, [], A.linearization.push
    monkeypatch.setattr("formulations.operators.jacobian_operators.BLOCK", 3 * 4 * 5)
    monkeypatch.setattr(A.linearization, "push", lambda v, of, wrt: sizes.append(len(v)) or push(v, of, wrt))
    assert np.array_equal(A @ V, expected)
    assert sizes == [3, 3, 1]


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("of", [2, 4])
def test_the_tangent_kernel_is_the_product_of_the_jacobian_with_its_transpose(sparse, of, monkeypatch):
    net, X = integer_network(sparse=sparse), examples()
    J = fm.jacobian_operator(net, X, of=of, wrt="parameters")
    K, dense = J.tangent_kernel(), J.to_dense()
    assert K.T is K
    assert K.shape == (4 * net.sizes[of - 1],) * 2
    assert np.array_equal(K.to_dense(), dense @ dense.T)
    assert np.array_equal(K @ np.eye(K.shape[0]), dense @ dense.T)
    assert np.array_equal(K.T @ np.eye(K.shape[0]), dense @ dense.T)
    # The stored weights of a sparse layer are taken in blocks.
    monkeypatch.setattr("formulations.operators.jacobian_operators.BLOCK", 1)
    assert np.array_equal(K.to_dense(), dense @ dense.T)
    net.vector[0] += 1
    for stale in (K.to_dense, J.to_dense):
        with pytest.raises(fm.exceptions.StalePlan):
            stale()


def test_a_tangent_kernel_needs_the_parameters():
    with pytest.raises(fm.exceptions.InvalidInput, match="got wrt=1; make it with"):
        fm.jacobian_operator(integer_network(), examples()).tangent_kernel()


def test_the_operator_takes_the_memory_of_a_tape(random):
    net, m = fm.Network.random([50, 100, 100, 10], seed=0), 200
    X = random.standard_normal((m, 50))
    A = fm.jacobian_operator(net, X, wrt="parameters")
    v, u = np.ones(A.shape[1]), np.ones(A.shape[0])
    tape = m * sum(net.sizes) * 8 * 3
    tracemalloc.start()
    try:
        A @ v, A.T @ u, A.tangent_kernel() @ u
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The Jacobian itself would take 2,000 × 16,210 numbers, and the kernel 2,000 × 2,000.
    assert peak < 2 * tape


@pytest.mark.parametrize("cost", ["quadratic", "binary_cross_entropy"])
def test_the_input_gradient_is_the_error_of_layer_two_through_its_weights(cost, random):
    net = fm.Network.random([3, 4, 2], seed=0)
    X, Y = random.standard_normal((4, 3)), random.integers(0, 2, (4, 2)).astype(float)
    for weight in (None, [1.0, 0.0, 2.0, 1.0]):
        found = fm.input_gradient(net, X, Y, cost, sample_weight=weight)
        gradient = fm.gradient(net, X, Y, cost, sample_weight=weight)
        assert np.array_equal(found, gradient.errors[0] @ net.weights[0])
    assert not found[1].any()


@pytest.mark.parametrize("backend", fm.list_backends())
def test_every_backend_computes_the_input_gradient_or_says_why_not(backend):
    makers.skip_absent(backend)
    plain, X = integer_network(), examples()
    net = fm.Network(plain.weights, plain.biases, ["square", "identity", "identity"])
    Y = np.random.default_rng(3).integers(-2, 3, (4, 5)).astype(float)
    chosen = fm.get_backend(backend)
    if reason := chosen.why_not_operator("input_gradient", net, fm.functions.get_cost("quadratic")):
        with pytest.raises(fm.exceptions.Refused) as caught:
            fm.input_gradient(net, X, Y, backend=backend)
        assert reason in str(caught.value)
        return
    found, expected = fm.input_gradient(net, X, Y, backend=backend), fm.input_gradient(net, X, Y)
    assert np.array_equal(expected, fm.gradient(net, X, Y).errors[0] @ net.weights[0])
    # With shares of 1/4 the right one has multiples of 1/4, and a difference quotient is far nearer than 1/8.
    assert np.array_equal(found if chosen.difference() is None else np.rint(4 * found) / 4, expected)


@pytest.mark.parametrize("order", ["reverse", "forward", "optimal"])
def test_product_multiplies_vectors_in_any_brackets(order):
    net, X = integer_network(), examples()
    for wrt in (1, 2, "parameters"):
        A = fm.jacobian_operator(net, X, wrt=wrt, backend=f"product:order={order}")
        expected = fm.jacobian_operator(net, X, wrt=wrt).to_dense()
        assert np.array_equal(A.to_dense(), expected)
        assert np.array_equal(A @ np.eye(A.shape[1]), expected)
        assert np.array_equal(A.T @ np.eye(A.shape[0]), expected.T)


@pytest.mark.parametrize(("sizes", "method"), [([3, 4, 5], "push"), ([5, 4, 3], "pull")])
def test_the_optimal_order_has_the_fewer_unit_vectors(sizes, method, monkeypatch):
    net = fm.Network.random(sizes, "tanh", seed=0)
    A, called = fm.jacobian_operator(net, np.ones((1, sizes[0])), backend="sigma"), []
    multiply = getattr(A.linearization, method)
    monkeypatch.setattr(A.linearization, method, lambda v, *given: called.append(len(v)) or multiply(v, *given))
    A.linearization.jacobian(3, 1)
    assert called == [3]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("order", ["reverse", "forward", "optimal"])
def test_product_forms_matrices_only_if_the_order_starts_at_the_other_end(order, transposed):
    n = 150
    net = fm.Network.random([n] * 4, "tanh", seed=0)
    A = fm.jacobian_operator(net, np.ones((1, n)), backend=f"product:order={order}")
    multiply, v = A.rmatvec if transposed else A.matvec, np.ones(n)
    multiply(v)
    tracemalloc.start()
    try:
        multiply(v)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (peak > 8 * n * n) == (order == ("forward" if transposed else "reverse"))


@pytest.mark.parametrize("order", ["reverse", "forward", "optimal"])
def test_product_multiplies_coupled_slopes_in_any_brackets(order, random):
    net, X = fm.Network.random([3, 4, 2, 5], ["tanh", "softmax", "softmax"], seed=0), examples()
    A = fm.jacobian_operator(net, X, backend=f"product:order={order}")
    B = fm.jacobian_operator(net, X, backend="sigma")
    tape, absolute = net.forward(X), 1.0
    for l in (2, 3, 4):
        z, a, weights = tape.weighted_inputs[l - 2], tape.activations[l - 1], np.abs(net.weights[l - 2])
        slope = tape.slopes[l - 2][:, :, None] * np.eye(4) if l == 2 else net.activations[l - 2].magnitude(z, a)
        absolute = np.abs(slope) @ weights @ absolute if l > 2 else np.abs(slope) @ weights
    # T2: each of the two sides rounds at most 2(n + 2) times in every layer, and k = 2 vectors change nothing.
    rounded = 2 * gamma(2 * (3 + 4 + 2 + 5 + 8), unit_roundoff(float)) * absolute
    V, U = (random.integers(-2, 3, (n, 2)).astype(float) for n in A.shape[::-1])
    for mine, its, bound in (
        (A @ V, B @ V, np.einsum("mij,mjk->mik", rounded, np.abs(V).reshape(4, 3, 2))),
        (A.T @ U, B.T @ U, np.einsum("mij,mik->mjk", rounded, np.abs(U).reshape(4, 5, 2))),
    ):
        assert (np.abs(mine - its) <= bound.reshape(-1, 2)).all()
