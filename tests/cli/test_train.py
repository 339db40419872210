"""``formulations train`` on tables: what it learns, prints, draws and saves, and what it refuses."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from iris_like import NAMES, flowers, write_table

import formulations as fm
from formulations.cli.commands import formulations
from formulations.data import Scaling


def run(*arguments):
    return CliRunner().invoke(formulations, list(map(str, arguments)))


def words(text):
    return " ".join(text.split())


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "iris.csv", *flowers())


def test_a_table_becomes_a_model_with_its_names_and_scaling(table, tmp_path):
    path = tmp_path / "iris.npz"
    result = run("train", "--data", table, "--label", "species", "--save", path)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("4-30-3, tanh, softmax, log_likelihood cost, 60 examples, float64\n")
    assert "48 examples to train on, 12 to test on, shuffled with seed 0, each class with its share" in words(
        result.stdout
    )
    assert "hadamard, adam, η = 0.01, mini-batches of 10" in result.stdout
    assert "accuracy 100.00 % on 48 training examples, 100.00 % on 12 test examples" in words(result.stdout)
    model = fm.Model.load(path)
    assert model.label == "species" and model.columns[0] == "sepal_length" and model.classes.tolist() == list(NAMES)
    X, labels = flowers()
    X_train, Y_train, X_test, Y_test = fm.split(X, labels, 0.2, seed=0)
    assert np.array_equal(model.mean, Scaling.of(X_train).mean) and model.score(X_test, Y_test) == 1.0
    by_hand = fm.Model.for_data(X_train, Y_train, seed=0)
    by_hand.fit(X_train, Y_train, seed=0)
    assert np.array_equal(by_hand.network.vector, model.network.vector)


def test_the_confusion_matrix_and_the_figures_of_each_class_are_printed(table):
    shown = run("train", "--data", table, "--epochs", "5").stdout
    assert "on the 12 test examples" in shown and "rows: labels; columns: predictions" in shown
    assert all(f"\n{name}" in shown for name in NAMES) and "precision" in shown


def test_json_holds_the_settings_and_the_figures_of_the_test(table):
    found = json.loads(run("train", "--data", table, "--epochs", "9", "--l2", "0.001", "--json").stdout)
    assert found["test_accuracy"] == 1.0 and found["classes"] == list(NAMES)
    assert found.items() >= {"optimizer": "adam", "learning_rate": 0.01, "l2": 0.001, "cost": "log_likelihood"}.items()
    assert found["test"]["confusion_matrix"] == [[4, 0, 0], [0, 4, 0], [0, 0, 4]]
    assert found["test"]["classes"][1] == {
        "class": "versicolor", "precision": 1.0, "recall": 1.0, "f1": 1.0, "examples": 4
    }  # fmt: skip


def test_the_history_is_drawn(table, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "history.svg"
    result = run("train", "--data", table, "--epochs", "3", "--plot", path)
    assert result.exit_code == 0, result.output
    assert "<svg" in path.read_text(encoding="utf-8")


def test_a_plot_that_cannot_be_written_is_found_before_the_training(table, tmp_path):
    pytest.importorskip("matplotlib")
    result = run("train", "--data", table, "--epochs", "1000000", "--plot", tmp_path / "absent" / "plot.png")
    assert result.exit_code == 2 and "the parent directory does not exist" in words(result.stderr)


@pytest.mark.parametrize(
    ("given", "title", "rule"),
    [
        (["--hidden", "7,5"], "4-7-5-3, tanh, tanh, softmax, log_likelihood cost", "adam, η = 0.01"),
        (["--sizes", "4,6,3", "--activations", "sigmoid,sigmoid"], "4-6-3, sigmoid, binary_cross_entropy cost", "adam"),
        (["--sizes", "4,3"], "4-3, softmax, log_likelihood cost", "adam"),
        (["--hidden", "2", "--optimizer", "sgd"], "4-2-3, tanh, softmax", "hadamard, sgd, η = 0.1"),
        (["--hidden", "2", "--momentum", "0.5", "--nesterov"], "4-2-3", "sgd, η = 0.1, μ = 0.5"),
        (["--hidden", "2", "--learning-rate", "0.5", "--l1", "1e-5"], "4-2-3", "adam, η = 0.5, l1 = 1e-05"),
        (["--hidden", "2", "--dtype", "float32", "--backend", "sigma"], "4-2-3", "sigma, adam"),
    ],
)
def test_network_and_rule_follow_the_options(table, given, title, rule):
    result = run("train", "--data", table, "--epochs", "1", *given)
    assert result.exit_code == 0, result.output
    assert title in result.stdout and rule in result.stdout


def test_features_can_be_taken_as_they_are(table, tmp_path):
    assert (
        run("train", "--data", table, "--no-standardize", "--epochs", "1", "--save", tmp_path / "m.npz").exit_code == 0
    )
    assert fm.Model.load(tmp_path / "m.npz").scale is None


def test_the_order_of_the_file_can_be_kept(tmp_path):
    X, labels = flowers()
    path = write_table(tmp_path / "iris.csv", X, labels)
    result = run("train", "--data", path, "--no-shuffle", "--epochs", "1", "--save", tmp_path / "m.npz")
    assert "in the order of the data" in result.stdout
    assert np.array_equal(fm.Model.load(tmp_path / "m.npz").mean, Scaling.of(X[:48]).mean)


def test_digits_can_have_hidden_layers_by_their_own_option():
    result = run("train", "--hidden", "7", "--epochs", "1")
    assert "64-7-10, sigmoid, quadratic cost, 1797 examples" in result.stdout
    assert "rows: labels; columns: predictions" in result.stdout


def test_real_numbers_are_predicted_as_numbers(tmp_path):
    X, _ = flowers()
    path = write_table(tmp_path / "prices.csv", X, (1e5 * X[:, 0] + 0.5).tolist(), label="price")
    result = run("train", "--data", path, "--save", tmp_path / "m.npz")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("4-30-1, tanh, identity, quadratic cost")
    assert words(result.stdout).split("R² ")[1] > "0.9" and "precision" not in result.stdout
    found = json.loads(run("train", "--data", path, "--json").stdout)
    assert found["test_r2"] > 0.9 and found["test"] is None and "test_accuracy" not in found


def test_integers_are_classes_unless_a_regression_is_asked_for(tmp_path):
    X, _ = flowers()
    path = write_table(tmp_path / "ages.csv", X, (1000 * X[:, 0]).astype(int).tolist(), label="age")
    result = run("train", "--data", path, "--epochs", "1")
    assert "pass --regression if they are numbers" in words(result.stderr)
    result = run("train", "--data", path, "--epochs", "1", "--regression")
    assert "identity, quadratic cost" in result.stdout and "\nR² " in result.stdout and not result.stderr


def test_labels_in_an_npz_file_are_classes(tmp_path):
    X, labels = flowers()
    np.savez(tmp_path / "iris.npz", X=X, Y=np.array(labels))
    result = run("train", "--data", tmp_path / "iris.npz", "--save", tmp_path / "model.npz")
    assert result.exit_code == 0, result.output
    model = fm.Model.load(tmp_path / "model.npz")
    assert model.classes.tolist() == list(NAMES) and model.columns is None


def test_a_saved_model_is_trained_further(table, tmp_path):
    path, again = tmp_path / "m.npz", tmp_path / "again.npz"
    run("train", "--data", table, "--epochs", "1", "--save", path)
    X, labels = flowers()
    turned = write_table(tmp_path / "turned.csv", X[:, ::-1], labels, columns=fm.Model.load(path).columns[::-1])
    for data in (table, turned):
        result = run("train", "--data", data, "--network", path, "--epochs", "2", "--save", again)
        assert result.exit_code == 0, result.output
        model = fm.Model.load(again)
        before = fm.Model.load(path)
        assert np.array_equal(model.mean, before.mean) and model.columns == before.columns
        assert not np.array_equal(model.network.vector, before.network.vector)


def test_a_network_gets_what_its_table_knows(table, tmp_path):
    fm.save(fm.Network.random([4, 5, 3], ["tanh", "softmax"], seed=0), tmp_path / "net.npz")
    result = run("train", "--data", table, "--network", tmp_path / "net.npz", "--save", tmp_path / "m.npz")
    assert result.exit_code == 0, result.output
    model = fm.Model.load(tmp_path / "m.npz")
    assert model.classes.tolist() == list(NAMES) and model.columns is not None and model.scale is not None


def test_a_class_with_one_example_is_learnt_and_named_in_a_warning(tmp_path):
    X, labels = flowers()
    path = write_table(tmp_path / "iris.csv", X, [*labels[:-1], "rare"])
    result = run("train", "--data", path, "--epochs", "1")
    assert result.exit_code == 0, result.output
    assert "class rare has no example to test on" in words(result.stderr)


def test_a_class_that_only_the_test_part_has_is_named_in_a_warning(tmp_path):
    X, labels = flowers()
    path = write_table(tmp_path / "iris.csv", X, [*labels[:-1], "rare"])
    result = run("train", "--data", path, "--epochs", "1", "--no-shuffle")
    assert result.exit_code == 0, result.output
    assert "class rare has no example to train on, so it cannot be learnt" in words(result.stderr)


def test_a_constant_feature_does_no_harm(tmp_path):
    X, labels = flowers()
    X[:, 1] = 7
    result = run("train", "--data", write_table(tmp_path / "iris.csv", X, labels))
    assert result.exit_code == 0 and "100.00 % on 12 test examples" in words(result.stdout)


def changed(row, column, value):
    X, labels = flowers()
    cells = [[*map(str, x), label] for x, label in zip(X.tolist(), labels, strict=True)]
    cells[row][column] = value
    return cells


BAD = {
    "a missing value": (
        changed(3, 1, ""),
        "line 5, column 'sepal_width': a feature must be a number, got an empty cell",
    ),
    "text among numbers": (
        changed(7, 0, "tall"),
        "line 9, column 'sepal_length': a feature must be a number, got 'tall'",
    ),
    "infinity": (changed(7, 0, "inf"), "line 9, column 'sepal_length'"),
    "a missing label": (changed(9, 4, ""), "line 11, column 'species': a label must not be missing"),
    "mixed labels": (changed(9, 4, "3"), "labels must be all numbers or all text"),
    "a short row": ([*changed(0, 0, "1")[:5], ["1", "2"]], "line 7: a row must have 5 cells"),
    "one class": ([[*row[:4], "setosa"] for row in changed(0, 0, "1")], "at least two classes"),
    "one row": (changed(0, 0, "1")[:1], "two examples or more, to train and to test on, got one"),
    "no row": ([], "at least one example"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_table_that_cannot_be_used_is_refused_with_the_place(tmp_path, case):
    rows, part = BAD[case]
    lines = [
        ",".join(row) for row in [["sepal_length", "sepal_width", "petal_length", "petal_width", "species"], *rows]
    ]
    (tmp_path / "bad.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = run("train", "--data", tmp_path / "bad.csv", "--save", tmp_path / "m.npz")
    assert result.exit_code == 2, result.output
    assert part in words(result.stderr) and not (tmp_path / "m.npz").exists()


REFUSED = {
    "no such column": (["--label", "genus"], "unknown column 'genus'; valid names are sepal_length"),
    "no numbers": (["--regression"], "--regression needs numbers to predict, got 'setosa'"),
    "other sizes": (["--sizes", "5,3,3"], "--sizes must begin with 4"),
    "hidden and sizes": (["--sizes", "4,3", "--hidden", "3"], "leave one of them out"),
    "no integers": (["--hidden", "a"], "--hidden must be integers"),
    "no neurons": (["--hidden", "0"], "--hidden must be at least 1"),
    "momentum of adam": (["--optimizer", "adam", "--momentum", "0.5"], "--momentum and --nesterov are settings of"),
    "an unknown activation": (["--activations", "relo"], "Did you mean 'relu'"),
    "an unknown optimizer": (["--optimizer", "Adamm"], "Did you mean 'adam'"),
    "an unknown cost": (["--cost", "hinge"], "unknown cost 'hinge'"),
}


def test_data_are_not_overwritten(tmp_path):
    np.savez(tmp_path / "data.npz", X=np.eye(4), Y=np.eye(4))
    before = (tmp_path / "data.npz").read_bytes()
    for option in ("--save", "--checkpoint"):
        result = run("train", "--data", tmp_path / "data.npz", option, tmp_path / "data.npz")
        assert result.exit_code == 2 and f"{option} must name a file of its own" in words(result.stderr)
    assert (tmp_path / "data.npz").read_bytes() == before
    result = run("train", "--save", tmp_path / "a.npz", "--checkpoint", tmp_path / "a.npz")
    assert result.exit_code == 2 and "that of --save" in words(result.stderr)


@pytest.mark.parametrize("Y", [np.array([[1.0, 0.0]]), np.array([0.5])])
def test_one_example_is_not_both_trained_and_tested_on(tmp_path, Y):
    np.savez(tmp_path / "data.npz", X=np.ones((1, 3)), Y=Y)
    for option in ([], ["--no-shuffle"]):
        result = run("train", "--data", tmp_path / "data.npz", *option)
        assert result.exit_code == 2 and "must hold two examples or more" in words(result.stderr)


@pytest.mark.parametrize("case", REFUSED)
def test_options_that_do_not_fit_are_refused(table, case):
    given, part = REFUSED[case]
    result = run("train", "--data", table, *given)
    assert result.exit_code == 2 and part in words(result.stderr), result.output


@pytest.mark.parametrize("given", [["--label", "species"], ["--regression"], ["--no-standardize"]])
def test_options_of_a_table_are_refused_without_one(given):
    result = run("train", *given)
    assert result.exit_code == 2 and f"{given[0]} goes with a table" in words(result.stderr)


def test_a_network_of_other_shape_or_classes_is_refused(table, tmp_path):
    fm.save(fm.Network.random([4, 5], "softmax", seed=0), tmp_path / "net.npz")
    result = run("train", "--data", table, "--network", tmp_path / "net.npz")
    assert result.exit_code == 2 and "5 classes for 5 outputs, got 3" in words(result.stderr)
    fm.Model(fm.Network.random([4, 2], "softmax", seed=0), ["setosa", "virginica"]).save(tmp_path / "m.npz")
    result = run("train", "--data", table, "--network", tmp_path / "m.npz")
    assert result.exit_code == 2 and "'versicolor' at Y[" in words(result.stderr)


def test_early_stopping_holds_out_training_examples_and_leaves_the_test_unseen(table):
    result = run("train", "--data", table, "--epochs", "500", "--early-stopping", "3", "--learning-rate", "0.1")
    assert result.exit_code == 0, result.output
    shown = words(result.stdout)
    assert "38 examples to train on, 10 to stop by, 12 to test on" in shown
    assert "stopped by early stopping after" in shown and "the parameters are those of epoch" in shown
    assert "on 38 training examples" in shown and "on 10 validation examples" in shown
    found = json.loads(run("train", "--data", table, "--epochs", "9", "--early-stopping", "3", "--json").stdout)
    assert {"train_accuracy", "validation_accuracy", "test_accuracy", "early_stopping"} <= set(found)


def test_the_learning_rate_follows_a_schedule(table):
    found = json.loads(run("train", "--data", table, "--epochs", "3", "--schedule", "exponential", "--json").stdout)
    assert found["schedule"] == "exponential"
    assert "10 to stop by" in run("train", "--data", table, "--epochs", "3", "--schedule", "plateau").stdout
    result = run("train", "--data", table, "--schedule", "expo")
    assert result.exit_code == 2 and "unknown schedule 'expo'" in result.stderr


def test_ctrl_c_tests_and_saves_what_was_learnt(table, tmp_path, monkeypatch, ctrl_c):
    @contextmanager
    def interrupting(_):
        yield lambda epoch: ctrl_c() if epoch.epoch == 2 else None

    monkeypatch.setattr("formulations.cli.train._bar", interrupting)
    result = run("train", "--data", table, "--epochs", "1000", "--save", tmp_path / "m.npz")
    assert result.exit_code == 0, result.output
    assert "stopped by Ctrl-C after" in words(result.stdout) and "test examples" in result.stdout
    assert fm.Model.load(tmp_path / "m.npz").score(*flowers()) > 0.3


def test_a_run_goes_on_from_its_checkpoint(table, tmp_path, monkeypatch, ctrl_c):
    given = ["train", "--data", table, "--epochs", "6", "--checkpoint", tmp_path / "run.npz", "--save"]
    whole = ["train", "--data", table, "--epochs", "6", "--save", tmp_path / "whole.npz"]

    @contextmanager
    def interrupting(_):
        yield lambda epoch: ctrl_c() if epoch.epoch == 2 else None

    with monkeypatch.context() as patched:
        patched.setattr("formulations.cli.train._bar", interrupting)
        assert "stopped by Ctrl-C" in words(run(*given, tmp_path / "half.npz").stdout)
    assert run(*given, tmp_path / "resumed.npz").exit_code == 0 and run(*whole).exit_code == 0
    vectors = [fm.Model.load(tmp_path / f"{name}.npz").network.vector for name in ("half", "resumed", "whole")]
    assert np.array_equal(vectors[1], vectors[2]) and not np.array_equal(vectors[0], vectors[1])
    result = run(*given, tmp_path / "other.npz", "--learning-rate", "0.5")
    assert result.exit_code == 2 and "other settings or data" in words(result.stderr)


def test_the_tutorial_quotes_what_the_two_commands_print(tmp_path, monkeypatch):
    datasets = pytest.importorskip("sklearn.datasets")
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8").split("## 8.")[1]
    commands = re.findall(r"```sh\nformulations (.*)\n```", page)
    _, report, new, predictions = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    iris = datasets.load_iris()
    names = [*iris.feature_names]
    labels = iris.target_names[iris.target].tolist()
    write_table(tmp_path / "iris.csv", iris.data, labels, columns=names)
    (tmp_path / "new.csv").write_text(new, encoding="utf-8")
    trained, predicted = (run(*command.replace("--plot iris.png", "").split()) for command in commands)
    assert trained.exit_code == predicted.exit_code == 0
    assert trained.stdout.endswith(report)
    printed, quoted = ([line.split(",")[0] for line in text.splitlines()] for text in (predicted.stdout, predictions))
    assert printed == quoted


def test_the_plot_says_what_was_trained_and_on_what_it_is_measured(table, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    drawn = []
    monkeypatch.setattr("formulations.cli.train.save_figure", lambda figure, _: drawn.append(figure))
    command = ["train", "--data", table, "--epochs", "3", "--plot", tmp_path / "iris.png"]
    run(*command)
    run(*command, "--early-stopping", "2")
    first, second = ([text.get_text() for text in figure.axes[1].get_legend().get_texts()] for figure in drawn)
    assert first == ["training (12 of 48)", "test"] and second[1] == "validation"
    assert drawn[0].axes[0].get_title(loc="left") == "iris.csv: 4-30-3, tanh, softmax, adam, η = 0.01"


def test_many_classes_without_examples_to_test_on_are_one_warning(tmp_path):
    X = np.random.default_rng(0).normal(size=(30, 2))
    labels = np.r_[np.zeros(20, int), np.arange(1, 11)]
    np.savetxt(tmp_path / "t.csv", np.column_stack([X, labels]), ["%.3f", "%.3f", "%d"], delimiter=",")
    said = words(run("train", "--data", tmp_path / "t.csv", "--epochs", "1").stderr)
    assert said.count("to test on") == 1 and "9 classes, 1, 2, 3 and 6 others, have no example to test on" in said


def test_zeros_and_ones_with_a_decimal_point_are_numbers_with_a_warning_or_classes(tmp_path):
    X = np.random.default_rng(0).normal(size=(40, 2))
    np.savetxt(tmp_path / "t.csv", np.column_stack([X, X[:, 0] > 0]), "%.3f", delimiter=",")
    command = ["train", "--data", tmp_path / "t.csv", "--epochs", "1"]
    numbers = run(*command)
    assert "pass --classes if they name classes" in words(numbers.stderr) and "R²" in numbers.stdout
    assert "warning" not in run(*command, "--regression").stderr
    classes = run(*command, "--classes", "--save", tmp_path / "net.npz")
    predicted = run("predict", tmp_path / "net.npz", "--data", tmp_path / "t.csv", "--output", tmp_path / "found.csv")
    assert predicted.exit_code == 0 and "accuracy" in predicted.stdout + predicted.stderr
    assert classes.exit_code == 0 and "softmax" in classes.stdout and "warning" not in classes.stderr
    assert "exclude each other" in run(*command, "--classes", "--regression").stderr
    np.savetxt(tmp_path / "t.csv", X, "%.3f", delimiter=",")
    assert "--classes needs labels that are whole numbers, got" in words(run(*command, "--classes").stderr)
