"""Examples for training: labels, frames, sparse inputs, the cost that follows from them, and weights."""

from __future__ import annotations

import numpy as np
import pytest
from makers import data, network
from scipy.sparse import coo_array, csr_array

import formulations as fm
from formulations.exceptions import InvalidInput, NotFinite, UnknownName, WrongShape, WrongType
from formulations.training import accuracy, examples_for, weights_for

NAMES = ["rose", "lily", "tulip", "lily"]
X = np.arange(8.0).reshape(4, 2)


def net(outputs=3, last="softmax"):
    return fm.Network.random([2, 4, outputs], ["tanh", last], seed=0)


@pytest.mark.parametrize("labels", [NAMES, [3, -1, 7, -1], np.array(NAMES, object)])
def test_labels_become_unit_vectors_in_sorted_order(labels):
    examples = examples_for(net(), X, labels)
    assert examples.classes.tolist() == sorted(set(labels))
    assert examples.classes[examples.Y.argmax(axis=1)].tolist() == list(labels)
    assert np.array_equal(examples.Y.sum(axis=1), np.ones(4)) and examples.Y.dtype == np.float64


def test_one_output_stands_for_the_second_of_two_classes():
    examples = examples_for(net(1, "sigmoid"), X, [True, False, False, True])
    assert examples.Y.tolist() == [[1], [0], [0], [1]]
    assert examples.classes.tolist() == [False, True]


@pytest.mark.parametrize(
    ("last", "cost"),
    [
        ("softmax", "log_likelihood"),
        ("sigmoid", "binary_cross_entropy"),
        (fm.PerNeuron(["sigmoid"] * 3), "binary_cross_entropy"),
        ("tanh", "quadratic"),
    ],
)
def test_the_cost_follows_from_labels_and_outputs(last, cost):
    assert examples_for(net(3, last), X, NAMES).cost.name == cost
    assert examples_for(net(3, last), X, np.eye(3)[[0, 1, 2, 1]]).cost.name == "quadratic"
    assert examples_for(net(3, "softmax"), X, NAMES, "quadratic").cost.name == "quadratic"


def test_training_on_labels_is_training_on_their_unit_vectors():
    one, other = net(), net()
    Y = fm.one_hot(NAMES)
    history = fm.sgd(one, X, NAMES, 3, 2, 0.1, seed=0, validation=(X, NAMES))
    again = fm.sgd(other, X, Y, 3, 2, 0.1, seed=0, validation=(X, Y), cost="log_likelihood")
    assert np.array_equal(one.vector, other.vector)
    assert [(e.cost, e.accuracy, e.validation_cost) for e in history.epochs] == [
        (e.cost, e.accuracy, e.validation_cost) for e in again.epochs
    ]
    assert history.classes.tolist() == ["lily", "rose", "tulip"] and again.classes is None
    assert history.to_dict()["classes"] == ["lily", "rose", "tulip"]
    assert history.accuracy == accuracy(one, X, NAMES) == accuracy(one, X, Y)
    # Absent from a test, a class keeps its output.
    assert accuracy(one, X[:1], NAMES[:1], classes=history.classes) == accuracy(one, X[:1], Y[:1])


def test_the_validation_cost_is_the_cost_of_the_held_out_examples():
    trained = net()
    Y = fm.one_hot(NAMES)
    cost = "log_likelihood"
    history = fm.sgd(trained, X[:2], Y[:2], 1, 2, 0.1, validation=(X[2:], Y[2:]), l2=0.5, cost=cost)
    expected = float(fm.gradient(trained, X[2:], Y[2:], cost).cost)
    assert history.epochs[-1].validation_cost == pytest.approx(expected, rel=16 * np.finfo(float).eps)


@pytest.mark.parametrize("last", ["identity", "tanh"])
def test_integers_that_may_be_numbers_are_refused_with_both_remedies(last):
    with pytest.raises(InvalidInput, match=r"one_hot\(Y\) if they are classes, or Y\.reshape\(-1, 1\)"):
        examples_for(net(1, last), X, [1, 2, 3, 4])
    # They are labels if the cost says so, or strings can be nothing else.
    assert examples_for(net(2, last), X, [1, 2, 2, 1], "binary_cross_entropy").classes.tolist() == [1, 2]
    assert examples_for(net(2, last), X, ["a", "b", "b", "b"]).classes.tolist() == ["a", "b"]


def test_real_numbers_are_no_labels():
    with pytest.raises(WrongShape, match=r"reshape\(-1, 1\)"):
        examples_for(net(1, "identity"), X, [0.5, 1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("network", "labels", "exception", "part"),
    [
        (net(4), NAMES, WrongShape, "one output for each class of Y, 3, got 4; make the output layer 3 neurons wide"),
        (net(4), [0, 1, 3, 1], WrongShape, r"one_hot\(Y, 4\) if Y lacks classes"),
        (net(1, "sigmoid"), NAMES, WrongShape, "3, got 1"),
        (net(1), ["a", "b", "a", "b"], WrongShape, "two or more, got 1"),  # a softmax of one output is always 1
        (net(1, "sigmoid"), ["a"] * 4, InvalidInput, "two or more classes, got 'a' alone"),
        (net(2), ["a", None, "a", "b"], InvalidInput, r"Y must not be missing, got None at Y\[1\]"),
        (net(2), ["a", 1, "a", "b"], WrongType, "of one type"),
        (net(), [*NAMES, "rose"], WrongShape, "same number of examples, got 4 and 5"),
    ],
)
def test_labels_that_do_not_fit_are_refused(network, labels, exception, part):
    before = network.vector.copy()
    with pytest.raises(exception, match=part):
        fm.sgd(network, X, labels)
    assert np.array_equal(network.vector, before)


@pytest.mark.parametrize(
    ("Y", "held_out", "exception", "part"),
    [
        (NAMES, [*NAMES[:3], "iris"], InvalidInput, r"among the classes .*'lily', 'rose', 'tulip', got 'iris' at"),
        (fm.one_hot(NAMES), NAMES, WrongType, "whose order is unknown"),
    ],
)
def test_labels_of_the_validation_are_those_of_the_training(Y, held_out, exception, part):
    with pytest.raises(exception, match=part):
        fm.sgd(net(), X, Y, validation=(X, held_out))


@pytest.mark.parametrize("make", [csr_array, coo_array, lambda a: csr_array(a.astype(np.float32))])
def test_sparse_inputs_train_to_the_bits_of_dense_ones(make):
    one, other = network(), network()
    dense, Y = data(one)
    dense[dense < 0.5] = 0.0
    dense = dense.astype(np.float32)
    options = {"epochs": 3, "batch_size": 3, "learning_rate": 0.5, "seed": 0}
    histories = [fm.sgd(each, x, Y, validation=(x, Y), **options) for each, x in ((one, make(dense)), (other, dense))]
    assert np.array_equal(one.vector, other.vector)
    costs = [
        [(e.cost, e.validation_cost) for e in history.epochs]
        + [history.constant_cost, history.uniform]
        for history in histories
    ]  # fmt: skip
    assert costs[0] == costs[1]
    assert accuracy(one, make(dense), Y) == accuracy(one, dense, Y)


@pytest.mark.parametrize(
    ("rows", "constant"), [([[0, 2], [0, 2]], True), ([[0, 2], [1, 2]], False), ([[0, 2], [0, 0]], False)]
)
def test_sparse_inputs_that_are_all_the_same_are_known(rows, constant):
    x = csr_array(np.array(rows, float))
    history = fm.sgd(net(1, "identity"), x, np.array([[0.0], [1.0]]), 1, 2, 0.1)
    assert (history.constant_cost is None) == constant


def test_examinations_in_several_passes_find_the_same(monkeypatch):
    trained = net()
    whole = fm.sgd(trained.copy(), X, NAMES, 1, seed=0, learning_rate=0.1, validation=(X, NAMES)).epochs[0]
    monkeypatch.setattr("formulations.network.forward_pass.IN_ONE_PASS", 12)
    parts = fm.sgd(trained.copy(), X, NAMES, 1, seed=0, learning_rate=0.1, validation=(csr_array(X), NAMES)).epochs[0]
    assert parts.accuracy == whole.accuracy
    assert parts.validation_cost == pytest.approx(whole.validation_cost, rel=16 * np.finfo(float).eps)


@pytest.mark.parametrize(
    ("x", "exception", "part"),
    [
        (csr_array(np.ones((4, 3))), WrongShape, "X must have 2 columns"),
        (csr_array(np.ones((3, 2))), WrongShape, "got 3 and 4"),
        (csr_array(np.array([[0, 0], [0, 1], [0, np.nan], [1, 1]])), NotFinite, r"got nan at X\[2, 1\]"),
        (csr_array(np.array([[0, 0], [0, 1], [0, 1e300], [1, 1]])), NotFinite, r"got inf at X\[2, 1\]"),
    ],
)
def test_sparse_inputs_that_do_not_fit_are_refused(x, exception, part):
    with pytest.raises(exception, match=part):
        fm.sgd(net().astype("float32"), x, NAMES)


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_frames_train_like_their_arrays(package):
    frames = pytest.importorskip(package)
    one, other = net(), net()
    frame = frames.DataFrame({"height": X[:, 0], "width": X[:, 1], "kind": NAMES})
    columns = frame[["height", "width"]]
    history = fm.sgd(one, columns, frame["kind"], 2, 2, 0.1, seed=0, validation=(columns, frame["kind"]))
    fm.sgd(other, X, NAMES, 2, 2, 0.1, seed=0)
    assert np.array_equal(one.vector, other.vector)
    assert history.classes.tolist() == ["lily", "rose", "tulip"]


def weights(labels=NAMES, **given):
    examples = examples_for(net(3), X, labels)
    return weights_for(examples, given.get("sample"), given.get("classes"))


def test_balanced_classes_weigh_the_same():
    found = weights(classes="balanced")
    sums = [found[np.array(NAMES) == name].sum() for name in ("rose", "lily", "tulip")]
    assert sums == pytest.approx([sums[0]] * 3, rel=4 * np.finfo(float).eps)


def test_weights_of_examples_and_classes_are_multiplied():
    found = weights(sample=[1, 2, 0, 4], classes={"lily": 3, "tulip": 5})
    assert found / found[0] == pytest.approx([1, 6, 0, 12], rel=8 * np.finfo(float).eps)
    # Unit vectors have numbers for labels.
    examples = examples_for(net(3), X, fm.one_hot(NAMES))
    assert np.array_equal(weights_for(examples, [1, 2, 0, 4], {0: 3, 2: 5}), found)
    assert weights() is None


def test_weights_cannot_overflow():
    assert weights(sample=[1e308] * 4, classes={"lily": 1e308}).tolist() == [1e-308, 1, 1e-308, 1]


def test_weighted_training_is_training_on_repeated_examples():
    one, other = net(3, "sigmoid"), net(3, "sigmoid")
    Y = fm.one_hot(NAMES)
    chosen = [0, 1, 1, 3]
    history = fm.sgd(one, X, Y, 1, 4, 0.1, seed=0, sample_weight=[1, 2, 0, 1])
    repeated = fm.sgd(other, X[chosen], Y[chosen], 1, 4, 0.1, seed=0)
    assert one.vector == pytest.approx(other.vector, rel=0, abs=64 * np.finfo(float).eps)
    for name in ("initial_cost", "constant_cost"):
        assert getattr(history, name) == pytest.approx(getattr(repeated, name), rel=64 * np.finfo(float).eps)
    assert history.costs == pytest.approx(repeated.costs, rel=64 * np.finfo(float).eps)


def test_the_first_cost_is_that_of_the_first_batch_with_weight():
    history = fm.sgd(net(), X, NAMES, 1, 1, 0.1, seed=0, sample_weight=[0, 0, 0, 1])
    assert history.initial_cost == history.costs[0] > 0


@pytest.mark.parametrize(
    ("given", "exception", "part"),
    [
        ({"sample": [1, 2]}, WrongShape, r"shape \(4,\)"),
        ({"sample": [1, 2, -1, 0]}, InvalidInput, "negative"),
        ({"sample": [0] * 4}, InvalidInput, "zero everywhere"),
        ({"classes": dict.fromkeys(NAMES, 0)}, InvalidInput, "zero everywhere"),
        ({"sample": [1, 0, 0, 0], "classes": {"rose": 0}}, InvalidInput, "zero everywhere"),
        ({"classes": {"iris": 1}}, InvalidInput, "among 'lily', 'rose', 'tulip', got 'iris'"),
        ({"classes": {"rose": -1}}, InvalidInput, r"class_weight\['rose'\] must be at least 0"),
        ({"classes": "even"}, WrongType, "'balanced' or a mapping"),
        ({"classes": [1, 2, 3]}, WrongType, "'balanced' or a mapping"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(given, exception, part):
    with pytest.raises(exception, match=part):
        weights(**given)


def test_class_weights_need_classes():
    with pytest.raises(InvalidInput, match="sample_weight"):
        fm.sgd(net(1, "identity"), X, [[0.5], [1], [2], [3]], class_weight="balanced")


@pytest.mark.parametrize("sparse", [False, True])
def test_views_of_the_parameters_stay_as_they_were_given(sparse):
    def train(view):
        net = fm.Network.random([3, 4, 4], seed=0)
        x, y = net.weights[0], net.weights[1]
        if sparse:
            held = csr_array((x.reshape(-1), np.tile(np.arange(3), 4), np.arange(0, 13, 3)), (4, 3))
            x, given = held, held if view else held.copy()
        else:
            given = x if view else x.copy()
        targets = y if view else y.copy()
        history = fm.sgd(net, given, targets, 3, 2, 0.5, seed=0, validation=(given, targets))
        return net, [(epoch.cost, epoch.validation_cost) for epoch in history.epochs], history.constant_cost

    (net, *found), (other, *expected) = train(view=True), train(view=False)
    assert np.array_equal(net.vector, other.vector) and found == expected


def test_the_training_accuracy_is_that_of_rows_at_equal_distances():
    x, labels = np.linspace(-1, 1, 12)[:, None], np.repeat([0, 1, 2], 4)
    start = fm.Network.random([1, 5, 3], ["tanh", "softmax"], seed=0)
    (epoch,) = fm.sgd(start, x, labels, 1, 12, 0.1, seed=0, validation=(x[:3], labels[:3]), classes=[0, 1, 2]).epochs
    # The first three rows are of one class.
    assert epoch.training_accuracy == accuracy(start, x[::4], labels[::4]) != epoch.accuracy


def test_options_reach_the_steps():
    start = network()
    examples = data(start)
    reached = {}
    for name, options in {
        "plain": {},
        "momentum": {"momentum": 0.9},
        "nesterov": {"momentum": 0.9, "nesterov": True},
        "adam": {"optimizer": "adam"},
        "l2": {"l2": 0.1},
        "l1": {"l1": 0.1},
    }.items():
        trained = start.copy()
        fm.sgd(trained, *examples, 2, 4, 0.5, seed=0, **options)
        reached[name] = trained.vector.tobytes()
    assert len(set(reached.values())) == len(reached)


def test_the_default_learning_rate_is_the_optimizers():
    book = fm.Network.random([4, 5, 3], seed=0)
    for start, optimizer, rate in ((book, "sgd", 3.0), (network(), "sgd", 0.1), (book, "adam", 0.001)):
        examples = data(start)
        one, other = start.copy(), start.copy()
        fm.sgd(one, *examples, 1, 4, seed=0, optimizer=optimizer)
        fm.sgd(other, *examples, 1, 4, rate, seed=0, optimizer=optimizer)
        assert np.array_equal(one.vector, other.vector)


def test_a_callback_stops_training_by_true_alone():
    heard = []
    trained = network()
    examples = data(trained)
    history = fm.sgd(trained, *examples, 5, 4, 0.5, callback=lambda epoch: heard.append(epoch) or epoch.epoch == 3)
    assert len(history.epochs) == 3 and tuple(heard) == history.epochs
    assert len(fm.sgd(trained, *examples, 2, 4, 0.5, callback=lambda _: "yes", progress=lambda _: True).epochs) == 2
    stopped = fm.sgd(trained, *examples, 5, 4, 0.5, callback=lambda epoch: np.float64(epoch.cost) >= 0)
    assert (len(stopped.epochs), stopped.stopped_by) == (1, "callback")  # NumPy compares to its own True.


@pytest.mark.parametrize(
    ("options", "exception", "part"),
    [
        ({"l2": -1}, InvalidInput, "l2 must be at least 0"),
        ({"l1": float("inf")}, InvalidInput, "l1 must be at least 0 and finite"),
        ({"l2": "much"}, WrongType, "l2 must be a number of at least 0"),
        ({"callback": 3}, WrongType, "callback must be a function of an Epoch, got 3"),
        ({"optimizer": "adagrad"}, UnknownName, "sgd, adam"),
        ({"optimizer": "adam", "momentum": 0.9}, InvalidInput, "momentum"),
    ],
)
def test_bad_settings_are_refused_before_anything_changes(options, exception, part):
    trained = network()
    before = trained.vector.copy()
    with pytest.raises(exception, match=part):
        fm.sgd(trained, *data(trained), **options)
    assert np.array_equal(trained.vector, before)


def test_sources_are_not_examples(tmp_path):
    np.save(tmp_path / "x.npy", X)
    sources = fm.sources(tmp_path / "x.npy", tmp_path / "x.npy")
    # A list with a long path is told by its length.
    told = r"^X must be an array, got (\[<Source .*\]|a list of length 1); pass all examples, as arrays"
    with pytest.raises(WrongType, match=told):
        fm.sgd(net(2), sources, np.eye(4, 2))
