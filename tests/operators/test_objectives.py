"""The cost as SciPy's optimizers take it: its derivatives, what it computes once, and the optimizers themselves."""

from __future__ import annotations

import pickle
import sys
import threading

import bounds
import makers
import numpy as np
import pytest
from scipy.optimize import least_squares, minimize

import formulations as fm
from formulations.exceptions import InvalidInput, NotFinite, Refused, UnknownName, WrongShape, WrongType
from formulations.functions import get_cost

DTYPES = ("float32", "float64")
COMPILED = ("autodiff_torch", "autodiff_jax", "fused")
BACKENDS = [pytest.param(name, marks=[pytest.mark.slow] * (name in COMPILED)) for name in fm.list_backends()]


def on_weights(net):
    """1 for the weights, 0 for the biases."""
    mask = np.zeros(net.layout.count)
    for weights, _ in net.layout.slices:
        mask[weights] = 1
    return mask


def elsewhere(net, seed=5):
    return net.vector + np.random.default_rng(seed).normal(scale=0.1, size=net.vector.size)


@pytest.mark.parametrize("make", [makers.network, makers.sparse_network])
@pytest.mark.parametrize("dtype", makers.DTYPES)
@pytest.mark.parametrize("cost", ["quadratic", "binary_cross_entropy"])
def test_its_values_are_those_of_the_gradient_and_the_penalty(cost, dtype, make):
    net = make(dtype=dtype)
    X, Y = makers.data(net)
    o = fm.objective(net, X, Y, cost, l2=0.25)
    v = elsewhere(net).astype(float)
    at = o.network(v)
    assert at.dtype == net.dtype and np.array_equal(at.vector, v.astype(dtype))
    expected = fm.gradient(at, X, Y, cost)
    penalty = on_weights(net) * v
    assert o.fun(v) == float(expected.cost) + 0.125 * float(np.dot(penalty[penalty != 0], penalty[penalty != 0]))
    assert np.array_equal(o.jac(v), expected.vector.astype(float) + 0.25 * penalty)
    both = o.fun_and_jac(v)
    assert both[0] == o.fun(v) and np.array_equal(both[1], o.jac(v))
    assert type(o.fun(v)) is float and o.jac(v).dtype == o.x0.dtype == float
    assert np.array_equal(o.x0, net.vector.astype(float))


@pytest.mark.parametrize("make", [makers.network, makers.sparse_network])
@pytest.mark.parametrize("dtype", DTYPES)
def test_its_hessian_is_that_of_the_cost_and_the_penalty(dtype, make):
    net = make(dtype=dtype)
    X, Y = makers.data(net)
    o = fm.objective(net, X, Y, l2=0.25)
    v, p = elsewhere(net).astype(float), elsewhere(net, 6).astype(float)
    expected = (fm.hessian(o.network(v), X, Y) @ p).astype(float) + 0.25 * on_weights(net) * p
    assert np.array_equal(o.hessp(v, p), expected)
    assert np.array_equal(o.hess(v) @ p, expected) and np.array_equal(o.hess(v).T @ p, expected)
    assert o.hess(v).shape == (net.vector.size,) * 2
    assert o.hess(v).dtype == o.hessp(v, p).dtype == (o.hess(v) @ p).dtype == float
    # The derivative of the gradient along p: the error of a central difference falls by 4 if its step is halved.
    if dtype == "float64":
        errors = [np.abs((o.jac(v + h * p) - o.jac(v - h * p)) / (2 * h) - expected).max() for h in (1e-2, 5e-3)]
        assert 3.5 < errors[0] / errors[1] < 4.5


@pytest.mark.parametrize("exponent", [-900, -200, 200, 900])
def test_directions_beyond_float32_have_products(exponent):
    net = makers.network().astype("float32")
    X, Y = makers.data(net)
    o = fm.objective(net, X, Y, l2=0.25)
    p = elsewhere(net, 6).astype(float)
    far = np.ldexp(p, exponent)
    # Multiplication by a power of two rounds nothing.
    assert np.array_equal(o.hessp(o.x0, far), np.ldexp(o.hessp(o.x0, p), exponent))
    assert np.array_equal(o.hess(o.x0) @ far, np.ldexp(o.hess(o.x0) @ p, exponent))
    J = o.residual_jacobian(o.x0)
    assert np.array_equal(J @ far, np.ldexp(J @ p, exponent))
    u = np.arange(1.0, J.shape[0] + 1)
    assert np.array_equal(J.T @ np.ldexp(u, exponent), np.ldexp(J.T @ u, exponent))
    assert not o.hessp(o.x0, 0 * p).any()


def test_the_penalty_is_that_of_sgd():
    net = makers.network()
    X, Y = makers.data(net)
    o = fm.objective(net, X, Y, l2=0.5)
    trained = net.copy()
    fm.sgd(trained, X, Y, epochs=1, batch_size=8, learning_rate=1.0, l2=0.5, seed=0)
    # One step of size 1 over all examples, in another order.
    bound = 2 * bounds.propagated(net, X, Y).vector + bounds.gamma(8, "float64") * (
        np.abs(net.vector) + np.abs(o.jac(o.x0))
    )
    assert bounds.within(net.vector - trained.vector - o.jac(o.x0), bound)


@pytest.mark.parametrize("flag", BACKENDS)
def test_every_formulation_serves_it(flag):
    makers.skip_absent(flag)
    net = makers.network(flag)
    X, Y = makers.data(net)
    o = fm.objective(net, X, Y, backend=flag)
    v, p = elsewhere(net), elsewhere(net, 6)
    expected = fm.gradient(o.network(v), X, Y, backend=flag)
    bound = 2 * bounds.propagated(o.network(v), X, Y).cost
    assert abs(o.fun(v) - expected.cost) <= bound
    assert np.array_equal(o.jac(v), expected.vector)
    if fm.get_backend(flag).why_not_operator("hessian", net, get_cost("quadratic")):
        with pytest.raises(Refused) as reason:
            fm.hessian(net, X, Y, backend=flag)
        for call in (lambda: o.hessp(v, p), lambda: o.hess(v)):
            with pytest.raises(Refused) as found:
                call()
            assert str(found.value) == str(reason.value)
        return
    hessian = fm.hessian(o.network(v), X, Y, backend=flag)
    product = o.hessp(v, p)
    assert np.array_equal(product, hessian @ p)
    # What else is computed at the place does not change it.
    o.jac(v)
    assert np.array_equal(o.hessp(v, p), product)
    assert np.array_equal(o.residuals(v), fm.objective(net, X, Y, backend=flag).residuals(v))


def test_one_forward_pass_serves_all_at_the_same_vector():
    net = makers.network()
    o = fm.objective(net, *makers.data(net))
    v, p = elsewhere(net), elsewhere(net, 6)
    o.fun(v), o.jac(v), o.hessp(v, p), o.hessp(v, 2 * p), o.fun_and_jac(v), o.residuals(v), o.hess(v) @ p
    o.residual_jacobian(v) @ p
    o.fun(v.copy()), o.fun(v.tolist()), o.fun(v[:, None])
    work = o.work
    assert (work.forward_passes, work.backward_passes) == (1, 1)
    assert (work.hessian_products, work.jacobian_products) == (3, 1)


def test_a_rejected_step_is_taken_back_without_a_pass():
    net = makers.network()
    X, Y = makers.data(net)
    o = fm.objective(net, X, Y)
    v, p = elsewhere(net), elsewhere(net, 6)
    product, gradient = o.hessp(v, p), o.jac(v)
    o.fun(v + 1)
    assert np.array_equal(o.hessp(v, p), product) and np.array_equal(o.jac(v), gradient)
    o.fun(v + 2)
    assert o.work.forward_passes == 3
    assert np.array_equal(o.hessp(v, p), product) and o.work.forward_passes == 3
    # The oldest has made way.
    assert np.array_equal(o.hessp(v + 1, p), fm.objective(net, X, Y).hessp(v + 1, p))
    assert o.work.forward_passes == 4
    # It has gone where the derivatives of another place had been kept.
    assert np.array_equal(o.hessp(v + 3, p), fm.objective(net, X, Y).hessp(v + 3, p))


def test_a_vector_that_changes_in_place_is_another_one():
    net = makers.network()
    o = fm.objective(net, *makers.data(net))
    v = o.x0
    before = o.fun(v), o.jac(v)
    v *= 2
    assert o.fun(v) != before[0]
    v /= 2
    kept = o.jac(v)
    kept[...] = 0
    assert np.array_equal(o.jac(v), before[1])


@pytest.mark.parametrize("operator", ["hess", "residual_jacobian"])
def test_an_operator_stays_that_of_its_place(operator):
    net = makers.network()
    X, Y = makers.data(net)
    o = fm.objective(net, X, Y, l2=0.1)
    v, p = elsewhere(net), elsewhere(net, 6)
    A = getattr(o, operator)(v)
    product, transposed = A @ p, A.T @ (A @ p)
    others = [v + k for k in range(1, 5)]
    kept = [getattr(o, operator)(w) for w in others]
    for w in others:
        o.jac(w)
    assert np.array_equal(A @ p, product) and np.array_equal(A.T @ (A @ p), transposed)
    assert not np.array_equal(kept[0] @ p, product)


@pytest.mark.parametrize("l2", [0.0, 0.25])
@pytest.mark.parametrize("dtype", DTYPES)
def test_residuals_have_the_cost_as_half_their_squares(dtype, l2):
    net = makers.network(dtype=dtype)
    X, Y = makers.data(net)
    weights = [1, 2, 0, 3, 1, 1, 4, 4]
    o = fm.objective(net, X, Y, l2=l2, sample_weight=weights)
    v = elsewhere(net).astype(float)
    r, J = o.residuals(v), o.residual_jacobian(v)
    assert r.dtype == J.dtype == float and J.shape == (r.size, v.size)
    assert r.size == 8 * 3 + (net.layout.weight_count if l2 else 0)
    # Residuals are rounded once more than the cost, and their squares are added up in another order.
    assert abs(r @ r / 2 - o.fun(v)) <= bounds.gamma(24 + 8, dtype) * o.fun(v) + bounds.gamma(r.size, float) * o.fun(v)
    bound = bounds.propagated(o.network(v), X, Y, sample_weight=weights).vector
    bound = 2 * bound + bounds.gamma(4, dtype) * np.abs(o.jac(v)) + bounds.gamma(4, float) * l2 * np.abs(v)
    assert bounds.within(J.T @ r - o.jac(v), bound)


def test_residuals_of_integers_are_exact():
    net = fm.Network([[[1.0, -1.0], [2.0, 0.0]], [[1.0, -2.0]]], [[0.0, 1.0], [1.0]], ["square", "identity"])
    X, Y = np.array([[1.0, 1.0], [2.0, -1.0], [0.0, 3.0], [1.0, 0.0]]), np.array([[1.0], [0.0], [2.0], [-1.0]])
    o = fm.objective(net, X, Y)
    J = o.residual_jacobian(o.x0)
    A = fm.jacobian_operator(net, X, wrt="parameters")
    assert np.array_equal(2 * (J @ np.eye(9)), A.to_dense())
    assert np.array_equal(J.T @ o.residuals(o.x0), o.jac(o.x0))
    assert 0.5 * o.residuals(o.x0) @ o.residuals(o.x0) == o.fun(o.x0)
    p, u = np.arange(-4.0, 5), np.arange(4.0)
    assert u @ (J @ p) == (J.T @ u) @ p != 0


METHODS = ("L-BFGS-B", "CG", "Newton-CG", "trust-ncg", "trust-krylov", "trust-constr")
# The others ask for more than single precision has.
SINGLE = ("L-BFGS-B", "trust-ncg")


@pytest.mark.parametrize(
    ("method", "dtype"), [*((each, "float64") for each in METHODS), *((each, "float32") for each in SINGLE)]
)
def test_scipys_methods_minimise_it(method, dtype):
    net = fm.Network.random([2, 3, 1], "tanh", seed=0, dtype=dtype)
    X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    o = fm.objective(net, X, Y, l2=1e-3)
    second = (
        {} if method in ("L-BFGS-B", "CG") else {"hess": o.hess} if method == "trust-constr" else {"hessp": o.hessp}
    )
    # Newton-CG has no tolerance of the gradient, and that of L-BFGS-B for the cost would end it before.
    options = {"xtol": 1e-8} if method == "Newton-CG" else {"gtol": 1e-5}
    options |= {"ftol": 0} if method == "L-BFGS-B" else {}
    found = minimize(o.fun_and_jac, o.x0, jac=True, method=method, options=options, **second)
    assert found.success, found.message
    assert found.fun == o.fun(found.x)
    assert np.abs(o.jac(found.x)).max() <= 1e-5 < np.abs(o.jac(o.x0)).max()
    assert np.array_equal(o.network(found.x)(X) > 0.5, np.array(Y) == 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_least_squares_takes_the_residuals_and_their_jacobian(dtype):
    net = fm.Network.random([2, 3, 1], "tanh", seed=0, dtype=dtype)
    X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    o = fm.objective(net, X, Y, l2=1e-3)
    found = least_squares(o.residuals, o.x0, jac=o.residual_jacobian, tr_solver="lsmr", max_nfev=20)
    # No forward pass but those of the trial steps.
    assert o.work.forward_passes == found.nfev == 20
    assert o.work.jacobian_products > 2 * found.njev
    assert found.cost < 0.1 * o.fun(o.x0)


@pytest.mark.parametrize("l2", [0.0, 0.25])
@pytest.mark.parametrize("dtype", DTYPES)
def test_its_operators_are_formed_from_their_products(dtype, l2):
    # Small integers, shares of 1/4 and l2 = 1/4: nothing is rounded.
    weights = [[[1.0, -1.0], [2.0, 0.0]], [[1.0, -2.0], [3.0, 1.0]]]
    net = fm.Network(weights, [[0.0, 1.0], [1.0, 0.0]], ["square", "identity"]).astype(dtype)
    X, Y = [[1, 1], [2, -1], [0, 3], [1, 0]], [[1, 2], [0, 1], [2, 0], [-1, 1]]
    o = fm.objective(net, X, Y, l2=l2)
    for A in (o.hess(o.x0), o.residual_jacobian(o.x0)):
        dense = A.to_dense()
        assert (dense.dtype, A.T.to_dense().shape) == (float, A.shape[::-1])
        assert np.array_equal(dense, A @ np.eye(A.shape[1])) and np.array_equal(dense.T, A.T @ np.eye(A.shape[0]))
        wanted = dense.nbytes * (1 if A.T is A else 2)
        with fm.use_budget(memory=wanted - 1), pytest.raises(Refused, match=f"numbers of the {A.what} must fit"):
            A.to_dense()
        with pytest.raises(WrongShape, match=r"^v must have shape"):
            A @ np.ones(3)
    # Two matrices by a pass for each of two outputs, and products with all unit vectors.
    assert o.work.jacobian_products == 2 * 2 + sum(o.residual_jacobian(o.x0).shape)


@pytest.mark.parametrize("method", ["trust-exact", "trust-ncg", "dogleg"])
def test_scipys_methods_for_matrices_take_the_dense_hessian(method):
    net = fm.Network.random([2, 1], "identity", seed=0)
    X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[1], [2], [3], [4]]
    o = fm.objective(net, X, Y)
    found = minimize(o.fun_and_jac, o.x0, jac=True, hess=lambda v: o.hess(v).to_dense(), method=method)
    assert np.abs(found.x - [2, 1, 1]).max() < 1e-4


@pytest.mark.parametrize("options", [{"method": "lm"}, {"tr_solver": "exact"}])
def test_least_squares_takes_the_dense_jacobian(options):
    net = fm.Network.random([2, 1], "identity", seed=0)
    X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[1], [2], [3], [4]]
    o = fm.objective(net, X, Y)
    found = least_squares(o.residuals, o.x0, jac=lambda v: o.residual_jacobian(v).to_dense(), **options)
    assert np.abs(found.x - [2, 1, 1]).max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "iterations"), [("L-BFGS-B", 60), ("Newton-CG", 14), ("trust-ncg", 20), ("trust-krylov", 12)]
)
def test_the_digits_are_learnt_with_less_work_than_by_gradient_descent(method, iterations):
    digits, cost = fm.load_digits(), "log_likelihood"
    X, Y = digits.X_train, digits.Y_train
    net = fm.Network.random([64, 30, 10], ["sigmoid", "softmax"], seed=0)
    o = fm.objective(net, X, Y, cost, l2=1e-4)
    second = {} if method == "L-BFGS-B" else {"hessp": o.hessp}
    found = minimize(o.fun_and_jac, o.x0, jac=True, method=method, options={"maxiter": iterations}, **second)
    correct = o.network(found.x)(digits.X_test).argmax(axis=1) == digits.Y_test.argmax(axis=1)
    assert correct.mean() > 0.95
    # Here a product with the Hessian costs less than a gradient.
    epochs = o.work.forward_passes + o.work.hessian_products
    fm.sgd(net, X, Y, cost=cost, l2=1e-4, epochs=epochs, batch_size=len(X), learning_rate=0.5, seed=0)
    assert found.fun < o.fun(net.vector) / 4


def test_an_example_without_weight_has_no_effect():
    net = makers.network()
    X, Y = makers.data(net)
    weights = np.array([1.0, 2, 0, 1, 1, 0, 1, 2])
    spoilt = X.copy()
    spoilt[weights == 0] = 1e308
    o, other = (fm.objective(net, each, Y, sample_weight=weights, l2=0.1) for each in (X, spoilt))
    v, p = elsewhere(net), elsewhere(net, 6)
    assert o.fun(v) == other.fun(v) and np.array_equal(o.jac(v), other.jac(v))
    assert np.array_equal(o.hessp(v, p), other.hessp(v, p))
    assert np.array_equal(o.residual_jacobian(v) @ p, other.residual_jacobian(v) @ p)


def test_it_keeps_what_it_was_made_from():
    net = makers.network()
    X, Y = makers.data(net)
    o = fm.objective(net, X, Y)
    v, p = elsewhere(net), elsewhere(net, 6)
    before = o.fun(v), o.x0
    net.vector[...] = 0
    X[...], Y[...] = 0, 0
    fresh = pickle.loads(pickle.dumps(o))
    o.fun(v + 1), o.fun(v + 2)
    assert o.fun(v) == before[0] == fresh.fun(v)
    assert np.array_equal(o.x0, before[1]) and np.array_equal(fresh.hessp(v, p), o.hessp(v, p))


def test_threads_take_turns():
    net = makers.network(sizes=(20, 30, 3))
    X, Y = makers.data(net, 50)
    o = fm.objective(net, X, Y)
    vectors = [elsewhere(net, seed) for seed in range(4)]
    expected = [fm.gradient(o.network(v), X, Y).vector for v in vectors]
    wrong = []

    def work(v, gradient):
        wrong.extend(1 for _ in range(30) if not np.array_equal(o.jac(v), gradient))

    threads = [threading.Thread(target=work, args=each) for each in zip(vectors, expected, strict=True)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not wrong


def test_an_infinite_cost_is_a_value_for_the_line_search():
    net = fm.Network.random([2, 3, 1], "square", seed=0)
    o = fm.objective(net, *makers.data(net))
    with np.errstate(all="raise"):
        assert o.fun(1e100 * o.x0) == np.inf
        assert not np.isfinite(o.jac(1e100 * o.x0)).all()


BAD = {
    "too short": (lambda o: o.fun(o.x0[1:]), WrongShape, ["v must have shape (43,)", "got (42,)", "objective.x0"]),
    "a matrix": (lambda o: o.jac(np.ones((43, 2))), WrongShape, ["v must have shape (43,)", "got (43, 2)"]),
    "complex": (lambda o: o.fun(o.x0 + 0j), WrongType, ["v must hold real numbers", "complex128"]),
    "None": (lambda o: o.fun(None), WrongType, ["v must hold real numbers", "None"]),
    "NaN": (lambda o: o.jac(np.full(43, np.nan)), NotFinite, ["v must be finite", "nan at v[0]"]),
    "a short direction": (lambda o: o.hessp(o.x0, [1.0]), WrongShape, ["p must have shape (43,)", "got (1,)"]),
    "an infinite direction": (lambda o: o.hessp(o.x0, np.full(43, np.inf)), NotFinite, ["p must be finite"]),
    "a network of others": (lambda o: o.network(o.x0[:-1]), WrongShape, ["v must have shape (43,)", "got (42,)"]),
}  # fmt: skip


@pytest.mark.parametrize("call", BAD)
def test_bad_vectors_are_refused(call):
    net = makers.network()
    function, exception, fragments = BAD[call]
    with pytest.raises(exception) as found:
        function(fm.objective(net, *makers.data(net)))
    assert all(fragment in str(found.value) for fragment in fragments), found.value


@pytest.mark.parametrize(
    ("given", "exception", "message"),
    [
        ({"l2": -1}, InvalidInput, "l2 must be at least 0"),
        ({"l2": "1"}, WrongType, "l2 must be a number"),
        ({"cost": "quadratc"}, UnknownName, "unknown cost"),
        ({"backend": "hadamrd"}, UnknownName, "unknown backend"),
        ({"backend": "linear"}, Refused, "activation identity in every layer"),
        ({"sample_weight": [1]}, WrongShape, "sample_weight must have shape"),
    ],
)
def test_bad_settings_are_refused(given, exception, message):
    net = makers.network()
    with pytest.raises(exception, match=message):
        fm.objective(net, *makers.data(net), **given)


def test_a_vector_beyond_the_range_of_the_network_makes_none():
    net = makers.network(dtype="float32")
    o = fm.objective(net, *makers.data(net))
    with pytest.raises(NotFinite, match=r"v must lie within the range of float32, .* got 1e\+60 at v\[3\]"):
        o.network(np.where(np.arange(len(o.x0)) == 3, 1e60, o.x0))


def test_only_the_quadratic_cost_has_residuals():
    net = makers.network()
    o = fm.objective(net, *makers.data(net), "binary_cross_entropy")
    for call in (o.residuals, o.residual_jacobian):
        with pytest.raises(Refused, match=r"residuals need the quadratic cost.*got 'binary_cross_entropy'; use fun"):
            call(o.x0)


def test_a_cost_without_curvature_has_a_gradient_and_no_hessian():
    net = makers.network()
    own = fm.cost(lambda A, Y: ((A - Y) ** 2).sum(axis=1), lambda A, Y: 2 * (A - Y))
    o = fm.objective(net, *makers.data(net), own)
    assert np.isfinite(o.jac(o.x0)).all()
    with pytest.raises(Refused, match="curvature"):
        o.hessp(o.x0, o.x0)


def test_products_beyond_the_budget_are_refused():
    net = makers.network()
    o = fm.objective(net, *makers.data(net), backend="finite_difference")
    o.jac(o.x0)
    with fm.use_budget(seconds=1e-9), pytest.raises(Refused, match="more than the budget; take fewer examples"):
        o.hessp(o.x0, o.x0)
    with fm.use_budget(memory=100), pytest.raises(Refused, match="more than the budget"):
        fm.objective(net, *makers.data(net))


def test_it_says_what_it_is():
    net = makers.network()
    o = fm.objective(net, *makers.data(net), l2=0.5, backend="sigma")
    assert repr(o) == f"<Objective of {net!r}, quadratic cost, l2=0.5, 8 examples, by sigma>"
