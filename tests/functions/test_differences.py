"""Numerical derivatives: correct within their own tolerance, and refused if they do not converge."""

from __future__ import annotations

import numpy as np
import pytest

from formulations.exceptions import WrongDerivative
from formulations.functions.derivatives.differences import NumericalDerivative, differentiate_rows

X = np.array([0.3, -1.2, 0.7])


def softmax(rows):
    e = np.exp(rows)
    return e / e.sum(axis=1, keepdims=True)


def softmax_jacobian(x):
    a = softmax(x[None])[0]
    return np.diag(a) - np.outer(a, a)


MAPS = {
    "softmax": (softmax, softmax_jacobian),
    "cumulative": (lambda rows: np.cumsum(rows, axis=1), lambda _: np.tril(np.ones((3, 3)))),
    "three to two": (lambda rows: rows[:, :2] * rows[:, 2:], lambda x: np.array([[x[2], 0, x[0]], [0, x[2], x[1]]])),
    "a gradient": (lambda rows: np.exp(rows).prod(axis=1), lambda x: np.full(3, np.exp(x.sum()))),
}


def judge(found, said):
    names = ("value", "product")
    found.judge(said, names, lambda at: f"entry {at}", rough="smooth it", wrong="correct it")


@pytest.mark.parametrize("name", MAPS)
def test_a_true_derivative_is_within_the_tolerance(name):
    f, jacobian = MAPS[name]
    found, true = differentiate_rows(f, X, 0.1), jacobian(X)
    assert found.derivative.shape == true.shape
    assert np.all(np.abs(found.derivative - true) <= found.tolerance)
    assert np.all(found.tolerance <= 1e-9)
    judge(found, true)
    judge(found.T, true.T)


@pytest.mark.parametrize("name", MAPS)
def test_an_entry_off_by_half_a_thousandth_is_named(name):
    f, jacobian = MAPS[name]
    true = jacobian(X)
    for at in map(tuple, np.argwhere(true != 0)):
        wrong = true.copy()
        wrong[at] *= 1.0005
        place = tuple(int(i) for i in at)
        with pytest.raises(WrongDerivative) as caught:
            judge(differentiate_rows(f, X, 0.1), wrong)
        assert f"product must be the derivative of value, got {wrong[at]:.9g} at entry {place}, " in str(caught.value)
        assert str(caught.value).endswith("; correct it.")


def test_a_matrix_that_is_not_symmetric_is_not_its_transpose():
    f, jacobian = MAPS["cumulative"]
    with pytest.raises(WrongDerivative, match=r"at entry \((\d), (?!\1)\d\)"):
        judge(differentiate_rows(f, X, 0.1), jacobian(X).T)


def test_a_function_too_rough_does_not_settle():
    with pytest.raises(WrongDerivative, match=r"value must be smooth, .* at entry .* does not converge; smooth it\."):
        judge(differentiate_rows(lambda rows: np.sin(1e9 * rows), X, 0.1), np.zeros((3, 3)))


def test_nan_is_never_a_derivative():
    certain = NumericalDerivative(np.ones(3), np.zeros(3), np.full(3, 1e-12))
    judge(certain, np.ones(3))
    with pytest.raises(WrongDerivative, match=r"got nan at entry \(1,\)"):
        judge(certain, np.array([1, np.nan, 1.5]))


def test_the_row_is_left_alone():
    before = X.copy()
    differentiate_rows(softmax, X, 0.1)
    assert np.array_equal(X, before)
