"""The bound P of difference quotients of operators."""

from __future__ import annotations

import numpy as np
import pytest

import formulations as fm
from formulations.functions.activations.table import ACTIVATIONS
from formulations.network.point import Point
from formulations.verification.operators import OperatorReference, evaluate, judge_operator
from formulations.verification.operators.judging import operator_deviation
from formulations.verification.tolerances.perturbation import _unit_at_jump

OPERATORS = ("jacobian", "hessian", "gauss_newton")
# Of wide layers, the last takes seconds.
SLOW_LAST = (*OPERATORS[:2], pytest.param("gauss_newton", marks=pytest.mark.slow))


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
    # The roundoff alone explains the residual of a short step.
    assert short.ratio < 0.1
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


def test_a_jump_of_the_curvature_counts_for_a_hessian_only():
    # At 0 the curvature of elu jumps from 1 to 0, and a central quotient of the gradient has the mean.
    net = fm.Network([[[1.0]], [[1.0]]], [[1e-9], [0.0]], ["elu", "identity"])
    verdict, bound = judged(net, [[0.0]], [[1.0]], "hessian")
    assert verdict.status == "inconclusive" and "across a jump of σ″ in example 0 (z = 1e-09)" in verdict.reason
    assert np.isinf(bound).all()
    verdict, bound = judged(net, [[0.0]], [[1.0]], "gauss_newton")
    assert verdict.status != "different" and "jump" not in verdict.reason and np.isfinite(bound).all()
    net.biases[0][0] = 1.0
    assert judged(net, [[0.0]], [[1.0]], "hessian")[0].status == "equal"


@pytest.mark.parametrize("name", [name for name, activation in ACTIVATIONS.items() if not activation.coupled])
def test_a_built_in_activation_has_no_jump_away_from_its_kinks(name):
    z = np.linspace(-8, 8, 4001)[:, None] + 1e-4
    for step in (1e-6, 1e-4, 1e-2):
        found = _unit_at_jump(2, ACTIVATIONS[name], z[np.abs(z[:, 0]) > step], np.full((1, 1), step))
        assert found == ""


@pytest.mark.parametrize("operator", SLOW_LAST)
def test_a_step_reaches_a_kink_through_the_layers_below(operator):
    # A step of x, or of b², moves each of a thousand neurons, and z³ by their sum.
    weights, biases = [np.ones((1000, 1)), np.ones((1, 1000)), [[1.0]]], [np.zeros(1000), [5e-4], [0.0]]
    net = fm.Network(weights, biases, ["identity", "relu", "identity"])
    backend = "finite_difference:step=5e-6"
    verdict, bound = judged(net, [[0.0]], [[0.0]], operator, backend, change=lambda found: found + 1)
    assert verdict.status == "inconclusive" and "unit 0 of layer 3 is too close to a kink" in verdict.reason
    assert np.isinf(bound).all()


@pytest.mark.parametrize("operator", SLOW_LAST[1:])
def test_a_step_of_a_layer_moves_what_the_steps_of_the_next_layer_multiply(operator):
    # Steps h of w² move each a² by 2000·h, about 0.01, and a step h of w³ multiplies their sum: z³ moves by 6·h.
    backend, h = "finite_difference:step=5e-6", 5e-6
    net = fm.Network(
        [np.zeros((500, 1)), np.zeros((1, 500)), [[1.0]]],
        [np.zeros(500), [4 * h], [0.0]],
        ["identity", "relu", "identity"],
    )
    verdict, bound = judged(net, [[2000.0]], [[0.0]], operator, backend)
    assert verdict.status == "inconclusive" and "unit 0 of layer 3 is too close to a kink" in verdict.reason
    assert np.isinf(bound).all()


def test_along_a_direction_all_parameters_move_together():
    # A weight alone moves z by a step of 6e-6, far from the kink at a distance of 3e-5; together they reach it.
    net = fm.Network([[[1.0, -1.0] * 10], [[1.0]]], [[3e-5], [0.0]], ["relu", "identity"])
    verdict, _ = judged(net, np.ones((1, 20)), [[0.0]], "hessian", change=lambda found: found + 1)
    assert verdict.status == "inconclusive" and "too close to a kink" in verdict.reason
