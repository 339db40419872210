"""The estimators: parameters, attributes, and their place among scikit-learn's tools."""

from __future__ import annotations

import io
import math
import pickle
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

import joblib
from makers import skip_absent
from scipy.sparse import csc_array, csr_array, csr_matrix
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import formulations as fm
from formulations.estimators import BackpropClassifier, BackpropRegressor
from formulations.exceptions import InvalidInput, NotFinite, Refused, UnknownName, WrongShape, WrongType
from formulations.training import Trainer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RANDOM = np.random.default_rng(13)
X = RANDOM.normal(size=(60, 4))
THREE = np.array(["iris", "rose", "tulip"])[np.argsort(X[:, :3], axis=1)[:, -1]]
TWO = X[:, 0] * X[:, 1] > 0
LABELS = (X[:, :3] > 0).astype(int)
NUMBERS = np.sin(X[:, 0]) + X[:, 1]
SMALL = {"hidden_layer_sizes": (5,), "max_iter": 4, "random_state": 7}


def parameters(estimator):
    """All weights and biases of a fitted estimator, ours or scikit-learn's, in one order."""
    return np.concatenate([part.ravel() for part in [*estimator.coefs_, *estimator.intercepts_]])


SETTINGS = [
    {"batch_size": 16},
    {"solver": "sgd", "batch_size": 7, "activation": "logistic", "learning_rate_init": 0.1},
    {"solver": "sgd", "nesterovs_momentum": False, "learning_rate": "invscaling", "learning_rate_init": 0.5},
    {"solver": "sgd", "momentum": 0.0, "shuffle": False, "batch_size": 9, "alpha": 0.3, "activation": "identity"},
    {"solver": "lbfgs", "activation": "tanh", "alpha": 0.01},
    {"hidden_layer_sizes": (), "batch_size": 5},
    {"hidden_layer_sizes": [3, 4], "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3, "batch_size": 30},
]
TARGETS = {"two": TWO, "three": THREE, "labels": LABELS, "numbers": NUMBERS, "early": TWO}
PAIRS = [
    (settings, target) for i, settings in enumerate(SETTINGS) for target in (*TARGETS, *TARGETS)[i % 5 : i % 5 + 2]
]


@pytest.mark.parametrize(("settings", "target"), PAIRS, ids=str)
def test_the_same_settings_learn_what_scikit_learn_learns(settings, target):
    """The same initial weights, mini-batches, formulas and loss: the parameters differ by roundoff."""
    settings = {**SMALL, **settings, "early_stopping": target == "early" and settings.get("solver") != "lbfgs"}
    y = TARGETS[target]
    theirs, ours = (MLPRegressor, BackpropRegressor) if target == "numbers" else (MLPClassifier, BackpropClassifier)
    expected, found = theirs(**settings).fit(X, y), ours(**settings).fit(X, y)
    # A perturbation of every input by one unit of roundoff shows how rounding grows in these steps.
    perturbed = theirs(**settings).fit(X * (1 + np.finfo(float).eps), y)
    growth = np.abs(parameters(perturbed) - parameters(expected)).max()
    assert growth < 1e-9
    allowed = 1000 * max(growth, np.finfo(float).eps)
    assert np.abs(parameters(found) - parameters(expected)).max() <= allowed
    assert abs(found.loss_ - expected.loss_) <= allowed
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(found, name) == getattr(expected, name), name
    if settings.get("solver") != "lbfgs":
        assert len(found.loss_curve_) == len(expected.loss_curve_)
        assert (found.best_loss_ is None) is (expected.best_loss_ is None)
        assert found.validation_scores_ == expected.validation_scores_
        assert found.best_validation_score_ == expected.best_validation_score_
    assert np.array_equal(found.predict(X), expected.predict(X)) or target == "numbers"


@pytest.mark.parametrize("backend", ["hadamard", "sigma", "fused"])
def test_every_backend_learns_the_same(backend):
    skip_absent(backend)
    reference = BackpropRegressor(**SMALL).fit(X, NUMBERS)
    found = BackpropRegressor(**SMALL, backend=backend).fit(X, NUMBERS)
    assert np.abs(parameters(found) - parameters(reference)).max() <= 1000 * np.finfo(float).eps


@pytest.mark.usefixtures("clean_registry")
def test_the_backend_is_the_one_that_is_asked_for():
    class Counting(fm.Backend):
        name, summary, equations = "counting", "counts its gradients", ("BP1a", "BP2", "BP3", "BP4")
        tier = fm.Tier.RECURRENCE
        calls = 0

        def gradient(self, network, tape, gradient):
            type(self).calls += 1
            fm.get_backend("hadamard").gradient(network, tape, gradient)

    fm.register(Counting)
    BackpropClassifier(**SMALL, backend="counting", batch_size=20).fit(X, TWO)
    assert Counting.calls == 3 * SMALL["max_iter"]
    with fm.use_backend("counting"):
        BackpropClassifier(**SMALL, batch_size=20).fit(X, TWO)
    assert Counting.calls == 6 * SMALL["max_iter"]
    BackpropClassifier(**SMALL, backend="counting", solver="lbfgs").fit(X, TWO)
    assert Counting.calls > 6 * SMALL["max_iter"]
    with pytest.raises(UnknownName, match="unknown backend 'conting'"):
        BackpropClassifier(**SMALL, backend="conting").fit(X, TWO)


def test_the_network_is_the_library_s():
    classifier = BackpropClassifier(**SMALL).fit(X, THREE)
    network = classifier.network_
    assert repr(network) == "<Network 4-5-3, relu, softmax, float64, 43 parameters>"
    assert [w.shape for w in classifier.coefs_] == [(4, 5), (5, 3)]
    assert [b.shape for b in classifier.intercepts_] == [(5,), (3,)]
    assert np.shares_memory(classifier.coefs_[0], network.vector)
    assert np.array_equal(classifier.predict_proba(X), network(X))
    Y = fm.one_hot(THREE)
    found = fm.gradient(network, X, Y, cost="log_likelihood")
    assert fm.certify(network, X, Y, found.vector, cost="log_likelihood").equal


def test_a_model_is_saved_without_a_pickle(tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    for kind, y in ((BackpropClassifier, THREE), (BackpropClassifier, TWO), (BackpropRegressor, NUMBERS)):
        estimator = kind(**SMALL).fit(frame, y)
        estimator.to_model().save(tmp_path / "model.npz")
        model = fm.Model.load(tmp_path / "model.npz")
        assert np.array_equal(model.predict(frame[["c", "a", "d", "b"]]), estimator.predict(frame))
    with pytest.raises(Refused, match="one label for each example"):
        BackpropClassifier(**SMALL).fit(X, LABELS).to_model()
    with pytest.raises(InvalidInput, match="class"):
        BackpropClassifier(**SMALL).fit(X, ["iris"] * len(X)).to_model()
    with pytest.raises(NotFittedError):
        BackpropRegressor().to_model()
    sigmoids = BackpropClassifier(**SMALL, out_activation="sigmoid").fit(X, THREE)
    assert np.array_equal(sigmoids.to_model().predict(X), sigmoids.predict(X))
    with pytest.raises(Refused, match="probabilities need softmax outputs"):
        sigmoids.to_model().predict_proba(X)


@pytest.mark.parametrize("options", [{}, {"with_mean": False}, {"with_std": False}], ids=str)
def test_the_model_of_a_pipeline_has_its_scaler(options, tmp_path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(10 * X + 3, columns=["a", "b", "c", "d"])
    for kind, y in ((BackpropClassifier, THREE), (BackpropRegressor, NUMBERS)):
        pipeline = make_pipeline(StandardScaler(**options), kind(**SMALL)).fit(frame, y)
        pipeline[-1].to_model(scaler=pipeline[0]).save(tmp_path / "model.npz")
        model = fm.Model.load(tmp_path / "model.npz")
        assert model.columns == ("a", "b", "c", "d")
        assert np.array_equal(model.predict(frame[["c", "a", "d", "b"]]), pipeline.predict(frame))


def test_a_model_keeps_no_other_scaler():
    classifier = BackpropClassifier(**SMALL).fit(X, THREE)
    with pytest.raises(WrongType, match=r"must be a sklearn.preprocessing.StandardScaler.*got MinMaxScaler"):
        classifier.to_model(MinMaxScaler().fit(X))
    with pytest.raises(WrongShape, match=r"must have the 4 features of the estimator, got one of 3"):
        classifier.to_model(StandardScaler().fit(X[:, :3]))
    with pytest.raises(NotFittedError):
        classifier.to_model(StandardScaler())


def test_layers_and_neurons_have_their_own_activations():
    each = fm.PerNeuron(["relu", "tanh", "sine"])
    classifier = BackpropClassifier((4, 3), activation=["silu", each], max_iter=2, random_state=0).fit(X, TWO)
    assert [activation.name for activation in classifier.network_.activations] == ["silu", each.name, "sigmoid"]
    assert classifier.out_activation_ == "logistic"
    regressor = BackpropRegressor((3,), activation=each, out_activation="softplus", max_iter=2).fit(X, NUMBERS)
    assert regressor.out_activation_ == "softplus" and (regressor.predict(X) > 0).all()


def test_the_cost_is_the_one_that_is_asked_for():
    quartic = fm.cost(lambda A, Y: ((A - Y) ** 4).sum(axis=1), lambda A, Y: 4 * (A - Y) ** 3, name="quartic")
    for cost in ("quadratic", quartic):
        settings = {**SMALL, "max_iter": 1, "alpha": 0.0, "shuffle": False}
        regressor = BackpropRegressor(**settings, cost=cost).fit(X, NUMBERS)
        start = BackpropRegressor(**settings, cost=cost, learning_rate_init=1e-300).fit(X, NUMBERS).network_
        assert regressor.loss_ == fm.gradient(start, X, NUMBERS[:, None], cost=cost).cost
    book = BackpropClassifier((6,), "logistic", out_activation="sigmoid", cost="quadratic", solver="lbfgs")
    book.set_params(random_state=0, alpha=0.0).fit(X, THREE)
    assert book.network_.activation_names == "sigmoid" and book.n_outputs_ == 3
    assert np.abs(book.predict_proba(X).sum(axis=1) - 1).max() <= 4 * np.finfo(float).eps
    assert book.score(X, THREE) > 0.9


def test_two_classes_may_have_softmax_outputs():
    classifier = BackpropClassifier(**SMALL, out_activation="softmax", cost="log_likelihood").fit(X, TWO)
    assert classifier.n_outputs_ == 2 and classifier.predict_proba(X).shape == (60, 2)
    assert classifier.predict(X).dtype == bool


def test_outputs_that_are_no_probabilities_give_none():
    classifier = BackpropClassifier(**SMALL, out_activation="tanh").fit(X, THREE)
    assert not hasattr(classifier, "predict_proba") and not hasattr(classifier, "predict_log_proba")
    assert set(classifier.predict(X)) <= set(THREE)


@pytest.mark.parametrize("y", [TWO, THREE, LABELS], ids=["two", "three", "labels"])
def test_logarithms_of_probabilities_are_finite_where_these_underflow(y):
    classifier = BackpropClassifier(**SMALL).fit(X, y)
    classifier.network_.vector[...] *= 1000
    probabilities, logarithms = classifier.predict_proba(X), classifier.predict_log_proba(X)
    assert (probabilities == 0).any() and np.isfinite(logarithms).all()
    normal = probabilities >= np.finfo(float).tiny
    assert np.array_equal(logarithms[normal], np.log(probabilities[normal]))
    assert (logarithms[~normal] < -700).all()


@pytest.mark.parametrize(("given", "dtype", "kept"), [
    ("float32", None, "float32"), ("float64", None, "float64"), ("int64", None, "float64"),
    ("float64", "float32", "float32"), ("float32", np.float64, "float64"), ("float64", "longdouble", "longdouble"),
])  # fmt: skip
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_the_dtype_is_kept(given, dtype, kept, solver):
    data = (10 * X).astype(given)
    classifier = BackpropClassifier(**SMALL, dtype=dtype, solver=solver).fit(data, TWO)
    assert classifier.network_.dtype == classifier.predict_proba(data).dtype == kept
    assert BackpropRegressor(**SMALL, dtype=dtype, solver=solver).fit(data, NUMBERS).predict(data).dtype == kept


def test_classes_may_have_weights():
    weights = np.select([THREE == "iris", THREE == "rose"], [3.0, 0.0], 1.0)
    by_class = BackpropClassifier(**SMALL, class_weight={"iris": 3.0, "rose": 0.0, "tulip": 1.0}).fit(X, THREE)
    by_example = BackpropClassifier(**SMALL).fit(X, THREE, sample_weight=weights)
    assert np.array_equal(parameters(by_class), parameters(by_example))
    counts = {label: 60 / 3 / np.sum(label == THREE) for label in np.unique(THREE)}
    balanced = BackpropClassifier(**SMALL, class_weight="balanced").fit(X, THREE, sample_weight=weights + 1)
    product = (weights + 1) * np.array([counts[label] for label in THREE])
    assert np.array_equal(
        parameters(balanced), parameters(BackpropClassifier(**SMALL).fit(X, THREE, sample_weight=product))
    )


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_weight_counts_an_example_so_many_times(solver):
    weights = RANDOM.integers(0, 4, 60)
    settings = {**SMALL, "solver": solver, "batch_size": "auto", "alpha": 0.5, "shuffle": False}
    weighted = BackpropRegressor(**settings).fit(X, NUMBERS, sample_weight=weights)
    repeated = BackpropRegressor(**settings).fit(X.repeat(weights, axis=0), NUMBERS.repeat(weights))
    # The only difference is the order of the sums.
    assert np.abs(parameters(weighted) - parameters(repeated)).max() <= 1e4 * np.finfo(float).eps
    assert abs(weighted.loss_ - repeated.loss_) <= 1e4 * np.finfo(float).eps


def test_a_mini_batch_without_weight_is_skipped():
    weights = np.ones(60)
    weights[20:40] = 0
    outliers = NUMBERS.copy()
    outliers[20:40] = 1e300
    settings = {**SMALL, "batch_size": 20, "shuffle": False}
    found = BackpropRegressor(**settings).fit(X, outliers, sample_weight=weights)
    kept = np.flatnonzero(weights)
    expected = BackpropRegressor(**settings).fit(X[kept], NUMBERS[kept])
    assert np.array_equal(parameters(found), parameters(expected)) and found.loss_curve_ == expected.loss_curve_


def test_one_pass_is_one_epoch():
    # The adaptive rate falls twice.
    settings = {**SMALL, "batch_size": 60, "shuffle": False, "solver": "sgd", "max_iter": 8}
    for schedule, tol in (("constant", 0.0), ("invscaling", 0.0), ("adaptive", 2.0)):
        settings |= {"tol": tol, "n_iter_no_change": 1 if tol else 10}
        whole = BackpropClassifier(**settings, learning_rate=schedule).fit(X, THREE)
        passes = BackpropClassifier(**settings, learning_rate=schedule)
        for i in range(8):
            passes.partial_fit(X, THREE, classes=np.unique(THREE) if i == 0 else None)
            passes = pickle.loads(pickle.dumps(passes))
        assert np.array_equal(parameters(whole), parameters(passes))
        assert whole.loss_curve_ == passes.loss_curve_ and passes.t_ == 8 * 60 and passes.n_iter_ == 1


def test_passes_shuffle_anew(monkeypatch):
    """Each pass takes its own order, although random_state is fixed."""
    take, orders = BackpropRegressor._take_epoch, []
    monkeypatch.setattr(
        BackpropRegressor,
        "_take_epoch",
        lambda self, trainer, rows, interruption: (orders.append(rows), take(self, trainer, rows, interruption))[1],
    )
    regressor = BackpropRegressor(**SMALL)
    for _ in range(3):
        regressor.partial_fit(X, NUMBERS)
    assert len({order.tobytes() for order in orders}) == 3


def test_warm_start_continues():
    cold = BackpropClassifier(**SMALL, warm_start=True, solver="sgd").fit(X, TWO)
    start = cold.network_.copy()
    cold.set_params(max_iter=1, learning_rate_init=1e-300).fit(X, TWO)
    assert np.array_equal(cold.network_.vector, start.vector) and len(cold.loss_curve_) == 5 and cold.t_ == 300
    for changed in ({"hidden_layer_sizes": (6,)}, {"activation": "tanh"}, {"out_activation": "tanh"}):
        with pytest.raises(InvalidInput, match="continue with the same layers"):
            clone(cold).set_params(max_iter=1).fit(X, TWO).set_params(**changed).fit(X, TWO)
    with pytest.raises(InvalidInput, match="y must have the classes of the fit that is continued"):
        cold.fit(X, THREE)
    with pytest.raises(InvalidInput, match="y must have the classes of the fit that is continued"):
        cold.fit(X, [True] * 60)
    cold.set_params(solver="lbfgs", warm_start=False).fit(X, TWO)
    curves = ("loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_")
    assert not any(hasattr(cold, name) for name in curves)


def test_early_stopping_keeps_the_best():
    settings = {
        "early_stopping": True,
        "learning_rate_init": 0.05,
        "validation_fraction": 0.3,
        "max_iter": 60,
        "n_iter_no_change": 5,
        "batch_size": 10,
    }
    for kind, y in ((BackpropClassifier, THREE), (BackpropClassifier, LABELS), (BackpropRegressor, NUMBERS)):
        estimator = kind(**{**SMALL, **settings})
        split, parts = estimator._held_back, []
        estimator._held_back = lambda *given, split=split, parts=parts: parts.extend(split(*given)) or parts
        estimator.fit(X, y)
        scores = estimator.validation_scores_
        assert np.argmax(scores) >= 2, "otherwise updates in the first epochs alone would do"
        assert estimator.score(X[parts[1]], y[parts[1]]) == max(scores)
        assert estimator.best_validation_score_ == max(scores) and len(scores) == estimator.n_iter_ < 60
        assert scores[-1] < max(scores), "otherwise the last parameters are the best"
        again = kind(**{**SMALL, **settings, "max_iter": int(np.argmax(scores)) + 1}).fit(X, y)
        assert np.array_equal(parameters(estimator), parameters(again))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_improvement_below_tol_is_none(early_stopping):
    settings = {**SMALL, "tol": 2.0, "n_iter_no_change": 3, "max_iter": 50, "early_stopping": early_stopping}
    # The first epoch improves on nothing; the fourth after it is one more than three.
    assert BackpropClassifier(**settings).fit(X, THREE).n_iter_ == 5


def test_held_back_examples_keep_the_shares_of_the_classes():
    y = np.array([0] * 40 + [1] * 12 + [2] * 8)
    classifier = BackpropClassifier(validation_fraction=0.25, random_state=0)
    classifier._generator, classifier._multilabel, classifier.classes_ = 0, False, np.arange(3)
    training, validation = classifier._held_back(np.eye(3)[y], np.arange(60), None)
    assert np.bincount(y[validation]).tolist() == [10, 3, 2] and len(training) == 45
    with pytest.raises(ValueError, match="least populated class"):
        BackpropClassifier(early_stopping=True).fit(X, [0] * 59 + [1])


def test_held_back_examples_need_weight():
    for row in (0, 1, 2):
        with pytest.raises(InvalidInput, match="a part with all weights zero"):
            BackpropRegressor(**SMALL, early_stopping=True).fit(X, NUMBERS, sample_weight=np.arange(60) == row)


def test_a_decrease_below_the_rounding_of_float32_is_no_progress(monkeypatch):
    import scipy.optimize

    minimize, tolerances = scipy.optimize.minimize, {}
    monkeypatch.setattr(
        scipy.optimize,
        "minimize",
        lambda function, start, **given: (
            tolerances.update({dtype: given["options"]["ftol"]}),
            minimize(function, start, **given),
        )[1],
    )
    for dtype in ("float32", "float64"):
        BackpropRegressor(**SMALL, solver="lbfgs", dtype=dtype).fit(X, NUMBERS)
    assert tolerances["float32"] == np.finfo("float32").eps and tolerances["float64"] < 1e-8


def test_an_adaptive_rate_falls_where_training_would_stop(capsys):
    settings = {**SMALL, "solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.01, "tol": 1.0}
    classifier = BackpropClassifier(**settings, verbose=True)
    classifier.set_params(n_iter_no_change=1, max_iter=100).fit(X, TWO)
    said = capsys.readouterr().out
    assert said.count("The learning rate is now") == 6 and said.rstrip().endswith("Stopping.")
    assert "Iteration 1, loss = " in said and "Validation score" not in said
    BackpropClassifier(**SMALL, early_stopping=True, verbose=True).fit(X, TWO)
    assert capsys.readouterr().out.count("Validation score: ") == SMALL["max_iter"]


def test_ctrl_c_stops_at_the_end_of_a_step(monkeypatch):
    take, steps = Trainer.descend, []

    def pressing(self, *examples):
        steps.append(take(self, *examples))
        if len(steps) == 8:
            signal.raise_signal(signal.SIGINT)
        return steps[-1]

    monkeypatch.setattr(Trainer, "descend", pressing)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.warns(UserWarning, match="stopped the training after 2 epochs") as caught:
            found = BackpropClassifier(**SMALL, batch_size=20).fit(X, TWO)
    finally:
        signal.signal(signal.SIGINT, before)
    assert caught[0].filename == __file__ and len(steps) == 8
    total, weight = np.sum(steps[6:], axis=0)
    assert found.loss_ == total / weight
    monkeypatch.undo()
    expected = BackpropClassifier(**{**SMALL, "max_iter": 2}, batch_size=20).fit(X, TWO)
    assert found.loss_curve_ == expected.loss_curve_ and found.n_iter_ == 2
    assert not np.array_equal(parameters(found), parameters(expected)), "two steps more"


def test_what_has_not_converged_warns_where_it_was_called():
    for settings in ({}, {"solver": "lbfgs"}):
        with pytest.warns(ConvergenceWarning, match="not converged") as caught:
            BackpropClassifier(**{**SMALL, "max_iter": 1, **settings}).fit(X, TWO)
        assert caught[0].filename == __file__
    for kind, y in ((BackpropClassifier, TWO), (BackpropRegressor, NUMBERS)):
        for call in ("fit", "partial_fit"):
            options = {"classes": [False, True]} if kind is BackpropClassifier and call == "partial_fit" else {}
            with pytest.warns(UserWarning, match="batch_size must be at most") as caught:
                getattr(kind(**SMALL, batch_size=61), call)(X, y, **options)
            assert caught[0].filename == __file__


@pytest.mark.parametrize("container", [csr_array, csc_array, csr_matrix])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sparse_examples_learn_as_dense_ones(container, solver):
    sparse = np.where(np.abs(X) > 0.8, X, 0)
    settings = {**SMALL, "solver": solver, "batch_size": 25}
    dense = BackpropClassifier(**settings, early_stopping=True).fit(sparse, THREE)
    found = BackpropClassifier(**settings, early_stopping=True).fit(container(sparse), THREE)
    assert np.array_equal(parameters(dense), parameters(found))
    assert np.array_equal(dense.predict_proba(sparse), found.predict_proba(container(sparse)))
    labels = BackpropClassifier(**settings).fit(container(sparse), csr_array(LABELS))
    assert np.array_equal(parameters(labels), parameters(BackpropClassifier(**settings).fit(sparse, LABELS)))


def test_many_examples_are_predicted_in_chunks():
    regressor = BackpropRegressor(**SMALL).fit(X, NUMBERS)
    many = np.tile(X, (40, 1))
    assert len(many) > 2 * 1024
    assert np.abs(regressor.predict(many) - np.tile(regressor.predict(X), 40)).max() <= 16 * np.finfo(float).eps


def test_several_numbers_are_predicted_at_once():
    Y = np.column_stack([NUMBERS, -NUMBERS])
    regressor = BackpropRegressor((8,), solver="lbfgs", random_state=0).fit(X, Y)
    assert regressor.predict(X).shape == (60, 2) and regressor.score(X, Y) > 0.9


def test_an_example_that_is_alone_in_its_class_is_learnt():
    y = ["a"] * 59 + ["b"]
    classifier = BackpropClassifier((8,), solver="lbfgs", random_state=0).fit(X, y)
    assert classifier.predict(X).tolist() == y


def test_one_class_is_always_predicted():
    classifier = BackpropClassifier(**SMALL).fit(X, ["only"] * 60)
    assert set(classifier.predict(X)) == {"only"}
    assert (classifier.predict_proba(X) == 1).all() and (classifier.predict_log_proba(X) == 0).all()


BAD = [
    ({"solver": "newton"}, UnknownName, "unknown solver 'newton'; valid names are sgd, adam, lbfgs"),
    ({"learning_rate": "fast"}, UnknownName, "unknown learning_rate 'fast'"),
    ({"activation": "rleu"}, UnknownName, "Did you mean 'relu'"),
    ({"activation": ["relu", "tanh"]}, InvalidInput, "a list of 1, one for each"),
    ({"activation": 3}, InvalidInput, "one for all hidden layers"),
    ({"hidden_layer_sizes": 0}, InvalidInput, r"hidden_layer_sizes\[0\] must be at least 1"),
    ({"hidden_layer_sizes": (5, -1)}, InvalidInput, r"hidden_layer_sizes\[1\] must be at least 1"),
    ({"hidden_layer_sizes": "5"}, WrongType, "positive integer"),
    ({"alpha": -1}, InvalidInput, "alpha must be at least 0"),
    ({"alpha": "1"}, WrongType, "alpha must be a number"),
    ({"alpha": math.nan}, InvalidInput, "alpha must be at least 0"),
    ({"tol": math.inf}, InvalidInput, "tol must be"),
    ({"momentum": 1.0}, InvalidInput, "momentum must be at least 0 and below 1"),
    ({"beta_1": 1}, InvalidInput, "beta_1 must be"),
    ({"beta_2": -0.1}, InvalidInput, "beta_2 must be"),
    ({"epsilon": 0}, InvalidInput, "epsilon must be positive"),
    ({"learning_rate_init": 0}, InvalidInput, "learning_rate_init must be positive"),
    ({"learning_rate_init": 1e-50, "dtype": "float32"}, InvalidInput, "positive and finite in float32"),
    ({"power_t": True}, WrongType, "power_t must be a number"),
    ({"validation_fraction": 1}, InvalidInput, "validation_fraction must be"),
    ({"max_iter": 1.5}, WrongType, "max_iter must be a positive integer"),
    ({"max_fun": 0}, InvalidInput, "max_fun must be at least 1"),
    ({"n_iter_no_change": 0}, InvalidInput, "n_iter_no_change must be at least 1"),
    ({"batch_size": 0}, InvalidInput, "batch_size must be at least 1"),
    ({"batch_size": "all"}, WrongType, "batch_size must be a positive integer"),
    ({"shuffle": 1}, WrongType, "shuffle must be True or False"),
    ({"early_stopping": "yes"}, WrongType, "early_stopping must be True or False"),
    ({"cost": "hinge"}, UnknownName, "unknown cost 'hinge'"),
    ({"cost": "log_likelihood"}, Refused, "log_likelihood needs outputs that compete"),
    ({"dtype": "float16"}, WrongType, "float16"),
    ({"class_weight": {False: -1, True: 1}}, InvalidInput, "must not be negative"),
    ({"early_stopping": True, "validation_fraction": 0.01}, ValueError, "should be greater or equal"),
]


@pytest.mark.parametrize(("given", "exception", "message"), BAD, ids=[str(case[0]) for case in BAD])
def test_a_bad_parameter_is_refused_when_it_is_used(given, exception, message):
    classifier = BackpropClassifier(**{**SMALL, **given})
    with pytest.raises(exception, match=message):
        classifier.fit(X, TWO)


@pytest.mark.parametrize(
    ("y", "exception", "message"),
    [
        (np.column_stack([np.arange(60) % 3] * 2), InvalidInput, "several columns of classes"),
        (np.array([1, "a"] * 30, dtype=object), Exception, "(?i)mix|uniform|unknown label type|sorted"),
        ([None] * 60, ValueError, "Unknown label type"),
        (NUMBERS, ValueError, "Unknown label type"),
    ],
    ids=["columns", "mixed", "none", "numbers"],
)
def test_labels_that_cannot_be_used_are_refused(y, exception, message):
    with pytest.raises(exception, match=message):
        BackpropClassifier(**SMALL).fit(X, y)


def test_passes_refuse_what_they_cannot_do():
    with pytest.raises(InvalidInput, match="first call of partial_fit needs all classes"):
        BackpropClassifier(**SMALL).partial_fit(X, TWO)
    with pytest.raises(InvalidInput, match=r"y must have the classes of classes"):
        BackpropClassifier(**SMALL).partial_fit(X, THREE, classes=["iris", "rose"])
    with pytest.raises(InvalidInput, match="early_stopping=False"):
        BackpropClassifier(**SMALL, early_stopping=True).partial_fit(X, TWO, classes=[False, True])
    with pytest.raises(InvalidInput, match="class_weight must be a dict"):
        BackpropClassifier(**SMALL, class_weight="balanced").partial_fit(X, TWO, classes=[False, True])
    fitted = BackpropClassifier(**SMALL).partial_fit(X, TWO, classes=[False, True])
    with pytest.raises(InvalidInput, match="classes must be those of the first call"):
        fitted.partial_fit(X, TWO, classes=[False, True, 2])
    assert not hasattr(BackpropClassifier(solver="lbfgs"), "partial_fit")
    assert not hasattr(BackpropRegressor(solver="lbfgs"), "partial_fit")


def test_a_fit_that_overflows_says_so_and_fits_nothing():
    regressor = BackpropRegressor((5,), "identity", solver="sgd", learning_rate_init=1e3, max_iter=50)
    with pytest.raises(NotFinite, match="must stay finite"):
        regressor.fit(X * 1e3, NUMBERS)
    with pytest.raises(NotFittedError):
        regressor.predict(X)
    fitted = BackpropRegressor(**SMALL, warm_start=True).fit(X, NUMBERS)
    with pytest.raises(UnknownName):
        fitted.set_params(backend="none").fit(X, NUMBERS)
    assert fitted.predict(X).shape == (60,)


def kept(estimator):
    """What a fitted estimator tells, and what it continues with."""
    told = {name: value for name, value in vars(estimator).items() if name not in estimator.get_params()}
    told.pop("_generator")
    return told | {"network_": estimator.network_.vector.tolist(), "_state": str(told["_state"])}


OVERFLOWING = {"learning_rate_init": 1e200, "solver": "sgd"}
FAILURES = [
    ({}, X, np.where(TWO, "zz", "aa"), [1, 2]),
    ({}, X, LABELS, [1, 2]),
    ({}, X[:, :3], TWO, [1, 2]),
    ({"activation": "rleu"}, X, THREE, None),
    ({"hidden_layer_sizes": (0,)}, X[:, :2], THREE, None),
    ({"cost": "log_likelihood"}, X, TWO, None),
    (OVERFLOWING, X, THREE, None),
    ({**OVERFLOWING, "early_stopping": True}, X, THREE, None),
]


@pytest.mark.parametrize(("settings", "examples", "y", "weights"), FAILURES, ids=range(len(FAILURES)))
def test_a_fit_that_fails_changes_nothing(settings, examples, y, weights):
    classifier = BackpropClassifier(**SMALL).fit(X, np.where(TWO, "p", "n"))
    before, predicted = str(kept(classifier)), classifier.predict(X)
    classifier.set_params(**settings)
    with pytest.raises(Exception, match=r"must|unknown|needs"):
        classifier.fit(examples, y, sample_weight=weights)
    assert str(kept(classifier)) == before and np.array_equal(classifier.predict(X), predicted)
    fresh = BackpropClassifier(**{**SMALL, **settings})
    with pytest.raises(Exception, match=r"must|unknown|needs"):
        fresh.fit(examples, y, sample_weight=weights)
    assert vars(fresh) == vars(clone(fresh))


@pytest.mark.parametrize("once", [False, True])
def test_a_fit_that_continues_and_overflows_changes_nothing(once):
    classifier = BackpropClassifier(**SMALL, solver="sgd", warm_start=True).fit(X, THREE)
    before = str(kept(classifier))
    # The first of two epochs of one step each is still finite.
    classifier.set_params(learning_rate_init=1e200, batch_size=10 if once else 60)
    with pytest.raises(NotFinite, match="must stay finite"):
        (classifier.partial_fit if once else classifier.fit)(X, THREE)
    assert str(kept(classifier)) == before


def test_a_first_pass_that_fails_leaves_no_classes():
    classifier = BackpropClassifier(**SMALL)
    with pytest.raises(WrongShape):
        classifier.partial_fit(X, TWO, classes=[False, True], sample_weight=[1, 2])
    with pytest.raises(InvalidInput, match="needs all classes"):
        classifier.partial_fit(X, TWO)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("max_iter", [1, 20])
def test_a_descent_that_diverges_says_so(early_stopping, solver, max_iter):
    settings = {**SMALL, "max_iter": max_iter, "solver": solver, "learning_rate_init": 1e200, "batch_size": 10}
    for estimator, y in ((BackpropClassifier, THREE), (BackpropRegressor, NUMBERS)):
        with pytest.raises(NotFinite, match="must stay finite"):
            estimator(**settings, early_stopping=early_stopping).fit(X, y)


def test_a_score_that_is_not_finite_is_refused():
    """After a single step weights and loss are still finite."""
    settings = {**SMALL, "max_iter": 1, "learning_rate_init": 1e200, "early_stopping": True}
    for estimator, y in ((BackpropClassifier, THREE), (BackpropRegressor, NUMBERS)):
        with pytest.raises(NotFinite, match="validation score must stay finite"):
            estimator(**settings).fit(X, y)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_only_ratios_of_weights_count_beside_alpha(solver):
    for scale in (2.0**1000, 2.0**-1000):
        settings = {**SMALL, "solver": solver, "alpha": 0.0, "early_stopping": solver == "adam"}
        weights = RANDOM.uniform(1, 2, 60)
        expected = BackpropRegressor(**settings).fit(X, NUMBERS, sample_weight=weights)
        found = BackpropRegressor(**settings).fit(X, NUMBERS, sample_weight=weights * (scale * 2**20))
        assert np.array_equal(parameters(found), parameters(expected))
        assert found.loss_ == expected.loss_
        with_penalty = BackpropRegressor(**settings).set_params(alpha=0.5).fit(X, NUMBERS, sample_weight=weights)
        scaled = BackpropRegressor(**settings).set_params(alpha=0.5 * scale)
        scaled.fit(X, NUMBERS, sample_weight=weights * scale)
        assert np.array_equal(parameters(scaled), parameters(with_penalty))
    settings = {**SMALL, "solver": solver}
    huge = BackpropRegressor(**settings).fit(X, NUMBERS, sample_weight=np.full(60, 1e307))
    none = BackpropRegressor(**settings).set_params(alpha=0.0).fit(X, NUMBERS)
    assert np.abs(parameters(huge) - parameters(none)).max() <= 1e4 * np.finfo(float).eps
    with pytest.raises(InvalidInput, match="alpha divided by the sum of the sample weights must be finite"):
        BackpropRegressor(**settings).fit(X, NUMBERS, sample_weight=np.full(60, 1e-320))


def test_a_pass_may_lack_a_class_that_has_a_weight():
    weight = {"iris": 3.0, "tulip": 0.5}
    for batch in (THREE == "rose", THREE != "iris", THREE == THREE):
        by_class = BackpropClassifier(**SMALL, class_weight=weight)
        by_class.partial_fit(X[batch], THREE[batch], classes=np.unique(THREE))
        by_example = BackpropClassifier(**SMALL)
        weights = [weight.get(label, 1.0) for label in THREE[batch]]
        by_example.partial_fit(X[batch], THREE[batch], classes=np.unique(THREE), sample_weight=weights)
        assert np.array_equal(parameters(by_class), parameters(by_example))
    labels = LABELS * [1, 0, 1]
    by_class = BackpropClassifier(**SMALL, class_weight=[{0: 1, 1: 2}, {0: 1, 1: 4}, {0: 1, 1: 8}])
    by_example = BackpropClassifier(**SMALL).partial_fit(
        X, labels, sample_weight=2 ** (labels @ [1, 2, 3]), classes=range(3)
    )
    assert np.array_equal(parameters(by_class.partial_fit(X, labels, classes=range(3))), parameters(by_example))


def test_all_examples_at_once_end_a_descent():
    classifier = BackpropClassifier(**SMALL, warm_start=True).fit(X, TWO)
    classifier.set_params(solver="lbfgs").fit(X, TWO)
    assert not hasattr(classifier, "loss_curve_") and not hasattr(classifier, "best_loss_")
    start = pickle.loads(pickle.dumps(classifier))
    classifier.set_params(solver="adam").partial_fit(X, TWO)
    assert classifier.loss_curve_ == [classifier.loss_]
    # The moments are new, too: the first step of Adam is the learning rate, in each parameter with a gradient.
    steps = np.abs(parameters(classifier) - parameters(start))
    assert steps.max() <= 0.001 * (1 + 1e-6) and np.median(steps[steps > 0]) >= 0.00099


def test_nothing_is_told_before_the_fit():
    for name in ("coefs_", "intercepts_", "n_layers_", "n_outputs_", "out_activation_"):
        assert not hasattr(BackpropClassifier(), name)
    with pytest.raises(NotFittedError):
        BackpropClassifier().predict(X)


# Among scikit-learn's tools.


def test_a_grid_searches_backends_and_activations():
    grid = {"backend": ["hadamard", "sigma"], "activation": ["tanh", fm.PerNeuron(["relu", "tanh", "sine"])]}
    search = GridSearchCV(BackpropClassifier((3,), max_iter=5, random_state=0), grid, cv=2).fit(X, THREE)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 4 and np.isfinite(scores).all()
    by = {(p["activation"], p["backend"]): score for p, score in zip(search.cv_results_["params"], scores, strict=True)}
    assert all(by[activation, "hadamard"] == by[activation, "sigma"] for activation, _ in by)


@pytest.mark.slow
def test_a_grid_is_searched_by_several_processes():
    grid = {"backend": ["hadamard", "sigma"], "activation": ["tanh", "logistic"]}
    search = GridSearchCV(BackpropClassifier(**SMALL), grid, cv=2, n_jobs=2).fit(X, THREE)
    alone = GridSearchCV(BackpropClassifier(**SMALL), grid, cv=2).fit(X, THREE)
    assert np.array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])


def test_a_pipeline_scales_and_names_columns():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    pipeline = make_pipeline(StandardScaler(), BackpropClassifier(**SMALL)).set_output(transform="pandas")
    classifier = pipeline.fit(frame, pd.Series(THREE))[-1]
    assert classifier.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="feature names should match"):
        classifier.predict(frame[["b", "a", "c", "d"]])
    found = cross_validate(pipeline, frame, THREE, cv=2, return_estimator=True)
    assert np.isfinite(found["test_score"]).all() and len(found["estimator"]) == 2


def test_sample_weights_are_routed():
    import sklearn

    with sklearn.config_context(enable_metadata_routing=True):
        regressor = BackpropRegressor(**SMALL).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        weights = np.where(np.arange(60) < 30, 1.0, 0.0)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, regressor).fit(X, NUMBERS, sample_weight=weights)
    scaled = StandardScaler().fit_transform(X)
    expected = BackpropRegressor(**SMALL).fit(scaled, NUMBERS, sample_weight=weights)
    assert np.array_equal(parameters(pipeline[-1]), parameters(expected))


def test_a_clone_has_the_parameters_and_nothing_learnt():
    settings = {"activation": fm.PerNeuron(["relu", "tanh"]), "hidden_layer_sizes": (2,), "cost": "quadratic"}
    fitted = BackpropRegressor(**settings, max_iter=1).fit(X, NUMBERS)
    cloned = clone(fitted)
    assert cloned.get_params() == fitted.get_params() and not hasattr(cloned, "network_")


def test_a_pickle_predicts_and_learns_on():
    fitted = BackpropClassifier(**SMALL).fit(X, THREE)
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    for copy in (pickle.loads(pickle.dumps(fitted)), joblib.load(file)):
        assert np.array_equal(copy.predict_proba(X), fitted.predict_proba(X))
        assert np.shares_memory(copy.coefs_[0], copy.network_.vector)
        copy.partial_fit(X, THREE)
        expected = pickle.loads(pickle.dumps(fitted)).partial_fit(X, THREE)
        assert np.array_equal(parameters(copy), parameters(expected))


def test_it_is_shown_as_text_and_html():
    classifier = BackpropClassifier((3,), activation="tanh", backend="sigma", max_iter=1)
    text = "BackpropClassifier(activation='tanh', backend='sigma', hidden_layer_sizes=(3,),\n"
    assert repr(classifier).startswith(text)
    for shown in (classifier, classifier.fit(X, TWO)):
        assert "BackpropClassifier" in shown._repr_html_() and "sigma" in shown._repr_html_()


def test_nothing_warns_about_the_arithmetic():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        BackpropClassifier(**SMALL, early_stopping=True).fit(1e4 * X, THREE).predict_log_proba(1e4 * X)


def test_without_scikit_learn_the_import_says_what_to_install():
    program = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'sklearn':\n"
        "            raise ModuleNotFoundError('absent', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "try:\n    import formulations.estimators\n"
        "except ImportError as caught:\n    print(type(caught).__name__, caught)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(
        "MissingExtra formulations.estimators needs sklearn, which is not installed; install it with: pip"
    )
    assert "scikit-learn" in done.stdout and "'sklearn'" in done.stdout


def test_many_examples_are_predicted_in_parts(monkeypatch):
    classifier = BackpropClassifier(**SMALL).fit(X, ["a", "b", "c"] * 20)
    parts = [classifier.predict_proba(X[start : start + 7]) for start in range(0, len(X), 7)]
    monkeypatch.setattr("formulations.network.forward_pass.IN_ONE_PASS", 7 * max(classifier.network_.sizes))
    for examples in (X, csr_array(X)):
        assert np.array_equal(classifier.predict_proba(examples), np.concatenate(parts))
