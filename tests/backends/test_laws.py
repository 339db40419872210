"""The laws of the contract, beyond the suite's checks: exactly on integers, and with user-supplied input."""

from __future__ import annotations

import bounds
import exact
import makers
import numpy as np
import pytest

import formulations as fm
from formulations.data.scenarios import SCENARIOS
from formulations.exceptions import Refused
from formulations.functions.costs.table import get_cost
from formulations.verification.conformance.law import answer, apart
from formulations.verification.conformance.laws.sums import weight_zero

HALF_SQUARES = fm.cost(lambda A, Y: ((A - Y) ** 2).sum(axis=1) / 2, lambda A, Y: A - Y, name="half_squares")
OVERLAP = fm.cost(lambda A, Y: (A * Y).sum(axis=1), lambda A, Y: Y + 0 * A, name="overlap")


def mixed(alpha: int, beta: int) -> fm.Cost:
    """Return αC + βC′, whose ∇_a is α∇_aC + β∇_aC′."""
    return fm.cost(
        lambda A, Y: alpha * ((A - Y) ** 2).sum(axis=1) / 2 + beta * (A * Y).sum(axis=1),
        lambda A, Y: alpha * (A - Y) + beta * Y,
        name="mixed",
    )


MIXED = mixed(2, -3)


def integers(flag: str):
    """Return integer networks with data, which this backend serves, without sample weights."""
    for seed in (0, 2, 3, 4, 6, 8):
        linear = exact.served(flag, seed)
        case = exact.case(seed, bool(linear))[0]
        yield case.network("float64"), np.array(case.X, float), np.array(case.Y, float)


def sole_example_gradients(flag, net, X, Y, **options):
    return [fm.gradient(net, X[x : x + 1], Y[x : x + 1], backend=flag, **options) for x in range(len(X))]


def test_linear_in_the_cost_gradient_exactly(analytic):
    if not makers.serves(analytic, next(integers(analytic))[0], HALF_SQUARES):
        pytest.skip("it serves no cost of one's own")
    for net, X, Y in integers(analytic):
        first, second, both = (fm.gradient(net, X, Y, cost, analytic) for cost in (HALF_SQUARES, OVERLAP, MIXED))
        assert np.array_equal(both.vector, 2 * first.vector - 3 * second.vector)
        assert both.cost == 2 * first.cost - 3 * second.cost


def test_batch_is_the_mean_of_its_examples_exactly(analytic):
    for net, X, Y in integers(analytic):
        whole = fm.gradient(net, X, Y, backend=analytic)
        alone = sole_example_gradients(analytic, net, X, Y)
        assert np.array_equal(whole.vector, sum(g.vector for g in alone) / len(X))
        assert whole.cost == sum(g.cost for g in alone) / len(X)


def test_an_example_of_weight_zero_is_left_out_exactly(analytic):
    for net, X, Y in integers(analytic):
        if len(X) > 1:
            weights = np.arange(len(X)) < len(X) // 2
            half = slice(0, len(X) // 2)
            masked = fm.gradient(net, X, Y, backend=analytic, sample_weight=weights)
            assert np.array_equal(masked.vector, fm.gradient(net, X[half], Y[half], backend=analytic).vector)


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "digits"])
@pytest.mark.slow
def test_an_example_of_weight_zero_is_left_out_whatever_it_leads_to(backend, scenario):
    problem, subject = SCENARIOS[scenario](), fm.get_backend(backend)
    net, cost, n = problem.network, problem.cost, len(problem.X)
    if reason := subject.why_not(net, get_cost(cost)):
        pytest.skip(reason)
    assert weight_zero(subject, problem) is None
    # First, and last, and in a chunk by itself.
    extreme = np.full_like(problem.X[:1], np.finfo(net.dtype).max)
    X, Y = np.vstack([extreme, problem.X, -extreme]), np.vstack([problem.Y[:1], problem.Y, problem.Y[:1]])
    weights = np.pad(np.ones(n) if problem.sample_weight is None else problem.sample_weight, 1)
    whole = fm.gradient(net, X, Y, cost, subject, weights)
    assert np.isfinite(net.forward(X, Y, cost=cost, sample_weight=weights).cost_value)
    for delta in whole.errors or ():
        assert not delta[[0, -1]].any()
    alone, ordinary = answer(subject, problem), np.vstack([problem.X[:1], problem.X, problem.X[:1]])
    bound = alone.bound + answer(subject, problem, X=ordinary, Y=Y, sample_weight=weights).bound
    assert apart(whole.vector, alone.gradient.vector, bound, "whole") is None
    plan = fm.prepare(net, "auto", cost, subject)
    chunked = plan.over([(X, Y, weights), (extreme, Y[:1], [0])])
    # The sum is scaled by the largest weight and divided by the sum of the weights: 6 roundings at most.
    bound += bounds.gamma(6, net.dtype) * np.abs(whole.vector)
    assert apart(chunked.vector, alone.gradient.vector, bound, "chunked") is None


def test_order_of_examples_does_not_matter_exactly(analytic):
    for net, X, Y in integers(analytic):
        order = np.random.default_rng(0).permutation(len(X))
        straight, shuffled = (fm.gradient(net, *pair, backend=analytic) for pair in ((X, Y), (X[order], Y[order])))
        assert np.array_equal(straight.vector, shuffled.vector)
        for delta, mine in zip(straight.errors or (), shuffled.errors or (), strict=True):
            assert np.array_equal(delta[order], mine)


@pytest.mark.parametrize("dtype", makers.DTYPES)
def test_booleans_and_integers_become_the_networks_dtype(backend, dtype):
    net = makers.network(backend, dtype=dtype)
    X, Y = makers.data(net)
    for given in ((X > 0, Y > 0.5), (X.astype(int), Y)):
        g = fm.gradient(net, *given, backend=backend)
        arrays = [g.vector, g.cost, *g.weights, *g.biases, *(g.errors or ())]
        assert {array.dtype for array in arrays} == {np.dtype(dtype)}


@pytest.mark.parametrize("cost", makers.COST_NAMES)
def test_value_and_gradient_belong_to_the_same_cost(backend, cost):
    net = makers.network(backend)
    if not makers.serves(backend, net, cost) or (cost != "quadratic" and net.activations[-1].name == "identity"):
        cost = "quadratic"
    X, Y = makers.data(net)
    g = fm.gradient(net, X, Y, cost, backend)
    assert abs(g.cost - net.forward(X, Y, cost=cost).cost_value) <= 2 * bounds.propagated(net, X, Y, cost).cost
    direction = np.random.default_rng(5).choice([-1.0, 1.0], size=net.vector.size)

    def quotient(h: float) -> float:
        ahead, behind = (
            fm.gradient(net.with_vector(net.vector + sign * h * direction), X, Y, cost, backend).cost
            for sign in (1, -1)
        )
        return (ahead - behind) / (2 * h)

    h = 2.0**-16
    rounding = 2 * bounds.propagated(net, X, Y, cost).cost / h
    # Second order: a third of D_h − D_2h is the truncation; twice that leaves buffer for the next order.
    truncation = 2 / 3 * (abs(quotient(h) - quotient(2 * h)) + 2 * rounding)
    slack = bounds.distance(backend, net, X, Y, cost).sum()
    assert abs(quotient(h) - g.vector @ direction) <= truncation + rounding + slack


def test_refusals_are_exceptions_with_the_reason():
    net = makers.network()
    refused = {name: reason for name, reason in fm.which(net).items() if reason}
    assert "linear" in refused
    X, Y = makers.data(net)
    for name, reason in refused.items():
        able = [other for other, why in fm.which(net).items() if why is None]
        with pytest.raises(Refused) as caught:
            fm.gradient(net, X, Y, backend=name)
        assert reason in str(caught.value)
        assert str(caught.value).endswith(f"backends that can: {', '.join(able)}.")
