"""A claimed cost is judged by a separate bound; if there is no cost, or no sharp bound, the gradient decides."""

from __future__ import annotations

import makers
import numpy as np
import pytest
from makers import Case, plain_case

import formulations as fm
from formulations.verification.tolerances.judging import judge, judge_backend
from formulations.verification.tolerances.verdict import Status

COSTS = {
    "quadratic": "sigmoid",
    "binary_cross_entropy": ["tanh", "tanh", "sigmoid"],
    "log_likelihood": ["tanh", "tanh", "softmax"],
}


def case(cost, dtype="float64", scale=1.0):
    plain = plain_case(scale=scale, dtype=dtype, activations=COSTS[cost])
    Y = plain.Y / plain.Y.sum(axis=1, keepdims=True)
    return Case(plain.net, plain.X, Y, cost)


class WrongCost(makers.HadamardWrapper):
    """Right except for C."""

    name = "wrong_cost"
    factor = 1.0

    def gradient(self, network, tape, gradient):
        super().gradient(network, tape, gradient)
        gradient.cost = gradient.cost * tape.network.dtype.type(self.factor)


class TwiceTheCost(WrongCost):
    name = "twice_the_cost"
    factor = 2.0


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("cost", COSTS)
def test_a_wrong_cost_is_different_in_the_last_digits_too(cost, dtype):
    given = case(cost, dtype)
    right = fm.gradient(given.net, given.X, given.Y, cost=cost)
    c = fm.certify(given.net, given.X, given.Y, right, cost)
    assert (c.status, c.cost.status) == (Status.EQUAL, Status.EQUAL)
    wrong = right.copy()
    wrong.cost = right.cost * (1 + 1000 * np.finfo(dtype).eps)
    c = fm.certify(given.net, given.X, given.Y, wrong, cost)
    assert (c.status, c.equation, c.cause) == (Status.DIFFERENT, "C", None)
    assert all(line.status is Status.EQUAL for line in c.layers)
    assert c.reason.startswith("the cost: C is ")
    assert "The mistake is in the cost: C is " in str(c)
    assert c.to_dict()["cost"]["status"] == "different"


def test_certify_compare_and_the_check_of_a_backend_judge_it():
    given = case("quadratic")
    c = fm.certify(given.net, given.X, given.Y, TwiceTheCost())
    assert (c.status, c.equation) == (Status.DIFFERENT, "C")
    rows = fm.compare(given.net, given.X, given.Y, backends=[WrongCost(), TwiceTheCost()]).rows
    assert [str(row.status) for row in rows] == ["equal", "different"]
    assert rows[1].reason.startswith("the cost: ")
    assert rows[1].ratio > 1
    report = fm.check_backend(TwiceTheCost(), laws=["equal"], scenarios=["single_neuron"])
    assert report.broken


def test_a_candidate_without_a_cost_is_not_judged_on_it():
    given = case("quadratic")
    right = fm.gradient(given.net, given.X, given.Y)
    c = fm.certify(given.net, given.X, given.Y, (right.weights, right.biases))
    assert (c.status, c.cost) == (Status.EQUAL, None)
    right = right.copy()
    right.cost = np.array([1.0, 2.0])
    with pytest.raises(fm.exceptions.WrongShape, match="the cost of a candidate must be a single number"):
        fm.certify(given.net, given.X, given.Y, right)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0, -1.0])
def test_a_cost_that_is_not_finite_is_different(wrong):
    given = case("binary_cross_entropy")
    gradient = fm.gradient(given.net, given.X, given.Y, cost=given.cost).copy()
    gradient.cost = wrong
    assert fm.certify(given.net, given.X, given.Y, gradient, given.cost).equation == "C"


def test_both_mistakes_are_reported():
    given = case("quadratic")
    gradient = fm.gradient(given.net, given.X, given.Y).copy()
    gradient.weights[1][0, 0] *= 2
    gradient.cost *= 2
    c = fm.certify(given.net, given.X, given.Y, gradient)
    assert (c.layer, c.equation) == (3, "BP4")
    assert "The cost is wrong too: C is " in str(c)


def test_an_inconclusive_cost_leaves_the_verdict_on_the_gradient():
    # In float32 no digit of an exact fit's C is known, and the gradient is 0 on both sides.
    net = fm.Network([[[1.0]]], [[0.0]], ["identity"], dtype="float32")
    X = np.array([[1.0], [3.0]], "float32")
    gradient = fm.gradient(net, X, X).copy()
    gradient.cost = np.float32(1e-40)
    c = fm.certify(net, X, X, gradient)
    assert (c.status, c.cost.status) == (Status.EQUAL, Status.INCONCLUSIVE)


def by_outputs(given):
    """Return the cross-entropy as the book writes it, from the outputs."""
    with np.errstate(all="ignore"):
        a = given.net.forward(given.X, given.Y).output
        return -(given.Y * np.log(a) + (1 - given.Y) * np.log(1 - a)).sum() / len(given.X)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 8.0, 100.0])
def test_a_cost_from_elsewhere_may_be_computed_from_the_outputs(scale):
    given = case("binary_cross_entropy", scale=scale)
    gradient = fm.gradient(given.net, given.X, given.Y, cost=given.cost).copy()
    gradient.cost = by_outputs(given)
    tape = given.net.forward(given.X, given.Y, cost=given.cost)
    assert judge(tape, gradient, fm.Tier.ELSEWHERE).status is not Status.DIFFERENT
    if scale < 8:
        gradient.cost *= 1 + 1e-9
        assert judge(tape, gradient, fm.Tier.ELSEWHERE).status is Status.DIFFERENT


@pytest.mark.parametrize("flag", ["hadamard", "product", "per_neuron", "finite_difference", "complex_step"])
def test_the_cost_of_every_tier_is_equal(flag):
    plan, gradient = case("log_likelihood").computed(flag)
    assert judge_backend(plan.backend, plan.tape, gradient).cost.status is Status.EQUAL


class ClampedCost(WrongCost):
    """C by an exponential that is clamped to the normal numbers."""

    name = "clamped_cost"

    def gradient(self, network, tape, gradient):
        super().gradient(network, tape, gradient)
        gradient.cost = np.minimum(gradient.cost, 708.0)


def test_a_clamped_exponential_shows_in_the_cost_alone():
    net = fm.Network([[[1.0]]], [[-8000.0]], "sigmoid")
    c = fm.certify(net, [[0.0]], [[1.0]], ClampedCost(), "log_likelihood")
    assert (c.status, c.equation, c.cost.found, c.cost.expected) == (Status.DIFFERENT, "C", 708, 8000)
    assert fm.certify(net, [[0.0]], [[1.0]], "hadamard", "log_likelihood").cost.status is Status.EQUAL
