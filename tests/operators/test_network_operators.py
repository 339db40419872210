"""Operators as SciPy takes them: products, transposes, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.linalg import aslinearoperator, eigsh, lsqr

import formulations as fm


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


def test_scipy_takes_it(operator, net):
    assert aslinearoperator(operator) is operator
    if operator.shape[0] == operator.shape[1] == net.layout.count:
        assert eigsh(operator, k=1, return_eigenvectors=False).shape == (1,)
    else:
        assert lsqr(operator, np.ones(operator.shape[0]))[0].shape == (operator.shape[1],)
    assert (2 * operator).shape == operator.shape


def test_a_changed_network_makes_it_stale(operator, net):
    net.biases[0][0] += 1
    with pytest.raises(fm.exceptions.StalePlan, match="make another at the new parameters"):
        operator @ np.ones(operator.shape[1])


@pytest.mark.parametrize(
    ("vector", "exception", "message"),
    [
        (lambda n: np.ones(n + 1), "WrongShape", "must have shape"),
        (lambda n: np.ones((2, n)), "WrongShape", "must have shape"),
        (lambda n: np.ones(n) * 1j, "WrongType", "real numbers"),
        (lambda n: np.full(n, np.nan), "NotFinite", "finite"),
    ],
)
def test_a_vector_that_does_not_fit_is_refused(operator, vector, exception, message):
    with pytest.raises(getattr(fm.exceptions, exception), match=message):
        operator.matvec(vector(operator.shape[1]))


def test_a_float32_network_takes_vectors_in_float64(net, examples):
    H = fm.hessian(net.astype("float32"), *examples)
    assert (H @ np.ones(H.shape[1])).dtype == np.float32


def test_a_product_is_finite_even_if_its_square_is_not(operator):
    assert np.isfinite(operator @ np.full(operator.shape[1], 1e200)).all()
