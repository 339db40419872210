"""Every scenario with a closed form, computed by every backend."""

from __future__ import annotations

import numpy as np
import pytest
from makers import ANALYTIC, serves

import formulations as fm
from formulations.data.digits.reader import load_digits
from formulations.data.problems import make_problem
from formulations.data.scenarios import SCENARIOS
from formulations.exceptions import InvalidInput, WrongShape

CLOSED = [name for name in SCENARIOS if SCENARIOS[name]().expected is not None]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("flag", ANALYTIC)
def test_every_backend_finds_the_closed_forms(flag, dtype):
    problems = {name: SCENARIOS[name](dtype) for name in CLOSED}
    served = {name: each for name, each in problems.items() if serves(flag, each.network, each.cost)}
    if not served:
        pytest.skip("refused")
    for name, problem in served.items():
        g = fm.gradient(problem.network, problem.X, problem.Y, problem.cost, flag, problem.sample_weight)
        # The closed forms are evaluated in double precision; six layers of at most 16 operations each round in dtype.
        u = max(np.finfo(dtype).eps, np.finfo("float64").eps) / 2
        assert np.all(np.abs(g.vector - problem.expected) <= 6 * 16 * u * np.abs(problem.expected)), name


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_has_the_requested_dtype(name):
    problem = SCENARIOS[name]("float32")
    arrays = [problem.network.vector, problem.X, problem.Y, problem.expected, problem.sample_weight]
    assert {array.dtype for array in arrays if array is not None} == {np.dtype("float32")}
    assert SCENARIOS[name].name == name


def test_the_saturated_neuron_still_has_a_slope():
    problem = SCENARIOS["saturated_neuron"]()
    assert 0 < problem.expected[0] < 1e-17


def test_the_problem_made_by_default_is_the_digits_and_begins_with_the_scenario():
    problem, scenario = make_problem(), SCENARIOS["digits"]()
    for found, expected in zip(problem.split(), load_digits(), strict=True):
        assert np.array_equal(found, expected)
    assert np.array_equal(problem.network.vector, scenario.network.vector)
    assert np.array_equal(problem.first(10).X, scenario.X) and np.array_equal(problem.first(10).Y, scenario.Y)


@pytest.mark.parametrize(("m", "trained", "tested"), [(1, 1, 1), (2, 1, 1), (5, 4, 1), (9, 7, 2), (20, 16, 4)])
def test_data_are_split_four_to_one_in_their_order(m, trained, tested):
    X, Y = np.arange(3.0 * m).reshape(m, 3), np.zeros((m, 2))
    problem = make_problem(data=(X, Y))
    assert problem.network.sizes == (3, 30, 2)
    X_train, Y_train, X_test, Y_test = problem.split()
    assert (len(X_train), len(Y_train), len(X_test), len(Y_test)) == (trained, trained, tested, tested)
    assert np.array_equal(X_train, X[:trained]) and np.array_equal(X_test, X[-tested:])


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
def test_other_networks_get_random_examples_from_the_seed_and_nothing_to_learn(dtype):
    problem, again = (make_problem([3, 4, 2], "tanh", seed=5, dtype=dtype, count=7) for _ in range(2))
    assert problem.X.shape == (7, 3) and problem.Y.shape == (7, 2)
    assert problem.X.dtype == problem.Y.dtype == problem.network.dtype == np.dtype(dtype)
    assert np.array_equal(problem.X, again.X) and np.array_equal(problem.network.vector, again.network.vector)
    with pytest.raises(InvalidInput, match="the embedded digits have 64 and 10"):
        problem.split()


def test_data_that_do_not_fit_are_refused():
    with pytest.raises(WrongShape, match="n₁, the input layer"):
        make_problem([4, 2], data=(np.zeros((5, 3)), np.zeros((5, 2))))
    with pytest.raises(WrongShape, match="X must have shape"):
        make_problem(data=(np.zeros(3), np.zeros(3)))


def test_the_first_examples_keep_their_weights_and_lose_the_answer():
    problem = SCENARIOS["weighted_examples"]().first(1)
    assert len(problem.X) == len(problem.Y) == 1
    assert problem.sample_weight.tolist() == [1] and problem.expected is None


def test_a_split_gives_each_class_its_share_of_both_parts():
    labels = np.repeat([0, 1, 2], [50, 30, 7])
    X = np.arange(87.0)[:, None]
    for Y in (np.eye(3)[labels], (labels == 2).astype(float)[:, None]):
        problem = make_problem([1, Y.shape[1]], data=(X, Y))
        X_train, Y_train, X_test, Y_test = problem.split(4)
        assert sorted(np.concatenate([X_train, X_test]).ravel()) == X.ravel().tolist()
        assert (len(X_train), len(X_test)) == (69, 18)
        assert all(
            (Y[part.ravel().astype(int)] == targets).all() for part, targets in ((X_train, Y_train), (X_test, Y_test))
        )
        for name, count in zip(
            *np.unique(Y.argmax(axis=1) if Y.shape[1] > 1 else Y[:, 0], return_counts=True), strict=True
        ):
            tested = Y_test.argmax(axis=1) if Y.shape[1] > 1 else Y_test[:, 0]
            assert abs((tested == name).sum() - count * 18 / 87) < 1
        assert (problem.split(4)[2] == X_test).all()
        assert not np.array_equal(np.sort(problem.split(5)[2], axis=0), np.sort(X_test, axis=0))
        assert (problem.split()[2] == X[69:]).all()


def test_a_split_of_numbers_is_a_shuffle():
    X = np.arange(20.0)[:, None]
    parts = make_problem([1, 1], data=(X, X / 20)).split(0)
    assert sorted(np.concatenate([parts[0], parts[2]]).ravel()) == X.ravel().tolist()
    assert sorted(parts[2].ravel()) != [16, 17, 18, 19]
    assert [len(part) for part in make_problem([1, 1], data=(X[:1], X[:1])).split(0)] == [1, 1, 1, 1]
