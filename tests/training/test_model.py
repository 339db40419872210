"""Models: labels come back, columns are matched by name, and a file holds all of it."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from makers import DTYPES
from scipy.sparse import csr_array

import formulations as fm
from formulations.data import Scaling
from formulations.exceptions import (
    FormulationsException,
    InvalidInput,
    NotFinite,
    Refused,
    WrongShape,
    WrongType,
)
from formulations.training import confusion_matrix
from formulations.training.scores import r_squared

NAMES = ["setosa", "versicolor", "virginica"]


def clusters(m=60, K=3, seed=0):
    """Examples of K classes around distinct centres, far from 0 and on different scales."""
    random = np.random.default_rng(seed)
    indices = np.arange(m) % K
    centres = random.normal(size=(K, 4)) * 3
    return (centres[indices] + 0.3 * random.normal(size=(m, 4))) * [1, 100, 0.01, 5] + [0, 1000, 0, -3], indices


@pytest.fixture
def data():
    X, indices = clusters()
    return X, np.array(NAMES)[indices]


def trained(X, Y, **options):
    model = fm.Model.for_data(X, Y, hidden=(5,), seed=0, **options)
    model.fit(X, Y, epochs=30, seed=0)
    return model


KINDS = {"strings": np.array(NAMES), "integers": np.array([-3, 5, 40]), "lists": np.array(["a", "b", "c"])}


@pytest.mark.parametrize("kind", KINDS)
def test_predict_gives_labels_back(kind):
    X, indices = clusters()
    labels = KINDS[kind][indices]
    Y = labels.tolist() if kind == "lists" else labels
    model = trained(X, Y)
    assert model.network.sizes == (4, 5, 3) and model.network.activation_names == "tanh, softmax"
    assert np.array_equal(model.predict(X), labels) and model.score(X, Y) == 1.0
    assert model.classes.tolist() == sorted(set(labels.tolist()))


def test_booleans_are_two_classes():
    X, indices = clusters(K=2)
    model = trained(X, indices == 1)
    assert model.predict(X).dtype == bool and model.score(X, indices == 1) == 1.0


def test_unit_vectors_are_labels_by_their_places():
    X, indices = clusters()
    Y = fm.one_hot(indices)
    model = trained(X, Y)
    assert np.array_equal(model.predict(X), indices) and model.score(X, Y) == model.score(X, indices) == 1.0
    named = fm.Model(model.network, NAMES, mean=model.mean, scale=model.scale)
    assert named.score(X, Y) == named.score(X, np.array(NAMES)[indices]) == 1.0


def test_unit_vectors_are_the_classes_in_their_own_order():
    X, indices = clusters()
    names, Y = ["b", "c", "a"], fm.one_hot(indices)
    model = fm.Model.for_data(X, Y, hidden=(5,), classes=names, seed=0)
    model.fit(X, Y, epochs=30, learning_rate=1.0, seed=0)
    assert model.classes.tolist() == names and model.predict(X).tolist() == [names[i] for i in indices]
    assert model.score(X, Y) == 1.0


def test_numbers_are_predicted_as_numbers_in_their_own_units():
    X = np.random.default_rng(0).normal(size=(60, 4)) * [1, 100, 0.01, 5]
    wanted = 1e6 * (X @ [0.5, 0.01, 30.0, 1.0]) - 7e6
    model = fm.Model.for_data(X, wanted, hidden=(), seed=0)
    model.fit(X, wanted, epochs=200, seed=0)
    assert model.classes is None and model.network.activation_names == "identity"
    assert model.target_mean[0] == pytest.approx(wanted.mean()) and model.target_scale[0] == pytest.approx(wanted.std())
    found = model.predict(X)
    assert found.shape == (60,) and np.abs(found - wanted).max() < 0.01 * np.ptp(wanted)
    unexplained = np.sum((wanted - found) ** 2) / np.sum((wanted - wanted.mean()) ** 2)
    assert model.score(X, wanted) == pytest.approx(1 - unexplained, abs=1e-12) and unexplained < 1e-3
    both = np.column_stack([wanted, 2 * wanted])
    assert fm.Model.for_data(X, both).predict(X).shape == (60, 2)
    plain = fm.Model.for_data(X, wanted, standardize=False)
    assert plain.target_mean is plain.target_scale is None and np.array_equal(plain.predict(X), plain.outputs(X)[:, 0])


def test_the_scaling_of_numbers_comes_back(tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 4))
    model = fm.Model.for_data(X, X[:, :2] * 100, seed=0)
    model.save(tmp_path / "model.npz")
    assert np.array_equal(fm.Model.load(tmp_path / "model.npz").predict(X), model.predict(X))
    with pytest.raises(InvalidInput, match="target_mean goes with numbers"):
        fm.Model(model.network, ["a", "b"], target_mean=[0, 0], target_scale=[1, 1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_far_from_0_keep_their_digits(dtype):
    X = np.array([[-1.0], [1.0]])
    made = fm.Network([np.ones((1, 1), dtype)], [np.zeros(1, dtype)], "identity")
    model = fm.Model(made, target_mean=[1.7e9 + 1], target_scale=[0.5])
    wanted = np.array([1.7e9 + 0.5, 1.7e9 + 1.5])
    assert np.array_equal(model.predict(X), wanted) and model.score(X, wanted) == 1.0
    assert model.predict(X).dtype == np.promote_types(dtype, float)
    assert model.score(X, np.add(wanted, [0, 0.5])) == pytest.approx(1 - 0.25 / 1.125)
    large = [np.finfo(model.predict(X).dtype).max]
    with pytest.raises(NotFinite, match=r"predictions must be finite, got \[inf\] for X\[1\] in the units"):
        fm.Model(made, target_mean=large, target_scale=large).predict(X)


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1, 1e170, 5e307])
def test_r_squared_does_not_depend_on_the_scale(scale):
    wanted, found = np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [2.0], [2.0]])
    assert r_squared(wanted * scale, found * scale) == pytest.approx(0.5, rel=1e-14)


@pytest.mark.parametrize("value", [0.0, 2.0, 1e-200])
def test_r_squared_of_constant_targets_is_1_if_all_are_correct_and_else_0(value):
    wanted = np.full((3, 1), value)
    assert r_squared(wanted, wanted) == 1
    assert r_squared(wanted, np.add(wanted, [[0], [0], [np.spacing(value)]])) == 0
    assert r_squared(np.hstack([wanted, wanted]), np.hstack([wanted, 2 * wanted + (value == 0)])) == 0.5


def test_r_squared_agrees_with_scikit_learn(data):
    metrics = pytest.importorskip("sklearn.metrics")
    X, _ = data
    for Y in (X[:, :1], X[:, :3], np.column_stack([X[:, 0], np.full(60, 2.0)])):
        model = fm.Model.for_data(X, Y, hidden=(2,), seed=1)
        assert model.score(X, Y) == pytest.approx(metrics.r2_score(Y, model.predict(X)), rel=1e-12)


def test_the_inputs_are_standardised_before_the_network(data):
    X, Y = data
    model = fm.Model.for_data(X, Y, seed=0)
    expected = (X - X.mean(axis=0)) / X.std(axis=0)
    assert np.allclose(model.outputs(X), model.network(expected), rtol=0, atol=1e-12)
    plain = fm.Model.for_data(X, Y, seed=0, standardize=False)
    assert plain.mean is plain.scale is None and np.array_equal(plain.outputs(X), plain.network(X))


def test_fit_trains_on_the_standardised_inputs_as_sgd_does(data):
    X, Y = data
    model = fm.Model.for_data(X, Y, hidden=(5,), seed=3)
    net, scaled = model.network.copy(), Scaling.of(X)(X)
    options = {"epochs": 3, "optimizer": "sgd", "learning_rate": 0.7, "seed": 5, "backend": "sigma"}
    history = model.fit(X, Y, validation=(X, Y), **options)
    other = fm.sgd(net, scaled, fm.one_hot(Y), cost="log_likelihood", validation=(scaled, fm.one_hot(Y)), **options)
    assert np.array_equal(model.network.vector, net.vector)
    assert (
        history.classes.tolist() == NAMES
        and history.backend == "sigma"
        and history.costs == other.costs
        and history.accuracy == other.accuracy
    )


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_model_that_is_loaded_can_be_trained_further_without_settings(data, tmp_path, momentum):
    X, Y = data
    trained(X, Y).save(tmp_path / "model.npz")
    loaded = fm.Model.load(tmp_path / "model.npz")
    history = loaded.fit(X, Y, epochs=5, momentum=momentum, seed=0)
    assert loaded.score(X, Y) == 1.0 and not history.failure
    assert history.epochs[-1].learning_rate == (0.1 if momentum else 0.01)


def test_the_defaults_learn_a_regression():
    X = np.random.default_rng(0).normal(size=(60, 2)) * [1, 100]
    Y = 1000 * np.sin(X[:, 0]) + X[:, 1]
    model = fm.Model.for_data(X, Y, seed=0)
    model.fit(X, Y, seed=0)
    assert model.score(X, Y) > 0.9


def test_the_settings_of_the_optimizer_are_checked_by_a_model_too(data):
    X, Y = data
    model = fm.Model.for_data(X, Y, seed=0)
    with pytest.raises(InvalidInput, match="nesterov needs a momentum"):
        model.fit(X, Y, nesterov=True)
    with pytest.raises(WrongType, match="momentum must be a number"):
        model.fit(X, Y, momentum=np.ones(2))


def test_constant_features_are_left_as_they_are():
    X, indices = clusters()
    X[:, 2] = 7.0
    model = trained(X, indices)
    assert model.scale[2] == 1 and model.score(X, indices) == 1.0


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_network_has_the_dtype_that_is_asked_for(data, dtype):
    X, Y = data
    model = fm.Model.for_data(X, Y, dtype=dtype)
    assert model.network.dtype == dtype and model.predict_proba(X).dtype == dtype


def test_probabilities_are_the_softmax_outputs(data):
    X, Y = data
    model = trained(X, Y)
    assert np.array_equal(model.predict_proba(X), model.outputs(X))
    assert np.allclose(model.predict_proba(X).sum(axis=1), 1)


def test_one_sigmoid_output_gives_two_probabilities():
    X, indices = clusters(K=2)
    labels = np.array(["no", "yes"])[indices]
    scaling = Scaling.of(X)
    model = fm.Model(fm.Network.random([4, 1], seed=0), ["no", "yes"], mean=scaling.mean, scale=scaling.scale)
    model.fit(X, labels, epochs=30, seed=0)
    found = model.predict_proba(X)
    assert np.array_equal(found[:, 1], model.outputs(X)[:, 0]) and np.array_equal(found.sum(axis=1), np.ones(60))
    assert np.array_equal(model.predict(X), labels)


@pytest.mark.parametrize("name", ["sigmoid", "identity"])
def test_other_outputs_are_no_probabilities(data, name):
    X, Y = data
    model = fm.Model.for_data(X, Y, activations=["tanh", name])
    assert model.network.activation_names == f"tanh, {name}" and model.predict(X).shape == (60,)
    with pytest.raises(Refused, match=f"3 outputs of {name}.*softmax"):
        model.predict_proba(X)
    with pytest.raises(Refused, match="predicts numbers"):
        fm.Model.for_data(X, X).predict_proba(X)


def test_many_examples_are_predicted_in_parts(data, monkeypatch):
    monkeypatch.setattr("formulations.network.forward_pass.IN_ONE_PASS", 35)
    X, Y = data
    model = trained(X, Y)
    sparse = model.predict(csr_array(X))
    assert np.array_equal(model.predict(X), Y) and np.array_equal(sparse, Y)


def test_sparse_examples_are_scaled_and_not_shifted():
    X, indices = clusters()
    X[np.median(X, axis=0) > X] = 0
    model = fm.Model.for_data(csr_array(X), indices, hidden=(5,), seed=0)
    model.fit(csr_array(X), indices, epochs=2, seed=0)
    assert not model.mean.any() and np.allclose(model.scale, X.std(axis=0))
    assert np.array_equal(model.predict(csr_array(X)), model.predict(X))


FRAMES = ["pandas", "polars", "dask.dataframe"]
COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def frame(kind, X, columns=COLUMNS):
    package = pytest.importorskip(kind)
    columns = {name: X[:, i] for i, name in enumerate(columns)}
    if kind == "dask.dataframe":
        pandas = pytest.importorskip("pandas")
        return package.from_pandas(pandas.DataFrame(columns), npartitions=2)
    return package.DataFrame(columns)


@pytest.mark.parametrize("kind", FRAMES)
def test_columns_of_frames_are_matched_by_name(data, kind):
    X, Y = data
    model = trained(frame(kind, X), Y)
    assert model.columns == COLUMNS
    turned = frame(kind, X[:, ::-1], COLUMNS[::-1])
    assert np.array_equal(model.predict(turned), Y) and np.array_equal(model.predict(X), Y)


@pytest.mark.parametrize("kind", FRAMES)
def test_columns_that_are_absent_or_unknown_are_named(data, kind):
    X, Y = data
    model = trained(frame(kind, X), Y)
    with pytest.raises(InvalidInput, match=r"got no 'petal_width' and also 'id'"):
        model.predict(frame(kind, X, (*COLUMNS[:3], "id")))
    with pytest.raises(InvalidInput, match="got no 'petal_width';"):
        model.predict(frame(kind, X[:, :3], COLUMNS[:3]))


def test_a_series_names_what_is_predicted(data):
    pandas = pytest.importorskip("pandas")
    X, Y = data
    assert fm.Model.for_data(X, pandas.Series(Y, name="species")).label == "species"
    assert fm.Model.for_data(X, pandas.Series(Y)).label is None
    index = pandas.Index(COLUMNS)
    assert fm.Model(fm.Network.random([4, 1]), columns=index).columns == COLUMNS


def everything(tmp_path, **changes):
    X, indices = clusters()
    Y = changes.pop("Y", np.array(NAMES)[indices])
    made = fm.Model.for_data(X, Y, hidden=(5,), seed=0, **changes)
    model = fm.Model(made.network, made.classes, COLUMNS, made.mean, made.scale, label="species", label_index=4)
    model.save(tmp_path / "model.npz")
    return X, model


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_comes_back(tmp_path, dtype, kind):
    X, model = everything(tmp_path, dtype=dtype, Y=KINDS[kind][clusters()[1]])
    again = fm.Model.load(tmp_path / "model.npz")
    assert np.array_equal(again.network.vector, model.network.vector) and again.network.dtype == dtype
    assert again.network.activations == model.network.activations
    for name in ("classes", "mean", "scale"):
        first, second = getattr(again, name), getattr(model, name)
        assert first.dtype == second.dtype and np.array_equal(first, second)
    assert (again.columns, again.label, again.label_index) == (model.columns, model.label, 4)
    assert np.array_equal(again.predict(X), model.predict(X))


def test_a_model_of_a_network_alone_comes_back(tmp_path):
    fm.Model(fm.Network.random([2, 1], "identity", seed=0)).save(tmp_path / "model.npz")
    again = fm.Model.load(tmp_path / "model.npz")
    assert again.classes is again.columns is again.mean is again.scale is again.label is None


def test_each_reader_names_the_other(tmp_path):
    _, model = everything(tmp_path)
    fm.save(model.network, tmp_path / "network.npz")
    with pytest.raises(InvalidInput, match=r"the file of a model.*formulations\.Model\.load"):
        fm.load(tmp_path / "model.npz")
    with pytest.raises(InvalidInput, match=r"the file of a network.*formulations\.load"):
        fm.Model.load(tmp_path / "network.npz")
    np.savez(tmp_path / "data.npz", X=np.ones(2))
    with pytest.raises(InvalidInput, match=r"model\.save\(path\)"):
        fm.Model.load(tmp_path / "data.npz")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(tmp_path, share):
    everything(tmp_path)
    path = tmp_path / "model.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InvalidInput, match=r"write it again with model\.save"):
        fm.Model.load(path)


def test_an_interrupted_write_keeps_the_old_model(tmp_path, monkeypatch):
    _, model = everything(tmp_path)
    before = (tmp_path / "model.npz").read_bytes()

    def interrupted(file, **_):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("formulations.training.model.np.savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.save(tmp_path / "model.npz")
    assert (tmp_path / "model.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]


CHANGED = {
    "no JSON": ({"model": np.array("{")}, "does not contain a model"),
    "no label": ({"model": np.array("{}")}, "does not contain a model"),
    "a label that is no name": ({"model": np.array('{"label": 3, "label_index": null}')}, "label must be a name"),
    "a list": ({"model": np.array('["label"]')}, "does not contain a model"),
    "a label outside": ({"model": np.array('{"label": null, "label_index": 5}')}, "from 0 to 4, got 5"),
    "a label that is true": ({"model": np.array('{"label": null, "label_index": true}')}, "from 0 to 4, got True"),
    "objects": ({"classes": np.array([{}, 1, 2])}, "pickles are refused"),
    "too few classes": ({"classes": np.array(["a", "b"])}, "3 classes for 3 outputs, got 2"),
    "repeated classes": ({"classes": np.array(["a", "b", "a"])}, "'a' twice"),
    "real classes": ({"classes": np.array([0.5, 1, 2])}, "classes must be"),
    "too few columns": ({"columns": np.array(["a", "b"])}, "4 distinct names"),
    "repeated columns": ({"columns": np.array(["a", "b", "c", "a"])}, "4 distinct names"),
    "columns of numbers": ({"columns": np.arange(4)}, "columns must be a list of names"),
    "columns of no dimension": ({"columns": np.array("abcd")}, "columns must be a list of names"),
    "no mean": ({"mean": None}, "got no mean"),
    "another width": ({"mean": np.zeros(3)}, r"mean must have shape \(4,\), got \(3,\)"),
    "NaN": ({"mean": np.array([0, 0, np.nan, 0])}, "mean must be finite"),
    "no positive scale": ({"scale": np.array([1, 0, 1, 1.0])}, "scale must be positive"),
    "text": ({"scale": np.array(["1", "2", "3", "4"])}, "scale must hold real numbers"),
    "no network": ({"weights_2": None}, "lacks weights_2"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_a_file_whose_parts_do_not_fit_is_refused(tmp_path, case):
    everything(tmp_path)
    path, (changes, part) = tmp_path / "model.npz", CHANGED[case]
    with np.load(path) as held:
        arrays = {**held, **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(FormulationsException, match=part):
        fm.Model.load(path)


def test_numpy_alone_can_read_it(tmp_path):
    everything(tmp_path)
    with np.load(tmp_path / "model.npz") as held:
        assert held["classes"].tolist() == NAMES and held["columns"].tolist() == list(COLUMNS)
        assert json.loads(str(held["model"])) == {"label": "species", "label_index": 4}
        assert json.loads(str(held["activations"])) == ["tanh", "softmax"]
    assert all(name.endswith(".npy") for name in zipfile.ZipFile(tmp_path / "model.npz").namelist())


def test_a_user_defined_activation_is_refused(tmp_path, data):
    X, Y = data
    mine = fm.activation(np.sin, np.cos, name="mine")
    with pytest.raises(Refused, match="built-in activations, got 'mine'"):
        fm.Model.for_data(X, Y, activations=mine).save(tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


def test_labels_unseen_in_training_are_named_with_their_place(data):
    X, Y = data
    model = trained(X, Y)
    for use in (model.score, model.confusion, model.fit, lambda X, Y: model.fit(X, NAMES * 20, validation=(X, Y))):
        with pytest.raises(InvalidInput, match=r"'daisy' at Y\[2\]"):
            use(X[:60], [NAMES[0], NAMES[1], "daisy", *[NAMES[2]] * 57])


def test_a_subset_of_the_classes_can_be_learnt_and_tested(data):
    X, Y = data
    model = trained(X, Y)
    two = Y != "setosa"
    assert model.score(X[two], Y[two]) == 1.0
    model.fit(X[two], Y[two], epochs=1, class_weight={"versicolor": 2.0})


@pytest.mark.parametrize("outputs", ["identity", "sigmoid", "softmax"])
def test_integers_are_labels_whatever_the_outputs(outputs):
    X, indices = clusters()
    model = fm.Model.for_data(X, indices, activations=["tanh", outputs], seed=0)
    model.fit(X, indices, epochs=20, learning_rate=0.2, seed=0)
    assert model.score(X, indices) == 1.0


BAD = {
    "one class": (lambda X, _: fm.Model.for_data(X, ["a"] * 60), InvalidInput, "at least two classes"),
    "mixed labels": (lambda X, Y: fm.Model.for_data(X, [*Y[:59].tolist(), 3]), WrongType, r"at Y\[59\]"),
    "a missing label": (lambda X, Y: fm.Model.for_data(X, [*Y[:59], None]), InvalidInput, r"Y\[59\]"),
    "NaN": (lambda X, Y: fm.Model.for_data(np.vstack([X[:7], np.full((53, 4), np.nan)]), Y), NotFinite, r"X\[7, 0\]"),
    "other lengths": (lambda X, Y: fm.Model.for_data(X[1:], Y), WrongShape, "59 and 60"),
    "no rows": (lambda X, Y: fm.Model.for_data(X, Y).predict(X[:0]), WrongShape, "at least one example"),
    "other widths": (lambda X, Y: fm.Model.for_data(X, Y).predict(X[:, :3]), WrongShape, "4 columns"),
    "sparse NaN": (lambda _, Y: fm.Model.for_data(csr_array(np.diag([1, 2, np.nan])), Y), NotFinite, r"X\[2, 2\]"),
    "sparse X, too few": (lambda X, Y: fm.Model.for_data(X, Y).predict(csr_array(X[:, :3])), WrongShape, "4 columns"),
    "one example": (lambda X, Y: fm.Model.for_data(X, Y).predict(X[0]), WrongShape, r"X\.reshape\(1, -1\)"),
    "text": (lambda X, Y: fm.Model.for_data(X, Y).predict(np.full((2, 4), "a")), WrongType, "real numbers"),
    "numbers": (lambda X, Y: fm.Model.for_data(X, Y).score(X, X[:, 0]), WrongType, "Y must hold labels"),
    "lengths in score": (lambda X, Y: fm.Model.for_data(X, Y).score(X[1:], Y), WrongShape, "59 and 60"),
    "lengths of numbers": (lambda X, _: fm.Model.for_data(X, X).score(X[1:], X), WrongShape, "59 and 60"),
    "activations": (lambda X, Y: fm.Model.for_data(X, Y, activations=["tanh"] * 3), WrongShape, "1 hidden layer"),
    "no sequence": (lambda X, Y: fm.Model.for_data(X, Y, hidden=30), WrongType, "hidden must be a sequence"),
    "an array of no dimension": (
        lambda X, Y: fm.Model.for_data(X, Y, hidden=np.array(3)), WrongType, "hidden must be a sequence",
    ),
    "bytes": (lambda X, Y: fm.Model.for_data(X, Y, hidden=b"ab"), WrongType, "hidden must be a sequence"),
    "too few unit vectors": (
        lambda X, Y: fm.Model.for_data(X, Y).score(X, np.eye(2)[[0, 1] * 30]), WrongShape, r"3 columns, .* \(60, 2\)",
    ),
    "too many unit vectors": (
        lambda X, Y: fm.Model.for_data(X, Y).fit(X, np.eye(4)[[0, 1, 3] * 20]), WrongShape, r"3 columns, .* \(60, 4\)",
    ),
    "a number of classes": (
        lambda X, _: fm.Model.for_data(X, np.eye(3)[[0, 1, 2] * 20], classes=3), WrongShape, "classes must",
    ),
    "a word for classes": (
        lambda X, _: fm.Model.for_data(X, np.eye(3)[[0, 1, 2] * 20], classes="abc"), WrongShape, "classes must",
    ),
    "no activation": (lambda X, Y: fm.Model.for_data(X, Y, activations=3), WrongType, "activations must be names"),
    "no label": (lambda X, Y: fm.Model.for_data(X, Y, label=3), WrongType, "label must be a name"),
    "no pair": (lambda X, Y: fm.Model.for_data(X, Y).fit(X, Y, validation=X), WrongType, "a pair \\(X, Y\\)"),
    "null characters": (
        lambda *_: fm.Model(fm.Network.random([2, 1]), columns=["a", "a\0"]), InvalidInput, "without null characters",
    ),
    "no names": (lambda *_: fm.Model(fm.Network.random([4, 1]), columns="abcd"), WrongType, "a list of names"),
    "classes without labels": (lambda X, _: fm.Model.for_data(X, X, classes=["a"]), WrongType, "go with labels"),
    "no network": (lambda X, _: fm.Model(X), WrongType, "expected a formulations.Network"),
    "confusion of numbers": (lambda X, _: fm.Model.for_data(X, X).confusion(X, X), Refused, "call score"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_refused_in_a_sentence(data, case):
    use, exception, part = BAD[case]
    with pytest.raises(exception, match=part):
        use(*data)


def test_a_network_that_has_diverged_names_no_class(data):
    X, Y = data
    model = fm.Model.for_data(X, Y, seed=0)
    model.network.vector[-1] = np.nan
    with pytest.raises(NotFinite, match=r"outputs of the network must be finite.*X\[0\]"):
        model.predict(X)


def test_a_model_is_fixed_but_for_its_network(data):
    X, Y = data
    model = fm.Model.for_data(X, Y)
    with pytest.raises(AttributeError):
        model.classes = None
    with pytest.raises(ValueError, match="read-only"):
        model.mean[0] = 1


def test_it_is_shown_in_a_line_and_in_html(data):
    X, Y = data
    made = fm.Model.for_data(X, Y, hidden=(5,), label="<species>")
    assert repr(made) == "<Model 4-5-3, tanh, softmax, 3 classes, standardised>"
    assert "&lt;species&gt;" in made._repr_html_() and "<species>" not in made._repr_html_()


def test_the_confusion_matrix_counts_and_agrees_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(0)
    wanted, found = random.integers(0, 3, (2, 100))
    matrix = confusion_matrix(["a", "b", "c"], wanted, found)
    assert np.array_equal(matrix.counts, metrics.confusion_matrix(wanted, found))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(wanted, found)
    for one, other in ((matrix.precision, precision), (matrix.recall, recall), (matrix.f1, f1)):
        assert one == pytest.approx(other, rel=1e-15)
    assert np.array_equal(matrix.support, support) and matrix.accuracy == metrics.accuracy_score(wanted, found)


def test_figures_that_do_not_exist_are_shown_as_such():
    matrix = confusion_matrix([0, 1, 2], [0, 1], [0, 0])
    assert np.isnan(matrix.precision[1:]).all() and np.isnan(matrix.recall[2]) and matrix.recall[1] == 0
    assert str(matrix).splitlines()[-1].split() == ["2", "–", "–", "–", "0"]
    assert matrix.to_dict()["confusion_matrix"] == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]


def test_of_many_classes_the_most_frequent_confusions_are_printed():
    wanted = np.arange(40)
    found = wanted.copy()
    found[:2] = [7, 9]
    shown = str(confusion_matrix(np.arange(20), wanted % 20, found % 20))
    assert "the 2 most frequent confusions" in shown and "rows: labels" not in shown
    assert "no example is confused" in str(confusion_matrix(np.arange(20), wanted % 20, wanted % 20))


@pytest.mark.parametrize(("wanted", "found"), [([], []), ([0], [0, 1]), ([2], [0]), ([0], [-1])])
def test_indices_that_fit_no_classes_are_refused(wanted, found):
    with pytest.raises(InvalidInput):
        confusion_matrix(["a", "b"], wanted, found)


def test_a_matrix_is_drawn_into_given_axes_or_a_new_figure():
    pytest.importorskip("matplotlib")
    matrix = confusion_matrix(["cat", "dog"], [0, 0, 0, 1], [0, 0, 1, 1])
    figure = matrix.plot()
    assert [text.get_text() for text in figure.axes[0].texts] == ["2", "1", "0", "1"]
    assert "75.00 %" in figure.axes[0].get_title(loc="left")
    assert matrix.plot(ax=figure.axes[0]) is figure
    assert repr(matrix) == "<ConfusionMatrix of 2 classes, accuracy 75.00 % on 4 examples>"
    assert "<td>cat</td>" in matrix._repr_html_() and "75.00 %" in matrix._repr_html_()


def many_classes(K):
    indices = np.arange(3 * K) % K
    return confusion_matrix([f"{k:03} {'x' * 30}" for k in range(K)], indices, np.where(indices == 7, 8, indices))


def test_of_many_classes_the_worst_are_printed():
    few, many = str(many_classes(20)), str(many_classes(21))
    assert "lowest F1" not in few and sum(line.startswith("0") for line in few.splitlines()) == 1 + 20
    table = many.split("the 10 of 21 classes with the lowest F1\n")[1].splitlines()
    assert len(table) == 2 + 10 and table[2].startswith("007") and table[3].startswith("008")
    assert "the 10 of 21 classes" in many_classes(21)._repr_html_()


def test_a_drawn_matrix_of_many_classes_names_some_of_them_and_is_no_larger():
    pytest.importorskip("matplotlib")
    small, large = many_classes(15).plot(), many_classes(200).plot()
    assert large.get_size_inches().tolist() == small.get_size_inches().tolist()
    texts = [text.get_text() for text in large.axes[0].get_yticklabels()]
    assert len(texts) == 20 and texts[1] == f"010 {'x' * 15}…"
    assert len(small.axes[0].get_yticklabels()) == 15
