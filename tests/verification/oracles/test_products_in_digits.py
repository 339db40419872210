"""Products in fifty digits: against fractions, and as the judge of the references."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import formulations as fm
from formulations.functions.activations.table import ACTIVATIONS
from formulations.network.point import Point
from formulations.verification.operators import OperatorReference, evaluate, judge_operator
from formulations.verification.oracles.exact_products import (
    exact_gauss_newton_product,
    exact_hessian_product,
    exact_jacobian,
)

pytest.importorskip("mpmath")
from formulations.verification.oracles.fifty_digits import jacobian_in_digits, product_in_digits


def rounded(found):
    return np.array([float(entry) for entry in np.ravel(np.array(found, object))])


def test_fractions_and_fifty_digits_agree():
    net = fm.Network.random([2, 3, 2], ["square", "identity"], seed=0)
    random = np.random.default_rng(0)
    X, Y, v, counts = random.normal(size=(2, 2)), random.normal(size=(2, 2)), random.normal(size=17), [1.0, 3.0]
    pairs = [
        (exact_jacobian(net, X), jacobian_in_digits(net, X)),
        (exact_hessian_product(net, X, Y, v, counts), product_in_digits(net, X, Y, v, sample_weight=counts)),
        (
            exact_gauss_newton_product(net, X, Y, v, counts),
            product_in_digits(net, X, Y, v, "gauss_newton", sample_weight=counts),
        ),
    ]
    for exact, digits in pairs:
        found = np.ravel(np.array(digits, object))
        for fraction, number in zip(np.ravel(np.array(exact, object)), found, strict=True):
            assert abs(number * fraction.denominator - fraction.numerator) < abs(fraction.denominator) * 1e-45


PROBLEMS = [(name, "quadratic") for name in ACTIVATIONS] + [
    ("sigmoid", "binary_cross_entropy"), ("softmax", "log_likelihood"), ("sigmoid", "log_likelihood"),
    ("softplus", "log_likelihood"),
]  # fmt: skip


@pytest.mark.parametrize("operator", ["jacobian", "hessian", "gauss_newton"])
@pytest.mark.parametrize(("activation", "cost"), PROBLEMS)
def test_the_reference_of_every_activation_and_cost_is_that_of_fifty_digits(activation, cost, operator):
    random = np.random.default_rng(1)
    hidden = activation if cost == "quadratic" else "tanh"
    net = fm.Network.random([2, 2, 2], [hidden, "sigmoid" if cost == "quadratic" else activation], seed=3)
    X, Y, v = random.normal(size=(2, 2)), np.eye(2), random.normal(size=net.layout.count)
    reference = OperatorReference(operator, Point(net, net.check_examples(X, Y, cost=cost)), v)
    if operator == "jacobian":
        digits = rounded(jacobian_in_digits(net, X))
    else:
        digits = rounded(product_in_digits(net, X, Y, v, operator, cost))
    assert (np.abs(reference.value.ravel() - digits) <= reference.bound.ravel()).all()
    # The references are wider than float64, unless gelu refuses it.
    assert np.abs(reference.value.ravel() - digits).max() <= 1e-15 * np.abs(digits).max()


@pytest.mark.parametrize("operator", ["jacobian", "hessian", "gauss_newton"])
def test_without_a_higher_precision_fifty_digits_halve_the_bound(operator, monkeypatch):
    net = fm.Network.random([2, 3, 2], ["tanh", "sigmoid"], seed=0, dtype="longdouble")
    random = np.random.default_rng(0)
    X, Y, counts = random.normal(size=(2, 2)), random.uniform(size=(2, 2)), [1.0, 3.0]
    v = random.normal(size=net.layout.count).astype("longdouble")
    point = Point(net, net.check_examples(X, Y, sample_weight=counts))
    reference = OperatorReference(operator, point, v)
    # Not the bits of the reference, which would need no sharp bound.
    found = np.nextafter(evaluate(fm.get_backend("hadamard").linearize(point), operator, v), np.longdouble(np.inf))
    # As that of a backend with a forward pass of its own.
    candidate = SimpleNamespace(backend=fm.get_backend("per_neuron"), point=point)
    assert judge_operator(candidate, found, reference).status == "equal"
    for (digits, own), (wide, both) in zip(reference.in_digits, reference.by_steps, strict=True):
        assert digits.shape == wide.shape and digits.dtype == net.dtype
        assert (own < 0.6 * both).all() and (np.abs(digits - wide) <= both).all()
    # A resolution that only the bound of the candidate alone has.
    widest = max(bound.max() / np.abs(value).max() for value, bound in reference.in_digits)
    monkeypatch.setattr("formulations.verification.tolerances.verdict.RESOLUTION", 1.001 * widest)
    verdict = judge_operator(candidate, found, reference)
    assert (verdict.status, verdict.rule) == ("equal", "T4")
    monkeypatch.setattr("formulations.verification.operators.judging.MOST_IN_DIGITS", 1)
    assert judge_operator(candidate, found, OperatorReference(operator, point, v)).status == "inconclusive"


def test_no_digits_where_a_unit_lies_on_a_kink_or_a_function_is_unknown():
    X, Y = np.ones((1, 2)), np.ones((1, 1))
    on_a_kink = fm.Network([[[1, -1]], [[1]]], [[0], [0]], ["relu", "identity"]).astype("longdouble")
    curve = fm.activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2, name="curve")
    unknown = fm.Network([[[1, -1]], [[1]]], [[0], [0]], [curve, "identity"]).astype("longdouble")
    for net in (on_a_kink, unknown, fm.Network.random([2, 2, 1], seed=0)):
        assert OperatorReference("jacobian", Point(net, net.check_examples(X, Y))).in_digits == []
