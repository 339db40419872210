"""The training loop: steps, shuffling, seeds, refusals, and the digits."""

from __future__ import annotations

import re

import numpy as np
import pytest
from makers import data, network

import formulations as fm
from formulations.data.digits.reader import load_digits
from formulations.data.labels import one_hot
from formulations.exceptions import InvalidInput, NotFinite, WrongShape, WrongType
from formulations.network import forward
from formulations.training.loop import sgd
from formulations.training.scores import accuracy


def test_one_whole_batch_is_one_step_down_the_gradient():
    net = network()
    X, Y = data(net, 6)
    g = fm.gradient(net, X, Y)
    expected = net.vector - 0.5 * g.vector
    history = sgd(net, X, Y, epochs=1, batch_size=6, learning_rate=0.5, seed=3)
    # The shuffled batch sums in another order: m + 3 roundings at most, of products that |g| bounds from below.
    scale = np.abs(g.vector).max()
    assert np.all(np.abs(net.vector - expected) <= 16 * np.finfo("float64").eps * (np.abs(expected) + scale))
    assert history.costs == [pytest.approx(float(g.cost), rel=16 * np.finfo("float64").eps)]


def test_the_update_is_in_place():
    net = network()
    vector, weights = net.vector, net.weights[0]
    before = vector.copy()
    sgd(net, *data(net), epochs=1, batch_size=3)
    assert net.vector is vector and net.weights[0] is weights
    assert np.shares_memory(weights, vector) and not np.array_equal(vector, before)


def test_every_example_is_used_once_in_an_epoch():
    # A linear neuron with cost ½(a − y)², weight 0: the first step is the mean of y over the batch.
    seen = []
    net = fm.Network([[[0.0]]], [[0.0]], "identity")
    watched = fm.cost(lambda A, Y: ((A - Y) ** 2).sum(axis=1) / 2, lambda A, Y: A - Y)

    class Watching(fm.Cost):
        name = "watching"

        def evaluate(self, A, Y, gradient=None):
            seen.extend(Y[:, 0].tolist())
            return watched.evaluate(A, Y, gradient)

    Y = np.arange(7.0).reshape(-1, 1)
    sgd(net, np.zeros((7, 1)), Y, epochs=1, batch_size=3, learning_rate=0.01, seed=0, cost=Watching())
    assert sorted(seen) == Y[:, 0].tolist()
    assert seen != Y[:, 0].tolist()


def test_same_seed_same_parameters_and_another_seed_others():
    trained = []
    for seed in (1, 1, 2):
        net = network()
        sgd(net, *data(net), epochs=2, batch_size=3, seed=seed)
        trained.append(net.vector.copy())
    assert np.array_equal(trained[0], trained[1])
    assert not np.array_equal(trained[0], trained[2])


@pytest.mark.parametrize(
    ("activations", "options", "rate"),
    [
        ("sigmoid", {}, 3.0),
        ("sigmoid", {"cost": "quadratic", "momentum": 0.5}, 3.0),
        ("sigmoid", {"cost": "binary_cross_entropy"}, 0.1),
        ("sigmoid", {"optimizer": "adam"}, 0.001),
        (["tanh", "sigmoid"], {}, 0.1),
        (["tanh", "identity"], {}, 0.1),
    ],
)
def test_the_default_rate_is_the_books_in_the_books_setting_alone(activations, options, rate):
    net = fm.Network.random([2, 3, 2], activations, seed=0)
    history = sgd(net, [[0.0, 1.0]], [[1.0, 0.0]], epochs=1, **options)
    assert history.epochs[0].learning_rate == rate


def test_data_are_not_changed():
    net = network()
    X, Y = data(net)
    kept = X.copy(), Y.copy()
    X.flags.writeable = Y.flags.writeable = False
    sgd(net, X, Y, epochs=2, batch_size=3)
    assert np.array_equal(X, kept[0]) and np.array_equal(Y, kept[1])


def test_progress_hears_of_every_epoch():
    heard = []
    net = network()
    X, Y = data(net)
    Y = one_hot(np.arange(len(X)) % 3, classes=3)
    history = sgd(net, X, Y, epochs=3, batch_size=4, validation=(X, Y), progress=heard.append)
    assert tuple(heard) == history.epochs
    assert [epoch.epoch for epoch in heard] == [1, 2, 3]
    assert history.accuracy == accuracy(net, X, Y)
    assert str(history).split()[:5] == ["epoch", "cost", "validation", "accuracy", "elapsed"]


@pytest.mark.parametrize("count", [1, 9, 10, 11, 30])
def test_the_table_shows_at_most_ten_epochs_and_always_the_last(count):
    net = network()
    X, Y = data(net, 2)
    lines = str(sgd(net, X, Y, epochs=count, batch_size=2)).splitlines()[2:]
    assert len(lines) <= 10
    assert lines[-1].split()[0] == str(count)


def test_accuracy_of_one_output_neuron_is_measured_at_one_half():
    net = fm.Network([[[1.0]]], [[0.0]], "identity")
    assert accuracy(net, [[0.9], [0.2], [0.7]], [[1], [0], [0]]) == 2 / 3


@pytest.mark.parametrize(
    ("Y", "expected"),
    [
        ([[0, 1], [0, 1], [1, 0]], 2 / 3),
        ([[0, 1], [1, 1], [1, 0]], None),
        ([[0, 1], [0, 0], [1, 0]], None),
        ([[0.1, 0.9], [0, 1], [1, 0]], None),
        ([[0, 2], [0, 1], [1, 0]], None),
    ],
)
def test_accuracy_is_known_only_if_the_targets_name_classes(Y, expected):
    # It always predicts the second class.
    net = fm.Network([[[0.0], [0.0]]], [[0.0, 1.0]], "identity")
    X = [[1.0]] * 3
    assert accuracy(net, X, Y) == expected
    history = sgd(net, X, Y, epochs=1, batch_size=3, learning_rate=1e-3, validation=(X, Y))
    assert ("–" in str(history)) == (expected is None)


@pytest.mark.parametrize(
    ("Y", "expected"), [([[0], [1], [0]], 1 / 3), ([[0.5], [1], [0]], None), ([[2], [1], [0]], None)]
)
def test_one_column_names_classes_by_0_and_1(Y, expected):
    net = fm.Network([[[0.0]]], [[1.0]], "identity")
    assert accuracy(net, [[1.0]] * 3, Y) == expected


def test_validation_examples_are_checked_once_and_pass_without_slopes(monkeypatch):
    net = network()
    X, Y = data(net)
    Y = one_hot(np.arange(len(X)) % 3, classes=3)
    checked, passes = [], []
    check = fm.Network.check_examples
    monkeypatch.setattr(
        fm.Network, "check_examples", lambda *given, **more: checked.append(given) or check(*given, **more)
    )

    def spy(network, tape, *, slopes=True):
        passes.append((tape.m, slopes))
        forward(network, tape, slopes=slopes)

    monkeypatch.setattr("formulations.network.forward_pass.forward", spy)
    sgd(net, X, Y, epochs=3, batch_size=4, validation=(X[:3], Y[:3]))
    assert len(checked) == 2
    # Each epoch also tests as many training examples.
    assert [slopes for m, slopes in passes if m == 3] == [False] * 6


@pytest.mark.parametrize("m", [1, 8, 10, 25])
def test_the_default_batch_is_ten_examples_or_all_if_there_are_fewer(m):
    trained = []
    for options in ({}, {"batch_size": min(10, m)}):
        net = network()
        sgd(net, *data(net, m), epochs=2, seed=0, **options)
        trained.append(net.vector)
    assert np.array_equal(*trained)


BAD = [
    ({"epochs": 0}, InvalidInput, "epochs"),
    ({"epochs": 1.5}, WrongType, "epochs"),
    ({"batch_size": 0}, InvalidInput, "batch_size"),
    ({"batch_size": -3}, InvalidInput, "batch_size"),
    ({"batch_size": 100}, InvalidInput, "at most the number of examples, 8"),
    ({"batch_size": 2.0}, WrongType, "batch_size"),
    ({"batch_size": True}, WrongType, "batch_size"),
    ({"learning_rate": 0}, InvalidInput, "learning_rate"),
    ({"learning_rate": -1.0}, InvalidInput, "learning_rate"),
    ({"learning_rate": float("nan")}, InvalidInput, "learning_rate"),
    ({"learning_rate": "fast"}, WrongType, "learning_rate"),
    ({"learning_rate": 10**400}, InvalidInput, "learning_rate must be a positive number below"),
    ({"validation": 3}, WrongType, r"pair \(X, Y\).*got int; pass"),
    ({"validation": (1, 2, 3)}, WrongType, "got tuple of 3"),
    ({"validation": np.zeros((2, 4))}, WrongType, "got ndarray"),
    ({"validation": ([[1.0]], [[1.0]])}, WrongShape, "4 columns"),
    ({"progress": 3}, WrongType, "progress must be True or a function of an Epoch, got 3"),
    ({"backend": "no"}, fm.exceptions.UnknownName, "hadamard"),
    ({"cost": "no"}, fm.exceptions.UnknownName, "quadratic"),
    ({"seed": "abc"}, WrongType, "seed"),
    ({"seed": -1}, InvalidInput, "seed"),
]


@pytest.mark.parametrize(("options", "exception", "part"), BAD)
def test_bad_options_are_refused_before_anything_changes(options, exception, part):
    net = network()
    before = net.vector.copy()
    with pytest.raises(exception, match=part):
        sgd(net, *data(net), **{"batch_size": 4, **options})
    assert np.array_equal(net.vector, before)


@pytest.mark.parametrize(("rate", "shown"), [(1e-50, "0"), (1e39, "inf")])
def test_a_learning_rate_that_the_dtype_cannot_hold_is_refused(rate, shown):
    net = network(dtype="float32")
    before = net.vector.copy()
    with pytest.raises(InvalidInput, match=re.escape(f"finite in float32, in which {rate:g} is {shown}; pass")):
        sgd(net, *data(net), batch_size=4, learning_rate=rate)
    assert np.array_equal(net.vector, before)


def test_divergence_in_the_last_step_is_seen_in_the_parameters():
    # The cost ½ of the only step is finite, its update 1e200·1e200 is not.
    net = fm.Network([[[0.0]]], [[0.0]], "identity")
    with pytest.raises(NotFinite, match="diverged in epoch 1"):
        sgd(net, [[1e200]], [[1.0]], epochs=1, batch_size=1, learning_rate=1e200)


def test_costs_whose_sum_overflows_are_divergence_too():
    net = fm.Network([[[0.0]]], [[0.0]], "identity")
    with pytest.raises(NotFinite, match="diverged in epoch 1"):
        sgd(net, [[0.0]] * 2, [[1.8e154]] * 2, epochs=1, batch_size=1, learning_rate=1e-300)


def test_divergence_is_an_exception_with_a_remedy():
    net = fm.Network([[[3.0]]], [[0.0]], "square")
    with pytest.raises(NotFinite, match="learning_rate below"):
        sgd(net, [[1.0]], [[0.0]], epochs=50, batch_size=1, learning_rate=10.0)


@pytest.mark.slow
def test_the_digits_reach_97_percent_and_sigma_gives_the_same_parameters():
    X, Y, X_test, Y_test = load_digits()
    trained = {}
    for backend in ("hadamard", "sigma"):
        net = fm.Network.random([64, 30, 10], seed=0)
        history = sgd(net, X, Y, backend=backend, seed=0, validation=(X_test, Y_test))
        assert history.backend == backend
        assert history.accuracy >= 0.97
        trained[backend] = net.vector
    # Planned Σ does the arithmetic of the Hadamard product, bit for bit.
    assert np.array_equal(trained["hadamard"], trained["sigma"])


def test_parameters_that_are_read_only_are_not_trained():
    net = fm.Network.random([2, 1], seed=0)
    fixed = net.vector.copy()
    fixed.flags.writeable = False
    with pytest.raises(InvalidInput, match=r"must be writable to learn.*train network\.copy\(\)"):
        sgd(net.with_vector(fixed), [[0.0, 1.0]], [[1.0]], batch_size=1)


def lines(m=20):
    X = np.linspace(-1, 1, m)[:, None]
    return X, 2 * X


def course(activations, rate, X, Y, **options):
    net = fm.Network.random([1, 4, 1], activations, seed=0)
    return fm.sgd(net, X, Y, **{"epochs": 4, "batch_size": 5, "learning_rate": rate, "seed": 0} | options)


def test_a_training_that_works_has_not_failed():
    X, Y = lines()
    for history in (
        course(["tanh", "identity"], 0.1, X, Y),
        # The targets are noise: the cost fluctuates with the mini-batches, without a trend.
        course(["tanh", "identity"], 0.1, X, np.random.default_rng(1).normal(size=X.shape), epochs=50),
        # Constant outputs are correct if all targets, or all inputs, are the same.
        course(["relu", "identity"], 0.5, X, np.ones_like(Y), epochs=200),
        course(["tanh", "identity"], 0.1, np.ones_like(X), Y),
        course(["tanh", "identity"], 0.1, X[:1], Y[:1], batch_size=1),
    ):
        assert (history.diverged, history.dead, history.failure) == (False, False, None)


def test_a_training_that_has_found_the_minimum_is_not_dead():
    X = np.array([[1.0], [-1.0]])
    net = fm.Network([[[1.0]]], [[0.0]], "identity")
    history = fm.sgd(net, X, X, epochs=2, learning_rate=0.5, seed=0)
    assert (history.costs, history.unchanged, history.dead) == ([0, 0], True, False)


def test_a_training_that_diverges_with_finite_numbers_says_so():
    X, Y = lines()
    history = course(["identity", "identity"], 2.0, X, Y, epochs=2)
    assert history.diverged and not history.dead and repr(history).endswith(", diverged>")
    assert history.costs[-1] > 2 * history.initial_cost
    assert history.failure.startswith(
        f"training diverged: the cost was {history.initial_cost:.4g} before the first step"
    )


def test_a_training_whose_layer_is_switched_off_is_dead():
    X, Y = lines()
    net = fm.Network([-np.ones((4, 1)), np.ones((1, 4))], [np.full(4, -2.0), np.zeros(1)], ["relu", "identity"])
    history = fm.sgd(net, X, Y, epochs=3, batch_size=5, learning_rate=0.1, seed=0)
    assert history.uniform and history.dead and repr(history).endswith(", dead>")
    assert history.failure.startswith("training is dead: a layer's activations are the same for all examples")
    # The bias of the output neuron still follows the targets, so parameters and cost change.
    assert not history.unchanged
    assert history.constant_cost == pytest.approx(np.mean(Y**2) / 2)


def test_a_training_whose_parameters_no_longer_change_is_dead():
    X, Y = lines()
    Y = (Y > 0).astype(float)
    net = fm.Network.random([1, 4, 1], seed=0)
    # A zero bias would change with the smallest step.
    net.vector[...] += 1
    history = fm.sgd(net, X, Y, epochs=2, learning_rate=1e-300, seed=0)
    assert history.unchanged and history.dead and not history.uniform
    assert "no parameter changes" in history.failure


def test_a_negative_cost_that_falls_has_not_diverged():
    cost = fm.cost(lambda A, Y: -(A * Y).sum(axis=1), lambda A, Y: -Y + 0 * A, name="overlap")
    X = np.linspace(0.5, 1, 20)[:, None]
    history = course(["tanh", "identity"], 0.01, X, 1 + X, cost=cost)
    assert history.costs[-1] < history.costs[0]
    assert not history.diverged


def test_cost_of_a_constant_answer_for_every_cost():
    Y = np.eye(3)[[0, 0, 1, 1]]
    X = np.random.default_rng(0).normal(size=(4, 2))
    for activations, cost, expected in (
        ("sigmoid", "quadratic", 0.25),
        ("sigmoid", "binary_cross_entropy", 2 * np.log(2)),
        ("softmax", "log_likelihood", np.log(2)),
    ):
        net = fm.Network.random([2, 3], activations, seed=0)
        history = fm.sgd(net, X, Y, epochs=1, batch_size=4, learning_rate=0.1, seed=0, cost=cost)
        assert history.constant_cost == pytest.approx(expected, rel=1e-15)
        assert history.initial_cost == pytest.approx(history.costs[0])


def test_the_initial_cost_is_that_of_the_first_examples_with_weight():
    net, random = fm.Network.random([2, 3], seed=0), np.random.default_rng(0)
    X, Y = random.normal(size=(6, 2)), random.random((6, 3))
    for x, weights in enumerate(np.eye(6)):
        history = fm.sgd(net.copy(), X, Y, 1, 1, 0.1, seed=0, sample_weight=weights)
        expected = float(fm.gradient(net, X[[x]], Y[[x]]).cost)
        assert history.initial_cost == pytest.approx(expected, rel=64 * np.finfo(float).eps)


def test_the_curves_say_on_what_they_are_measured():
    pytest.importorskip("matplotlib")
    X, Y = np.random.default_rng(0).random((20, 2)), fm.one_hot([0, 1] * 10)
    net = fm.Network.random([2, 3, 2], seed=0)
    history = fm.sgd(net, X, Y, epochs=2, validation=(X[:5], Y[:5]), seed=0)
    assert history.sample == (5, 20)

    def names(figure):
        return [[text.get_text() for text in axes.get_legend().get_texts()] for axes in figure.axes]

    assert names(history.plot()) == [["training", "validation"], ["training (5 of 20)", "validation"]]
    drawn = history.plot(validation="test", title="iris.csv")
    assert names(drawn)[1] == ["training (5 of 20)", "test"] and drawn.axes[0].get_title(loc="left") == "iris.csv"
    whole = fm.sgd(net, X, Y, epochs=2, validation=(X, Y), seed=0)
    assert names(whole.plot())[1] == ["training", "validation"]
    assert fm.sgd(net, X, Y, epochs=1, seed=0).sample is None
