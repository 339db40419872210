"""A cost times a factor: every backend, oracle, bound and operator takes the factor from the examples' shares."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import InvalidInput, MissingExtra, Refused, UnknownName
from formulations.functions.costs.table import get_cost
from formulations.operators import Objective
from formulations.training.checkpoints import described_cost
from formulations.training.steps.trainer import Trainer
from formulations.verification.conformance.laws.table import LAWS
from formulations.verification.conformance.problems import PROBLEMS
from formulations.verification.oracles.exact_products import exact_gauss_newton_product, exact_hessian_product
from formulations.verification.oracles.fifty_digits import gradient_in_digits, in_precision, product_in_digits
from formulations.verification.oracles.reference import reference_gradient

FACTOR = Fraction(2, 3)
SCALED = [
    ("one_example", "2/3 quadratic"),
    ("sparse", "5/7 quadratic"),
    ("linear_integers", "1/2 quadratic"),
    ("cross_entropy", "1/3 binary_cross_entropy"),
    ("soft_targets", "3 log_likelihood"),
    ("log_likelihood_of_sigmoids", "2/3 log_likelihood"),
]
"""Conformance problems and the cost that each gets: with and without weights, combined forms and exact integers. The
problem ``factor`` belongs to every check of a backend."""


def problem(name, cost, dtype="float64"):
    return replace(PROBLEMS[name](dtype), cost=cost, expected=None)


def pair(name="weighted", cost="quadratic", dtype="float64"):
    """Return a network with its examples and weights, and the cost times 2/3."""
    given = problem(name, cost, dtype)
    return given.network, given.X, given.Y, given.sample_weight, get_cost(cost).times(FACTOR)


def complaints(flag, name, cost, dtype, laws):
    """Return what the laws complain about, and how many of them the backend answered."""
    backend, given, found, answered = fm.get_backend(flag), problem(name, cost, dtype), [], 0
    if reason := backend.why_not(given.network, get_cost(given.cost)):
        return [], reason
    for law in laws:
        try:
            with np.errstate(all="ignore"):
                complaint = LAWS[law].complaint(backend, given)
        except (Refused, MissingExtra):
            continue
        answered += 1
        if complaint:
            found.append(f"{law}: {complaint}")
    return found, answered


COMPILED_FOR_EACH = pytest.param("autodiff_jax", marks=pytest.mark.slow)


@pytest.mark.parametrize("flag", [COMPILED_FOR_EACH if flag == "autodiff_jax" else flag for flag in fm.list_backends()])
def test_every_backend_gives_the_gradient_of_the_scaled_cost(flag):
    for name, cost in [("factor", "2/3 quadratic"), *SCALED]:
        found, answered = complaints(flag, name, cost, "float64", ("equal", "value_belongs"))
        assert found == [], (name, cost)
        assert isinstance(answered, str) or answered, (name, cost)


@pytest.mark.slow
@pytest.mark.parametrize("flag", [*fm.list_backends(), "hadamard:batch=example", "path_sum:batch=example"])
def test_every_backend_keeps_every_law_with_a_scaled_cost(flag):
    served = 0
    for name, cost in SCALED:
        found, answered = complaints(flag, name, cost, "float64", LAWS)
        assert found == [], (name, cost)
        served += not isinstance(answered, str) and answered > len(LAWS) // 2
    assert served >= (1 if flag in ("linear", "linear_collapse") else 3)


@pytest.mark.parametrize(("name", "cost"), SCALED)
def test_the_reference_is_the_gradient_in_fifty_digits_times_the_factor(name, cost):
    pytest.importorskip("mpmath")
    given, scaled = problem(name, cost), get_cost(cost)
    unscaled = cost.split(" ")[1]
    exact = gradient_in_digits(given.network, given.X, given.Y, unscaled, given.sample_weight)
    expected = np.array([float(scaled.factor.numerator * g / scaled.factor.denominator) for g in exact.vector])
    tape = given.network.forward(given.X, given.Y, cost=scaled, sample_weight=given.sample_weight)
    found = reference_gradient(tape)
    # The shares on the tape are rounded to float64, and the sums of the reference lose far less.
    assert np.allclose(found.vector.astype(float), expected, rtol=0, atol=8 * np.finfo(float).eps * abs(expected).max())
    digits = gradient_in_digits(given.network, given.X, given.Y, scaled, given.sample_weight)
    assert np.array_equal(in_precision(digits.vector, np.dtype(float)), expected)


def test_exact_fractions_hold_the_factor():
    net, X, Y, _, scaled = pair("integers")
    weights = [1, 2, 3, 1]
    whole, part = (fm.exact_gradient(net, X, Y, cost, weights) for cost in ("quadratic", scaled))
    assert part.vector == [FACTOR * entry for entry in whole.vector]
    assert part.cost == FACTOR * whole.cost


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("weighted", [False, True])
def test_value_and_gradient_are_those_of_the_mean_squared_error(dtype, weighted):
    net, X, Y, weights, scaled = pair(dtype=dtype)
    weights = weights if weighted else None
    A = net(X)
    # mean over examples and outputs
    errors = ((A - Y) ** 2).mean(axis=1)
    found = fm.gradient(net, X, Y, scaled, sample_weight=weights)
    assert abs(found.cost - np.average(errors, weights=weights)) <= 8 * np.finfo(dtype).eps * found.cost
    assert found.cost.dtype == net.dtype
    tape = net.forward(X, Y, cost=scaled, sample_weight=weights)
    shares = np.full((len(X), 1), net.dtype.type(1) / len(X)) if weights is None else (weights / weights.sum())[:, None]
    assert np.allclose(tape.cost_gradient, 2 * shares * (A - Y) / 3, rtol=8 * np.finfo(dtype).eps, atol=0)
    assert np.allclose(tape.mean_shares, shares, rtol=4 * np.finfo(dtype).eps, atol=0)


def test_batches_without_weights_round_the_share_once():
    net, X, Y, _, scaled = pair(dtype="float32")
    tape = net.forward(X, Y, cost=scaled)
    assert (tape.share_column == np.float32(2 / (3 * len(X)))).all()


@pytest.mark.parametrize("operator", ["hessian", "gauss_newton"])
def test_operators_are_those_of_the_scaled_cost(operator):
    net, X, Y, weights, scaled = pair()
    v = np.random.default_rng(0).standard_normal(net.vector.size)
    make = getattr(fm, operator)
    whole, part = (make(net, X, Y, cost, sample_weight=weights) @ v for cost in ("quadratic", scaled))
    assert np.allclose(part, 2 / 3 * whole, rtol=1e-13, atol=1e-13 * abs(whole).max())
    pytest.importorskip("mpmath")
    digits = [
        in_precision(product_in_digits(net, X, Y, v, operator, cost, weights), np.dtype(float))
        for cost in ("quadratic", scaled)
    ]
    assert np.allclose(digits[1], 2 / 3 * digits[0], rtol=4e-16, atol=0)


@pytest.mark.parametrize("exact", [exact_hessian_product, exact_gauss_newton_product])
def test_exact_products_take_the_factor(exact):
    net, X, Y, _, scaled = pair("integers")
    v = np.arange(1.0, net.vector.size + 1)
    assert exact(net, X, Y, v, cost=scaled) == [FACTOR * entry for entry in exact(net, X, Y, v)]


def test_per_example_quantities_are_those_of_the_scaled_costs():
    net, X, Y, _, scaled = pair()
    for of in (fm.per_example_gradients, fm.per_example_norms, fm.input_gradient):
        whole, part = (of(net, X, Y, cost) for cost in ("quadratic", scaled))
        whole, part = (getattr(each, "vectors", each) for each in (whole, part))
        assert np.allclose(part, 2 / 3 * whole, rtol=1e-13, atol=1e-16)
    # A limit of 2/3 on 2/3 of each gradient clips the same examples.
    norms = fm.per_example_norms(net, X, Y)
    limit = float(np.median(norms))
    whole = fm.clipped_gradient(net, X, Y, limit)
    part = fm.clipped_gradient(net, X, Y, 2 / 3 * limit, scaled)
    assert np.allclose(part.vector, 2 / 3 * whole.vector, rtol=1e-12, atol=1e-16)


def test_the_objective_and_its_residuals_belong_together():
    net, X, Y, weights, scaled = pair()
    objective = fm.objective(net, X, Y, scaled, sample_weight=weights)
    assert isinstance(objective, Objective)
    residuals = objective.residuals(objective.x0)
    assert np.isclose(0.5 * residuals @ residuals, objective.fun(objective.x0), rtol=1e-14)
    jacobian = objective.residual_jacobian(objective.x0).to_dense()
    assert np.allclose(jacobian.T @ residuals, objective.jac(objective.x0), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("backend", ["hadamard", "fused", "finite_difference"])
@pytest.mark.parametrize("settings", [{}, {"momentum": 0.5}])
@pytest.mark.parametrize("weighted", [False, True])
def test_steps_descend_on_the_scaled_cost(backend, settings, weighted):
    if backend == "fused":
        pytest.importorskip("numba")
    found = []
    for cost, factor in (("quadratic", 1), (get_cost("2/3 quadratic"), 2 / 3)):
        net, X, Y, weights, _ = pair()
        history = fm.sgd(
            net, X, Y, epochs=3, batch_size=2, learning_rate=0.5 / factor, cost=cost, backend=backend, seed=0,
            sample_weight=weights if weighted else None, **settings,
        )  # fmt: skip
        found.append((net.vector, np.array(history.costs) / factor))
    # An η of 3/2 makes up for the factor.
    tolerance = 1e-6 if backend == "finite_difference" else 1e-13
    assert np.allclose(found[0][0], found[1][0], rtol=tolerance, atol=tolerance)
    assert np.allclose(found[0][1], found[1][1], rtol=tolerance)


def test_a_trainer_without_compiled_steps_takes_the_factor_too():
    vectors = []
    for cost, rate in (("quadratic", 0.3), ("2/3 quadratic", 0.45)):
        net, X, Y, weights, _ = pair()
        trainer = Trainer(net, X, Y, cost=get_cost(cost), batch_size=len(X), rate=rate, sample_weight=weights)
        for _ in range(3):
            value, weight = trainer.descend(X, Y, weights)
        vectors.append((net.vector, value / weight))
    assert np.allclose(vectors[0][0], vectors[1][0], rtol=1e-14, atol=1e-15)
    assert np.isclose(vectors[1][1], 2 / 3 * vectors[0][1], rtol=1e-14)


def test_chunks_add_up_to_the_scaled_gradient():
    net, X, Y, weights, scaled = pair()
    plan = fm.prepare(net, "auto", scaled, memory="1MB")
    found = plan.over([(X[:3], Y[:3], weights[:3]), (X[3:], Y[3:], weights[3:])])
    expected = fm.gradient(net, X, Y, scaled, sample_weight=weights)
    assert np.allclose(found.vector, expected.vector, rtol=1e-13, atol=1e-16)
    assert np.isclose(found.cost, expected.cost, rtol=1e-14)


def test_diagnosis_measures_errors_of_the_scaled_costs_and_activations_of_the_mean():
    net, X, Y, weights, scaled = pair()
    whole, part = (fm.diagnose(net, X, Y, cost, sample_weight=weights) for cost in ("quadratic", scaled))
    for mine, other in zip(whole.layers, part.layers, strict=True):
        assert np.isclose(other.error_rms, 2 / 3 * mine.error_rms, rtol=1e-13)
        assert np.isclose(other.activation_rms, mine.activation_rms, rtol=1e-14)
        assert np.isclose(other.by_slopes, mine.by_slopes, rtol=1e-13)


def test_certify_judges_the_scaled_gradient_and_tells_it_from_the_unscaled():
    net, X, Y, weights, scaled = pair()
    right = fm.gradient(net, X, Y, scaled, sample_weight=weights)
    assert fm.certify(net, X, Y, right, scaled, sample_weight=weights)
    wrong = fm.gradient(net, X, Y, sample_weight=weights)
    assert not fm.certify(net, X, Y, wrong, scaled, sample_weight=weights)


def test_a_name_with_a_factor_is_the_cost():
    cost = get_cost("2/3 quadratic")
    assert get_cost("2/3 quadratic") is cost
    assert (cost.name, cost.factor, get_cost(cost)) == ("2/3 quadratic", FACTOR, cost)
    assert get_cost("4/6 quadratic").name == "2/3 quadratic"
    assert get_cost("3 log_likelihood").factor == 3
    assert get_cost("1 quadratic").name == "quadratic"
    assert get_cost("quadratic").factor == 1, "the cost in the table stays as it is"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("2/3 mse", "unknown cost 'mse'; .* Did you mean 'quadratic'"),
        ("2/3quadratic", "unknown cost"),
        ("-1 quadratic", "unknown cost"),
        ("0.5 quadratic", "unknown cost"),
        ("1/0 quadratic", "unknown cost"),
        ("0 quadratic", "positive int or Fraction, got"),
        ("16777217 quadratic", "at most 16777216, got 16777217"),
    ],
)
def test_a_wrong_factor_in_a_name_is_refused(name, message):
    with pytest.raises((UnknownName, InvalidInput), match=message):
        get_cost(name)


@pytest.mark.parametrize("factor", [0, -1, 0.5, "2", None, Fraction(1, 2**25), Fraction(0.1)])
def test_only_ratios_of_small_integers_are_factors(factor):
    with pytest.raises(InvalidInput, match="a cost's factor must"):
        get_cost("quadratic").times(factor)


def test_factors_multiply_and_a_factor_of_one_leaves_the_name():
    cost = get_cost("quadratic").times(FACTOR).times(np.int64(3))
    assert (cost.name, cost.factor) == ("2 quadratic", 2)
    back = cost.times(Fraction(1, 2))
    assert (back.name, back.factor) == ("quadratic", 1)


def test_copies_keep_the_factor():
    cost = get_cost("quadratic").times(FACTOR)
    for again in (copy.copy(cost), copy.deepcopy(cost), pickle.loads(pickle.dumps(cost))):
        assert (type(again), again.name, again.factor) == (type(cost), cost.name, FACTOR)


def test_a_custom_cost_has_factors_too():
    halves = fm.cost(lambda A, Y: ((A - Y) ** 2).sum(axis=1) / 2, lambda A, Y: A - Y, name="halves")
    net, X, Y, weights, scaled = pair()
    mine = fm.gradient(net, X, Y, halves.times(FACTOR), sample_weight=weights)
    right = fm.gradient(net, X, Y, scaled, sample_weight=weights)
    assert np.allclose(mine.vector, right.vector, rtol=1e-14, atol=1e-17)
    assert fm.certify(net, X, Y, mine, halves.times(FACTOR), sample_weight=weights)
    assert halves.times(FACTOR).name == "2/3 halves"


def test_a_checkpoint_tells_costs_with_other_factors_apart():
    net, _, Y, _, scaled = pair()
    halves = fm.cost(lambda A, Y: ((A - Y) ** 2).sum(axis=1) / 2, lambda A, Y: A - Y, name="halves")
    for cost in (get_cost("quadratic"), halves):
        assert described_cost(net, cost, Y) != described_cost(net, cost.times(FACTOR), Y)
    assert described_cost(net, scaled, Y) == "2/3 quadratic"


def test_a_training_is_measured_against_the_scaled_cost_of_a_constant():
    net, X, Y, weights, scaled = pair()
    costs = [
        fm.sgd(net.copy(), X, Y, epochs=1, batch_size=2, learning_rate=0.1, cost=cost, seed=0, sample_weight=weights)
        for cost in ("quadratic", scaled)
    ]
    assert np.isclose(costs[1].constant_cost, 2 / 3 * costs[0].constant_cost, rtol=1e-14)


def test_integers_are_classes_for_a_scaled_cross_entropy_too():
    net = fm.Network.random([4, 3], "identity", seed=0)
    X, labels = np.zeros((3, 4)), [0, 1, 2]
    with pytest.raises(InvalidInput, match="2/3 quadratic cost, got 3 integers"):
        fm.sgd(net, X, labels, epochs=1, batch_size=3, learning_rate=0.1, cost="2/3 quadratic")
    with pytest.raises(InvalidInput, match="needs outputs in"):
        # Taken as classes: what is wrong are the outputs.
        fm.sgd(net, X - 1, labels, epochs=1, batch_size=3, learning_rate=0.1, cost="1/3 binary_cross_entropy")


@pytest.mark.parametrize("cost", ["quadratic", "2/3 quadratic"])
def test_the_cause_of_a_mistake_is_found_with_a_scaled_cost(cost):
    net, X, Y, weights, _ = pair()
    dropped = fm.gradient(net, X[:-1], Y[:-1], cost).vector
    cause = fm.certify(net, X, Y, dropped, cost).cause
    assert "example" in str(cause) and "left out" in str(cause)
    unweighted = fm.gradient(net, X, Y, cost).vector
    cause = fm.certify(net, X, Y, unweighted, cost, sample_weight=weights).cause
    assert "the sample weights are ignored" in str(cause)


def test_random_targets_suit_a_scaled_cost():
    from formulations.data.problems import make_problem

    given = make_problem([4, 5, 3], ["tanh", "softmax"], cost="3 log_likelihood", count=6)
    assert set(given.Y.ravel()) == {0, 1} and (given.Y.sum(axis=1) == 1).all()
