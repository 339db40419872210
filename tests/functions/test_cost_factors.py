"""A cost times a factor: every backend, oracle, bound and operator takes the factor from the examples' shares."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from fractions import Fraction

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import InvalidInput, MissingExtra, Refused, UnknownName
from formulations.functions.costs.table import get_cost
from formulations.training.checkpoints import described_cost
from formulations.training.steps.trainer import Trainer
from formulations.verification.conformance.law import NotAsked
from formulations.verification.conformance.laws.table import LAWS
from formulations.verification.conformance.problems import PROBLEMS
from formulations.verification.oracles.exact_products import exact_gauss_newton_product, exact_hessian_product
from formulations.verification.oracles.fifty_digits import gradient_in_digits, in_precision, product_in_digits
from formulations.verification.oracles.reference import reference_gradient

FACTOR = 4
"""A power of two, which rounds nothing: all that is linear in the cost is exactly four times as large."""

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
    """Return a network with its examples and weights, and the cost times four."""
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
        except (MissingExtra, NotAsked, Refused):
            continue
        answered += 1
        if complaint:
            found.append(f"{law}: {complaint}")
    return found, answered


COMPILED_FOR_EACH = pytest.param("autodiff_jax", marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "flag",
    [
        "hadamard:batch=example",
        *(COMPILED_FOR_EACH if flag == "autodiff_jax" else flag for flag in fm.list_backends()),
    ],
)
def test_every_backend_gives_the_gradient_of_the_scaled_cost(flag):
    for name, cost in [("factor", "2/3 quadratic"), *SCALED]:
        found, answered = complaints(flag, name, cost, "float64", ("equal", "value_belongs"))
        assert found == [], (name, cost)
        assert isinstance(answered, str) or answered, (name, cost)


@pytest.mark.slow
# autodiff_jax compiles for each problem; the conformance problem ``factor`` is one of its own tests.
@pytest.mark.parametrize(
    "flag", [*(flag for flag in fm.list_backends() if flag != "autodiff_jax"), "path_sum:batch=example"]
)
def test_every_backend_keeps_every_law_with_a_scaled_cost(flag):
    makers.skip_absent(flag)
    served = 0
    for name, cost in SCALED:
        found, answered = complaints(flag, name, cost, "float64", LAWS)
        assert found == [], (name, cost)
        served += not isinstance(answered, str) and answered > len(LAWS) // 2
    assert served >= (1 if flag in ("linear", "linear_collapse") else 3)


@pytest.mark.parametrize(("name", "cost"), SCALED)
def test_fifty_digits_have_the_factor(name, cost):
    pytest.importorskip("mpmath")
    given, scaled = problem(name, cost), get_cost(cost)
    unscaled = cost.partition(" ")[2]
    right = gradient_in_digits(given.network, given.X, given.Y, unscaled, given.sample_weight).vector
    found = gradient_in_digits(given.network, given.X, given.Y, scaled, given.sample_weight).vector
    expected = [scaled.factor.numerator * g / scaled.factor.denominator for g in right]
    # Fifty digits may differ in the last, and are rounded to sixteen.
    assert np.array_equal(*(in_precision(vector, np.dtype(float)) for vector in (found, expected)))


def test_fractions_have_the_factor():
    net, X, Y, _, _ = pair("integers")
    weights = [1, 2, 3, 1]
    whole, part = (fm.exact_gradient(net, X, Y, cost, weights) for cost in ("quadratic", "2/3 quadratic"))
    assert part.vector == [Fraction(2, 3) * entry for entry in whole.vector]
    assert part.cost == Fraction(2, 3) * whole.cost


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_tape_has_the_factor_in_all_but_the_shares_of_the_mean(dtype, weighted):
    net, X, Y, weights, scaled = pair(dtype=dtype)
    weights = weights if weighted else None
    whole, part = (net.forward(X, Y, cost=cost, sample_weight=weights) for cost in ("quadratic", scaled))
    for name in ("share_column", "cost_gradient", "cost_value"):
        assert (getattr(part, name) == FACTOR * getattr(whole, name)).all()
        assert getattr(part, name).dtype == net.dtype
    assert (part.mean_shares == whole.share_column).all() and (whole.mean_shares == whole.share_column).all()
    mine, right = map(reference_gradient, (part, whole))
    assert (mine.vector == FACTOR * right.vector).all() and mine.cost == FACTOR * right.cost


def test_shares_are_rounded_once():
    net, X, Y, _, _ = pair(dtype="float32")
    tape = net.forward(X, Y, cost="2/3 quadratic")
    assert (tape.share_column == np.float32(2 / (3 * len(X)))).all()


@pytest.mark.parametrize("operator", ["hessian", "gauss_newton"])
def test_operators_have_the_factor(operator):
    net, X, Y, weights, scaled = pair()
    v = np.random.default_rng(0).standard_normal(net.vector.size)
    make = getattr(fm, operator)
    whole, part = (make(net, X, Y, cost, sample_weight=weights) @ v for cost in ("quadratic", scaled))
    assert (part == FACTOR * whole).all()


@pytest.mark.slow
@pytest.mark.parametrize("operator", ["hessian", "gauss_newton"])
def test_products_in_fifty_digits_have_the_factor(operator):
    pytest.importorskip("mpmath")
    net, X, Y, weights, scaled = pair()
    v = np.random.default_rng(0).standard_normal(net.vector.size)
    whole, part = (
        in_precision(product_in_digits(net, X, Y, v, operator, cost, weights), np.dtype(float))
        for cost in ("quadratic", scaled)
    )
    assert (part == FACTOR * whole).all()


@pytest.mark.parametrize("exact", [exact_hessian_product, exact_gauss_newton_product])
def test_exact_products_have_the_factor(exact):
    net, X, Y, _, scaled = pair("integers")
    v = np.arange(1.0, net.vector.size + 1)
    assert exact(net, X, Y, v, cost=scaled) == [FACTOR * entry for entry in exact(net, X, Y, v)]


def test_quantities_of_single_examples_are_those_of_their_scaled_costs():
    net, X, Y, _, scaled = pair()
    for of in (fm.per_example_gradients, fm.per_example_norms, fm.input_gradient):
        whole, part = (of(net, X, Y, cost) for cost in ("quadratic", scaled))
        whole, part = (getattr(each, "vectors", each) for each in (whole, part))
        assert np.array_equal(part, FACTOR * np.asarray(whole))
    # Four times the limit clips the same examples.
    limit = float(np.median(fm.per_example_norms(net, X, Y)))
    whole, part = fm.clipped_gradient(net, X, Y, limit), fm.clipped_gradient(net, X, Y, FACTOR * limit, scaled)
    assert (part.vector == FACTOR * whole.vector).all()


def test_the_residuals_of_an_objective_have_the_root_of_the_factor():
    net, X, Y, weights, scaled = pair()
    whole, part = (fm.objective(net, X, Y, cost, sample_weight=weights) for cost in ("quadratic", scaled))
    v = whole.x0
    assert part.fun(v) == FACTOR * whole.fun(v) and (part.jac(v) == FACTOR * whole.jac(v)).all()
    assert (part.residuals(v) == 2 * whole.residuals(v)).all()
    jacobians = [each.residual_jacobian(v).to_dense() for each in (whole, part)]
    assert (jacobians[1] == 2 * jacobians[0]).all()


@pytest.mark.parametrize("backend", ["hadamard", "fused", "finite_difference"])
@pytest.mark.parametrize("settings", [{}, {"momentum": 0.5}])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_smaller_learning_rate_makes_up_for_the_factor(backend, settings, weighted):
    if backend == "fused":
        pytest.importorskip("numba")
    found = []
    for cost, factor in (("quadratic", 1), (f"{FACTOR} quadratic", FACTOR)):
        net, X, Y, weights, _ = pair()
        history = fm.sgd(
            net, X, Y, epochs=3, batch_size=2, learning_rate=0.5 / factor, cost=cost, backend=backend, seed=0,
            sample_weight=weights if weighted else None, **settings,
        )  # fmt: skip
        found.append((net.vector.tolist(), [value / factor for value in history.costs]))
    assert found[0] == found[1]


def test_a_trainer_without_compiled_steps_takes_the_factor_too():
    found = []
    for cost, factor in (("quadratic", 1), (f"{FACTOR} quadratic", FACTOR)):
        net, X, Y, weights, _ = pair()
        trainer = Trainer(net, X, Y, cost=get_cost(cost), batch_size=len(X), rate=0.5 / factor, sample_weight=weights)
        values = [trainer.descend(X, Y, weights)[0] / factor for _ in range(3)]
        found.append((net.vector.tolist(), values))
    assert found[0] == found[1]


def test_chunks_add_up_to_the_scaled_gradient():
    found = []
    for cost in ("quadratic", f"{FACTOR} quadratic"):
        net, X, Y, weights, _ = pair()
        plan = fm.prepare(net, "auto", cost, memory="1MB")
        found.append(plan.over([(X[:3], Y[:3], weights[:3]), (X[3:], Y[3:], weights[3:])]).copy())
    assert (found[1].vector == FACTOR * found[0].vector).all() and found[1].cost == FACTOR * found[0].cost


def test_diagnosis_measures_errors_of_the_scaled_costs_and_activations_of_the_mean():
    net, X, Y, weights, scaled = pair()
    whole, part = (fm.diagnose(net, X, Y, cost, sample_weight=weights) for cost in ("quadratic", scaled))
    for mine, other in zip(whole.layers, part.layers, strict=True):
        assert other.error_rms == FACTOR * mine.error_rms
        assert (other.activation_rms, other.by_slopes) == (mine.activation_rms, mine.by_slopes)


def test_certify_judges_the_scaled_gradient_and_tells_it_from_the_unscaled():
    net, X, Y, weights, scaled = pair()
    right = fm.gradient(net, X, Y, scaled, sample_weight=weights)
    assert fm.certify(net, X, Y, right, scaled, sample_weight=weights)
    wrong = fm.gradient(net, X, Y, sample_weight=weights)
    assert not fm.certify(net, X, Y, wrong, scaled, sample_weight=weights)


def test_a_name_with_a_factor_is_the_cost():
    cost = get_cost("2/3 quadratic")
    assert get_cost("2/3 quadratic") is cost
    assert (cost.name, cost.factor, get_cost(cost)) == ("2/3 quadratic", Fraction(2, 3), cost)
    assert get_cost("4/6 quadratic").name == "2/3 quadratic"
    assert get_cost("3 log_likelihood").factor == 3
    assert get_cost("1 quadratic").name == "quadratic"
    assert get_cost("quadratic").factor == 1, "the cost in the table stays as it is"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("2/3 mse", "unknown cost 'mse'; .* Did you mean 'quadratic'"),
        ("2/3quadratic", "unknown cost"),
        ("-1 quadratic", "positive integer or fraction of at most 8 digits, got '-1'; .*'2/3 quadratic'"),
        ("0.5 quadratic", "got '0.5'"),
        ("1/0 quadratic", "got '1/0'"),
        ("123456789 quadratic", "at most 8 digits, got '123456789'"),
        ("0 quadratic", "positive int or Fraction, got"),
        ("16777217 quadratic", "at most 16777216, got 16777217; pass a smaller one"),
        ("1/16777217 quadratic", r"got 1/16777217; .* factor\.limit_denominator"),
    ],
)
def test_a_wrong_factor_in_a_name_is_refused(name, message):
    with pytest.raises((UnknownName, InvalidInput), match=message):
        get_cost(name)


@pytest.mark.parametrize("factor", [0, -1, 0.5, "2", None, True, Fraction(1, 2**25), Fraction(0.1)])
def test_only_ratios_of_small_integers_are_factors(factor):
    with pytest.raises(InvalidInput, match="a cost's factor must"):
        get_cost("quadratic").times(factor)


def test_factors_multiply_and_a_factor_of_one_leaves_the_name():
    cost = get_cost("quadratic").times(Fraction(2, 3)).times(np.int64(3))
    assert (cost.name, cost.factor) == ("2 quadratic", 2)
    back = cost.times(Fraction(1, 2))
    assert (back.name, back.factor) == ("quadratic", 1)


def test_copies_keep_the_factor():
    cost = get_cost("quadratic").times(Fraction(2, 3))
    for again in (copy.copy(cost), copy.deepcopy(cost), pickle.loads(pickle.dumps(cost))):
        assert (type(again), again.name, again.factor) == (type(cost), "2/3 quadratic", Fraction(2, 3))


def test_a_custom_cost_has_factors_too():
    halves = fm.cost(lambda A, Y: ((A - Y) ** 2).sum(axis=1) / 2, lambda A, Y: A - Y, name="halves")
    net, X, Y, weights, scaled = pair()
    mine = fm.gradient(net, X, Y, halves.times(FACTOR), sample_weight=weights)
    right = fm.gradient(net, X, Y, scaled, sample_weight=weights)
    assert (mine.vector == right.vector).all()
    assert fm.certify(net, X, Y, mine, halves.times(FACTOR), sample_weight=weights)
    assert halves.times(FACTOR).name == "4 halves"


def test_a_checkpoint_tells_costs_with_other_factors_apart():
    net, _, Y, _, scaled = pair()
    halves = fm.cost(lambda A, Y: ((A - Y) ** 2).sum(axis=1) / 2, lambda A, Y: A - Y, name="halves")
    for cost in (get_cost("quadratic"), halves):
        assert described_cost(net, cost, Y) != described_cost(net, cost.times(FACTOR), Y)
    assert described_cost(net, scaled, Y) == "4 quadratic"


def test_a_training_is_measured_against_the_scaled_cost_of_a_constant():
    net, X, Y, weights, scaled = pair()
    costs = [
        fm.sgd(net.copy(), X, Y, epochs=1, batch_size=2, learning_rate=0.1, cost=cost, seed=0, sample_weight=weights)
        for cost in ("quadratic", scaled)
    ]
    assert costs[1].constant_cost == FACTOR * costs[0].constant_cost


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
