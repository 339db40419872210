"""The bound P of difference quotients of operators."""

from __future__ import annotations

import numpy as np
import pytest

import formulations as fm
from formulations.network.point import Point
from formulations.verification.operators import OperatorReference, evaluate, judge_operator
from formulations.verification.operators.judging import operator_deviation

OPERATORS = ("jacobian", "hessian", "gauss_newton")


def judged(net, X, Y, operator, backend="finite_difference", *, cost="quadratic", change=lambda found: found):
    """Return the verdict on a quotient after a change of it, and the bound of its distance from the exact operator."""
    batch = net.check_examples(X, Y, cost=cost)
    v = np.random.default_rng(0).standard_normal(net.layout.count).astype(net.dtype)
    candidate = fm.get_backend(backend).linearize(Point(net, batch))
    found = change(evaluate(candidate, operator, v))
    reference = OperatorReference(operator, Point(net, batch), v)
    return judge_operator(candidate, found, reference), operator_deviation(candidate, found, reference)


@pytest.fixture(scope="module")
def problem():
    random = np.random.default_rng(1)
    net = fm.Network.random([3, 4, 2], ["tanh", "sigmoid"], seed=0)
    return net, random.normal(size=(3, 3)), random.uniform(size=(3, 2))


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("scheme", ["central", "forward", "richardson"])
@pytest.mark.parametrize("cost", ["quadratic", "binary_cross_entropy"])
def test_a_quotient_is_equal_and_a_fault_of_a_thousandth_is_not(problem, operator, scheme, cost):
    backend = f"finite_difference:scheme={scheme}"
    verdict, bound = judged(*problem, operator, backend, cost=cost)
    assert (verdict.status, verdict.rule) == ("equal", "P") and np.isfinite(bound).all()
    if scheme != "forward":
        verdict, _ = judged(*problem, operator, backend, cost=cost, change=lambda found: found * 1.001)
        assert verdict.status == "different" and verdict.ratio > 10


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_step_that_is_too_long_or_too_short_widens_the_bound(problem, operator):
    short, _ = judged(*problem, operator, "finite_difference:step=1e-12")
    long, _ = judged(*problem, operator, "finite_difference:step=0.03")
    assert short.status != "different" and long.status != "different"
    usual, _ = judged(*problem, operator)
    for verdict in (short, long):
        assert verdict.layers[0].bound > 100 * usual.layers[0].bound


@pytest.mark.parametrize("operator", OPERATORS)
def test_beside_a_kink_a_difference_is_inconclusive(operator):
    # z of the second unit is 1e-7, and a step moves it by more; that of the first is 2.
    net = fm.Network([[[1.0, 1.0], [1.0, -1.0]], [[1.0, 1.0]]], [[0.0, 1e-7], [0.0]], ["relu", "identity"])
    X, Y = [[1.0, 1.0]], [[0.0]]
    verdict, bound = judged(net, X, Y, operator)
    assert verdict.status == "inconclusive" and "unit 1 of layer 2 is too close to a kink" in verdict.reason
    assert np.isinf(bound).all()
    net.biases[0][1] = 1.0
    verdict, bound = judged(net, X, Y, operator)
    assert verdict.status == "equal" and np.isfinite(bound).all()


def test_along_a_direction_all_parameters_move_together():
    # A weight alone moves z by a step of 6e-6, far from the kink at a distance of 3e-5; together they reach it.
    net = fm.Network([np.ones((1, 20)), [[1.0]]], [[3e-5 - 20.0], [0.0]], ["relu", "identity"])
    verdict, _ = judged(net, np.ones((1, 20)), [[0.0]], "hessian", change=lambda found: found + 1)
    assert verdict.status == "inconclusive" and "too close to a kink" in verdict.reason
