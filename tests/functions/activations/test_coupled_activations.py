"""Coupled activations: products, widths, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import InvalidInput, NotFinite, WrongDerivative
from formulations.functions.activations.coupled import CoupledSlope, Softmax

MIX = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, -1.0], [1.0, 0.0, 3.0]])


def mixing(**options):
    return fm.coupled_activation(lambda Z: Z @ MIX.T, lambda _, V: V @ MIX.T, lambda _, V: V @ MIX, **options)


def test_softmax_has_the_jacobian_of_the_book():
    a = np.array([[0.2, 0.3, 0.5]])
    slope = CoupledSlope(Softmax(), np.log(a), a)
    expected = np.diag(a[0]) - np.outer(a[0], a[0])
    assert np.abs(slope.blocks()[0] - expected).max() <= 4 * np.finfo(float).eps
    assert np.array_equal(slope.T.T.blocks(), slope.blocks())


def test_softmax_of_large_numbers_is_finite_and_sums_to_one():
    a = Softmax().value(np.array([[1e308, -1e308, 1e308], [-1e4, 0.0, 1e4]]))
    assert a.tolist() == [[0.5, 0.0, 0.5], [0.0, 0.0, 1.0]]


def test_a_mixing_matrix_is_made_for_its_width():
    mixed = mixing(name="mixing", width=3)
    net = fm.Network.random([2, 3, 1], [mixed, "identity"], seed=0)
    X, Y = np.array([[1.0, 2.0]]), np.array([[0.5]])
    sigma, product = (fm.gradient(net, X, Y, backend=name) for name in ("sigma", "product"))
    delta = (net(X) - Y) @ net.weights[1] @ MIX
    for g in (sigma, product):
        assert np.abs(g.errors[0] - delta).max() <= 32 * np.finfo(float).eps * np.abs(delta).max()
    with pytest.raises(InvalidInput, match="mixing is made for 3"):
        fm.Network.random([2, 4, 1], [mixed, "identity"])
    assert repr(mixed) == "<coupled activation mixing>"


def test_products_in_the_wrong_order_are_found():
    with pytest.raises(WrongDerivative, match="jacobian_product"):
        fm.coupled_activation(lambda Z: Z @ MIX.T, lambda _, V: V @ MIX, lambda _, V: V @ MIX.T, width=3)


def test_what_is_not_finite_is_called_so():
    with pytest.raises(NotFinite, match="must be finite on the domain"):
        fm.coupled_activation(lambda Z: Z * np.nan, lambda _, V: V, lambda _, V: V)


def test_rows_that_depend_on_each_other_are_refused():
    with pytest.raises(InvalidInput, match="must not mix examples"):
        fm.coupled_activation(lambda Z: Z - Z.mean(axis=0), lambda _, V: V, lambda _, V: V)
