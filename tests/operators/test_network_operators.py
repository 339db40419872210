"""Operators as SciPy takes them: products, transposes, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import eye_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator, eigsh, lsqr

import formulations as fm
from formulations.arrays import gamma, unit_roundoff


@pytest.fixture
def net():
    random = np.random.default_rng(1)
    weights = [random.integers(-3, 4, shape).astype(float) for shape in ((4, 3), (2, 4))]
    return fm.Network(weights, [np.ones(4), np.ones(2)], ["square", "identity"])


@pytest.fixture
def examples():
    random = np.random.default_rng(2)
    return tuple(random.integers(-3, 4, (4, n)).astype(float) for n in (3, 2))


@pytest.fixture(params=["layer", "parameters", "hessian", "gauss_newton"])
def operator(request, net, examples):
    X, Y = examples
    return {
        "layer": lambda: fm.jacobian_operator(net, X),
        "parameters": lambda: fm.jacobian_operator(net, X, wrt="parameters"),
        "hessian": lambda: fm.hessian(net, X, Y),
        "gauss_newton": lambda: fm.gauss_newton(net, X, Y),
    }[request.param]()


def test_products_are_those_of_the_dense_matrix(operator):
    # Small integers throughout, and four examples: nothing is rounded.
    dense, random = operator.to_dense(), np.random.default_rng(3)
    assert dense.shape == operator.shape
    V, U = (random.integers(-3, 4, (n, 3)).astype(float) for n in operator.shape[::-1])
    assert np.array_equal(operator @ V, dense @ V)
    assert np.array_equal(operator.T @ U, dense.T @ U)
    assert np.array_equal(operator.H @ U, dense.T @ U)
    assert np.array_equal(operator @ V[:, 0], operator.matvec(V[:, :1])[:, 0])


def test_no_vectors_have_no_products(operator):
    rows, columns = operator.shape
    assert (operator @ np.ones((columns, 0))).shape == (rows, 0)
    assert (operator.T @ np.ones((rows, 0))).shape == (columns, 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda net, X, _: fm.jacobian(net, X),
        lambda net, X, _: fm.jacobian_operator(net, X),
        lambda net, X, _: fm.spectrum(net, X),
        lambda net, X, Y: fm.input_gradient(net, X, Y),
        lambda net, X, Y: fm.hessian(net, X, Y),
        lambda net, X, Y: fm.gauss_newton(net, X, Y),
        fm.diagnose,
    ],
)
def test_a_parameter_that_is_not_finite_is_named(make, net, examples):
    net.biases[1][1] = np.nan
    named = r"the network's parameters must be finite, got nan at network\.biases\[1\]\[1\]; restore those from before"
    with pytest.raises(fm.exceptions.NotFinite, match=named):
        make(net, *examples)


def test_a_vector_beyond_the_range_of_the_operator_is_named(net, examples):
    H = fm.hessian(net.astype("float32"), *examples)
    v = np.where(np.arange(H.shape[0]) == 4, 1e60, 1.0)
    for product in (lambda: H @ v, lambda: H.T @ v, lambda: v @ H, lambda: H @ v[:, None]):
        with pytest.raises(
            fm.exceptions.NotFinite, match=r"[vV] must lie within the range of float32, .* got 1e\+60 at"
        ):
            product()


def test_what_is_no_vector_is_refused_on_either_side(operator, net, examples):
    gradient = fm.gradient(net, *examples)
    for given in (gradient, net):
        for product in (lambda v: operator @ v, lambda v: v @ operator, lambda v: operator * v):
            with pytest.raises(fm.exceptions.WrongType, match=r"v must hold real numbers.*pass its array, v\.vector\."):
                product(given)
    for product in (lambda: operator @ None, lambda: None @ operator):
        with pytest.raises(fm.exceptions.WrongType, match=r"v must hold real numbers .*, got None; pass an array"):
            product()
    with pytest.raises(fm.exceptions.WrongShape, match="v must have shape"):
        np.ones((2, 2, 2)) @ operator


def rounding(n, dense):
    """The roundoff of n steps, each a product with a matrix of n columns."""
    return n * gamma(n, unit_roundoff(float)) * np.linalg.norm(dense)


def test_scipy_takes_it(operator, net):
    assert aslinearoperator(operator) is operator
    dense, (rows, columns) = operator.to_dense(), operator.shape
    size = np.linalg.norm(dense)
    if rows == columns == net.layout.count:
        ((value,), vectors) = eigsh(operator, k=1, tol=1e-10)
        # ARPACK stops at a residual of tol times the value; the products are rounded too.
        assert np.linalg.norm(dense @ vectors[:, 0] - value * vectors[:, 0]) <= 1e-10 * abs(value) + rounding(
            rows, dense
        )
        assert abs(abs(value) - np.abs(np.linalg.eigvalsh(dense)).max()) <= 1e-10 * size + rounding(rows, dense)
    else:
        b = np.ones(rows)
        x, stop, *_ = lsqr(operator, b, atol=1e-10, btol=1e-10)
        r = b - dense @ x
        # It stops at a solution, or where the residual is orthogonal to the columns.
        assert stop in (1, 2)
        left = np.linalg.norm(r) if stop == 1 else np.linalg.norm(dense.T @ r)
        assert left <= 1e-10 * (np.linalg.norm(b) + size * np.linalg.norm(x) if stop == 1 else size * np.linalg.norm(r))
    assert np.array_equal((2 * operator) @ np.eye(columns), 2 * dense)


def test_a_changed_network_makes_it_stale(operator, net):
    net.biases[0][0] += 1
    with pytest.raises(fm.exceptions.StalePlan, match="make another at the new parameters"):
        operator @ np.ones(operator.shape[1])


def test_it_keeps_its_examples(operator, examples):
    before = operator.to_dense()
    for array in examples:
        array[...] = 7
    assert np.array_equal(operator.to_dense(), before)


@pytest.mark.parametrize(
    ("vector", "exception", "message"),
    [
        (lambda n: np.ones(n + 1), "WrongShape", r"^v must have shape \(\d+,\)"),
        (lambda n: np.ones((2, n)), "WrongShape", "^[vV] must have shape"),
        (lambda n: np.ones((n, 2, 2)), "WrongShape", "^v must have shape"),
        (lambda n: np.ones(n) * 1j, "WrongType", "^v must hold real numbers.*would drop them"),
        (lambda n: np.full(n, np.nan), "NotFinite", r"^v must be finite, got nan at v\[0\]"),
        (lambda n: fm.Network.random([n - 1, 1], seed=0), "WrongType", "got Network; pass its array, v.vector"),
    ],
)
@pytest.mark.parametrize("transposed", [False, True])
def test_a_vector_that_does_not_fit_is_refused(operator, vector, exception, message, transposed):
    A, v = operator.T if transposed else operator, vector(operator.shape[not transposed])
    for multiply in (lambda: A @ v, lambda: A.dot(v), lambda: A.matvec(v)):
        with pytest.raises(getattr(fm.exceptions, exception), match=message):
            multiply()


def test_a_gradient_is_refused_for_its_vector(net, examples):
    H, gradient = fm.hessian(net, *examples), fm.gradient(net, *examples)
    with pytest.raises(fm.exceptions.WrongType, match=r"got Gradient; pass its array, v\.vector\."):
        H @ gradient
    assert np.array_equal(H @ gradient.vector, H.to_dense() @ gradient.vector)


def test_the_transpose_is_an_operator_of_its_own(operator):
    transposed = operator.T
    assert isinstance(transposed, fm.operators.NetworkOperator)
    assert transposed.T is operator
    assert transposed.H.shape == operator.shape
    assert np.array_equal(transposed.to_dense(), operator.to_dense().T)
    if operator.what == "Jacobian":
        assert repr(transposed) == repr(operator).replace(
            "Jacobian ({} × {})".format(*operator.shape), "transposed Jacobian ({1} × {0})".format(*operator.shape)
        )
    else:
        assert transposed is operator


@pytest.mark.parametrize("matrix", [eye_array, np.eye])
def test_a_matrix_is_added(net, examples, matrix):
    G = fm.gauss_newton(net, *examples)
    n, expected = G.shape[0], G.to_dense()
    for damped, sign in ((G + matrix(n), 1), (matrix(n) + G, 1), (G - matrix(n), -1)):
        assert isinstance(damped, LinearOperator)
        assert np.array_equal(damped @ np.eye(n), expected + sign * np.eye(n))


@pytest.mark.parametrize("kind", ["layer", "parameters", "transposed", "kernel", "hessian", "gauss_newton", "block"])
def test_a_matrix_beyond_the_budget_is_not_formed(examples, kind):
    net, (X, Y) = fm.Network.random([3, 8, 2], "tanh", seed=0), examples
    J = fm.jacobian_operator(net, X, wrt="parameters")
    operator = {
        "layer": lambda: fm.jacobian_operator(net, X),
        "parameters": lambda: J,
        "transposed": lambda: J.T,
        "kernel": J.tangent_kernel,
        "hessian": lambda: fm.hessian(net, X, Y),
        "gauss_newton": lambda: fm.gauss_newton(net, X, Y),
        "block": lambda: fm.hessian(net, X, Y).block(2),
    }[kind]()
    # The kernel adds up products of its own shape.
    wanted = operator.to_dense().nbytes * (3 if kind == "kernel" else 1)
    with fm.use_budget(memory=wanted):
        operator.to_dense()
    remedy = {"hessian": r"eigsh\(k\) or block\(l\)", "gauss_newton": "block", "block": "A @ v or eigsh"}.get(
        kind, "A @ v"
    )
    with fm.use_budget(memory=wanted - 1), pytest.raises(fm.exceptions.Refused, match=f"{remedy}.*use_budget"):
        operator.to_dense()


def test_a_matrix_has_products_in_blocks(examples):
    net = fm.Network.random([3, 30, 2], "tanh", seed=0)
    H = fm.hessian(net, *examples)
    assert H.shape[0] > fm.operators.network_operator.UNITS
    assert np.array_equal(H.to_dense(), np.stack([H @ e for e in np.eye(H.shape[0])], axis=1))


def test_entries_beyond_the_dtype_are_refused():
    # At 0 all activations are 0, and a derivative is a product of up to three weights.
    net = fm.Network([[[1e200]]] * 3, [[0.0]] * 3, "identity")
    J = fm.jacobian_operator(net, [[0.0]], wrt="parameters")
    G = fm.gauss_newton(net, [[0.0]], [[0.0]])
    for operator in (fm.jacobian_operator(net, [[0.0]]), J, J.T, J.tangent_kernel(), G):
        with pytest.raises(fm.exceptions.NotFinite, match=r"^the entries of the .* must be finite"):
            operator.to_dense()


def test_a_float32_network_takes_vectors_in_float64(net, examples):
    H = fm.hessian(net.astype("float32"), *examples)
    assert (H @ np.ones(H.shape[1])).dtype == np.float32


def test_a_product_is_finite_even_if_its_square_is_not(operator):
    assert np.isfinite(operator @ np.full(operator.shape[1], 1e200)).all()
