"""``formulations predict``: labels, numbers and probabilities from a file, and how well they fit."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from iris_like import COLUMNS, NAMES, flowers, write_table
from makers import DTYPES

import formulations as fm
from formulations.cli.commands import formulations


def run(*arguments):
    return CliRunner().invoke(formulations, list(map(str, arguments)))


def words(text):
    return " ".join(text.split())


def rows(text):
    return list(csv.reader(io.StringIO(text)))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The path of a model that knows the flowers."""
    X, labels = flowers()
    made = fm.Model.for_data(X, labels, seed=0)
    made.fit(X, labels, optimizer="adam", learning_rate=0.01, seed=0)
    path = tmp_path_factory.mktemp("model") / "iris.npz"
    fm.Model(made.network, made.classes, COLUMNS, made.mean, made.scale, label="species", label_index=4).save(path)
    return path


@pytest.fixture
def new(tmp_path):
    X, labels = flowers(20, seed=1)
    return write_table(tmp_path / "new.csv", X), X, labels


def test_a_table_becomes_predictions_with_two_commands(tmp_path, new):
    table = write_table(tmp_path / "iris.csv", *flowers())
    path, (data, _, labels) = tmp_path / "iris.npz", new
    assert run("train", "--data", table, "--label", "species", "--save", path).exit_code == 0
    result = run("predict", path, "--data", data)
    assert result.exit_code == 0, result.output
    assert rows(result.stdout) == [["species"], *([label] for label in labels)] and not result.stderr


def test_a_delimiter_that_nobody_guesses_is_named(tmp_path, new):
    table, (data, _, labels) = write_table(tmp_path / "iris.csv", *flowers()), new
    for path in (table, data):
        Path(path).write_text(Path(path).read_text("utf-8").replace(",", "^"), "utf-8")
    model = tmp_path / "iris.npz"
    refused = run("train", "--data", table, "--label", "species", "--save", model)
    assert refused.exit_code == 2 and not model.exists()
    assert run("train", "--data", table, "--label", "species", "--delimiter", "^", "--save", model).exit_code == 0
    result = run("predict", model, "--data", data, "--delimiter", "^")
    assert [row[0] for row in rows(result.stdout)[1:]] == labels
    assert "one character" in run("predict", model, "--data", data, "--delimiter", "tab").stderr
    assert "--delimiter" in run("train", "--delimiter", ";").stderr


def test_columns_are_matched_by_name(model, new, tmp_path):
    _, X, labels = new
    turned = write_table(tmp_path / "turned.csv", X[:, ::-1], columns=COLUMNS[::-1])
    assert [row[0] for row in rows(run("predict", model, "--data", turned).stdout)[1:]] == labels
    nameless = write_table(tmp_path / "nameless.csv", X, header=False)
    assert [row[0] for row in rows(run("predict", model, "--data", nameless).stdout)[1:]] == labels


def test_probabilities_are_columns_after_the_prediction(model, new):
    data, X, labels = new
    header, *found = rows(run("predict", model, "--data", data, "--proba").stdout)
    assert header == ["species", *(f"P({name})" for name in NAMES)]
    assert [row[0] for row in found] == labels
    assert np.array_equal(np.array([row[1:] for row in found], float), fm.Model.load(model).predict_proba(X))


def test_predictions_are_written_to_a_file(model, new, tmp_path):
    data, _, labels = new
    result = run("predict", model, "--data", data, "--output", tmp_path / "found.csv")
    assert result.exit_code == 0 and result.stdout == ""
    assert rows((tmp_path / "found.csv").read_text(encoding="utf-8")) == [["species"], *([name] for name in labels)]


@pytest.mark.parametrize("header", [True, False])
def test_known_labels_give_the_figures_of_each_class(model, new, tmp_path, header):
    _, X, labels = new
    wrong = ["virginica" if label == "versicolor" and i < 3 else label for i, label in enumerate(labels)]
    data = write_table(tmp_path / "known.csv", X, wrong, header=header)
    result = run("predict", model, "--data", data, "--output", tmp_path / "found.csv")
    assert result.exit_code == 0, result.output
    assert "accuracy 95.00 % on 20 examples" in result.stdout and "precision" in result.stdout
    printed = run("predict", model, "--data", data)
    assert printed.stdout == (tmp_path / "found.csv").read_text(encoding="utf-8") and printed.stderr == result.stdout
    found = json.loads(run("predict", model, "--data", data, "--json", "--proba").stdout)
    assert found["accuracy"] == 0.95 and found["predictions"] == labels and found["classes"] == list(NAMES)
    assert np.shape(found["probabilities"]) == (20, 3) and np.sum(found["report"]["confusion_matrix"]) == 20


def test_labels_in_a_column_of_another_name(model, new, tmp_path):
    _, X, labels = new
    data = write_table(tmp_path / "known.csv", X, labels, label="observed")
    assert "accuracy 100.00 %" in run("predict", model, "--data", data, "--label", "observed").stderr
    assert "accuracy 100.00 %" in run("predict", model, "--data", data, "--label", "-1").stderr


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("place", [0, 2, 4])
def test_labels_are_found_where_they_were_in_training(new, tmp_path, place, trained, asked):
    X, labels = flowers()

    def table(name, X, labels, header):
        rows = [[*row[:place], label, *row[place:]] for row, label in zip(X.tolist(), labels, strict=True)]
        names = [[*COLUMNS[:place], "species", *COLUMNS[place:]]] * header
        (tmp_path / name).write_text("\n".join(",".join(map(str, row)) for row in names + rows), encoding="utf-8")
        return tmp_path / name

    path = tmp_path / "model.npz"
    data = table("known.csv", X, labels, header=trained)
    assert run("train", "--data", data, "--label", "species" if trained else place, "--save", path).exit_code == 0
    assert fm.Model.load(path).label_index == place
    _, X, labels = new
    result = run("predict", path, "--data", table("new.csv", X, labels, header=asked))
    assert "accuracy 100.00 %" in result.stderr and [row[0] for row in rows(result.stdout)[1:]] == labels


def test_without_a_place_for_labels_their_column_is_asked_for(new, tmp_path):
    _, X, labels = new
    fm.save(fm.Network.random([4, 3], "softmax", seed=0), tmp_path / "net.npz")
    data = write_table(tmp_path / "known.csv", X, list(map(NAMES.index, labels)), header=False)
    result = run("predict", tmp_path / "net.npz", "--data", data)
    assert result.exit_code == 2 and "must have 4 columns, the inputs of the network, got 5" in words(result.stderr)
    assert "accuracy" in run("predict", tmp_path / "net.npz", "--data", data, "--label", "-1").stderr


def test_names_that_are_numbers_are_announced_or_known(new, tmp_path):
    X, labels = flowers()
    names, path = ("0", "1", "2", "3"), tmp_path / "model.npz"
    data = write_table(tmp_path / "iris.csv", X, labels, columns=names)
    assert run("train", "--data", data, "--label", "-1", "--header", "--save", path).exit_code == 0
    plain = write_table(tmp_path / "plain.csv", X, labels, header=False)
    assert run("train", "--data", plain, "--no-header").exit_code == 0
    assert fm.Model.load(path).columns == names
    _, X, labels = new
    turned = write_table(tmp_path / "turned.csv", X[:, ::-1], columns=names[::-1])
    for header in ([], ["--header"]):
        result = run("predict", path, "--data", turned, *header)
        assert [row[0] for row in rows(result.stdout)[1:]] == labels
    other = write_table(tmp_path / "other.csv", X, columns=("2018", "2019", "2020", "2021"))
    result = run("predict", path, "--data", other, "--header")
    assert result.exit_code == 2 and "got no '0'" in words(result.stderr)


def test_many_names_fill_more_than_a_block(tmp_path):
    names = [f"feature_{i:060d}" for i in range(1200)]
    net = fm.Network.random([1200, 2], "softmax", seed=0)
    fm.Model(net, ["a", "b"], names).save(tmp_path / "model.npz")
    data = write_table(tmp_path / "wide.csv", np.ones((2, 1200)), columns=names)
    assert run("predict", tmp_path / "model.npz", "--data", data).exit_code == 0


def test_labels_of_text_may_look_like_others(new, tmp_path):
    X, labels = flowers()
    path, as_text = tmp_path / "model.npz", dict(zip(NAMES, ("true", "false", "unknown"), strict=True))
    data = write_table(tmp_path / "known.csv", X, [as_text[label] for label in labels])
    assert run("train", "--data", data, "--save", path).exit_code == 0
    _, X, labels = new
    two = [label != "virginica" for label in labels]
    part = write_table(tmp_path / "part.csv", X[two], [as_text[label] for label in labels if label != "virginica"])
    assert "accuracy 100.00 %" in run("predict", path, "--data", part).stderr
    more = ("--epochs", 1, "--optimizer", "sgd")
    assert run("train", "--data", part, "--network", path, "--save", path, *more).exit_code == 0


def test_what_is_read_is_not_written(model, new, tmp_path):
    pytest.importorskip("matplotlib")
    data, *_ = new
    copy, link = tmp_path / "model.npz", tmp_path / "link.csv"
    copy.write_bytes(model.read_bytes())
    link.symlink_to(data)
    for arguments, part in (
        (["--output", data], "--output must name a file of its own"),
        (["--output", link], "that of --data"),
        (["--output", copy], "that of NETWORK"),
        (["--plot", data], "--plot must name a file of its own"),
        (["--output", tmp_path / "a.png", "--plot", tmp_path / "a.png"], "that of --output"),
    ):
        before = Path(data).read_bytes(), copy.read_bytes()
        result = run("predict", copy, "--data", data, *arguments)
        assert result.exit_code == 2 and part in words(result.stderr), result.output
        assert before == (Path(data).read_bytes(), copy.read_bytes())


@pytest.mark.parametrize("suffix", [".CSV", ".Csv.GZ"])
def test_suffixes_may_be_in_capitals(model, new, tmp_path, suffix):
    data, X, labels = new
    found, held = tmp_path / f"new{suffix}", Path(data).read_bytes()
    found.write_bytes(gzip.compress(held) if suffix.endswith("GZ") else held)
    assert [row[0] for row in rows(run("predict", model, "--data", found).stdout)[1:]] == labels
    np.savez(tmp_path / "new.npz", X=X)
    (tmp_path / "new.npz").rename(tmp_path / "NEW.NPZ")
    assert [row[0] for row in rows(run("predict", model, "--data", tmp_path / "NEW.NPZ").stdout)[1:]] == labels


def test_the_confusion_matrix_is_drawn(model, new, tmp_path):
    pytest.importorskip("matplotlib")
    data, X, labels = new
    path = tmp_path / "matrix.svg"
    known = write_table(tmp_path / "known.csv", X, labels)
    assert run("predict", model, "--data", known, "--plot", path).exit_code == 0
    assert "<svg" in path.read_text(encoding="utf-8")
    result = run("predict", model, "--data", data, "--plot", path)
    assert result.exit_code == 2 and "has no column of them; name it by --label" in words(result.stderr)


def test_numbers_are_predicted_and_scored(tmp_path):
    X, _ = flowers()
    data = write_table(tmp_path / "prices.csv", X, (1e5 * X[:, 0] + 0.5).tolist(), label="price")
    path = tmp_path / "model.npz"
    run("train", "--data", data, "--save", path)
    header, *found = rows(run("predict", path, "--data", data, "--output", tmp_path / "p.csv").stdout)
    assert header[0].startswith("R² 0.9") and not found
    header, *found = rows((tmp_path / "p.csv").read_text(encoding="utf-8"))
    assert header == ["price"] and np.array_equal([float(row[0]) for row in found], fm.Model.load(path).predict(X))
    assert json.loads(run("predict", path, "--data", data, "--json").stdout)["r2"] > 0.9
    result = run("predict", path, "--data", data, "--proba")
    assert result.exit_code == 2 and "predicts numbers" in result.stderr
    if pytest.importorskip("matplotlib"):
        assert run("predict", path, "--data", data, "--plot", tmp_path / "plot.png").exit_code == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_are_written_with_the_digits_of_their_dtype(new, tmp_path, dtype):
    data, X, _ = new
    fm.save(fm.Network.random([4, 1], "tanh", seed=0, dtype=dtype), tmp_path / "net.npz")
    expected = fm.load(tmp_path / "net.npz")(X.astype(dtype))[:, 0]
    _, *found = rows(run("predict", tmp_path / "net.npz", "--data", data).stdout)
    assert np.array_equal(np.array([row[0] for row in found]).astype(dtype), expected)
    assert all(len(row[0]) <= {"float32": 14, "float64": 24, "longdouble": 30}[dtype] for row in found)
    json.loads(run("predict", tmp_path / "net.npz", "--data", data, "--json").stdout)


@pytest.mark.parametrize("last", ["softmax", "sigmoid"])
def test_the_outputs_of_a_network_alone_are_classes_by_their_numbers(tmp_path, last):
    digits = fm.load_digits()
    net = fm.Network.random([64, 10], last, seed=0)
    fm.save(net, tmp_path / "net.npz")
    np.savez(tmp_path / "digits.npz", X=digits.X_test, Y=digits.Y_test)
    np.savez(tmp_path / "unknown.npz", X=digits.X_test)
    found = json.loads(run("predict", tmp_path / "net.npz", "--data", tmp_path / "digits.npz", "--json").stdout)
    assert found["predictions"] == net(digits.X_test).argmax(axis=1).tolist() and "accuracy" in found
    result = run("predict", tmp_path / "net.npz", "--data", tmp_path / "unknown.npz")
    assert [int(row[0]) for row in rows(result.stdout)[1:]] == found["predictions"]


def test_the_outputs_of_other_networks_are_numbers(tmp_path):
    net = fm.Network.random([3, 2], "identity", seed=0)
    fm.save(net, tmp_path / "net.npz")
    X = np.random.default_rng(0).normal(size=(5, 3))
    np.savez(tmp_path / "data.npz", X=X, Y=net(X))
    result = run("predict", tmp_path / "net.npz", "--data", tmp_path / "data.npz")
    assert result.stdout.startswith("prediction_1,prediction_2\n") and result.stderr == "R² 1.0000 on 5 examples\n"


def test_many_examples_are_predicted_in_parts(model, new, monkeypatch):
    monkeypatch.setattr("formulations.cli.predict.ROWS", 7)
    data, _, labels = new
    assert [row[0] for row in rows(run("predict", model, "--data", data).stdout)[1:]] == labels


def cut(path, place):
    place.write_bytes(path.read_bytes()[:300])
    return place


BAD = {
    "unseen labels": (lambda _, labels: {"labels": ["daisy", *labels[1:]]}, r"'daisy' at Y[0]"),
    "an absent column": (lambda X, _: {"X": X[:, :3], "columns": COLUMNS[:3]}, "got no 'petal_width'"),
    "an unknown column": (lambda X, _: {"X": np.hstack([X, X[:, :1]]), "columns": (*COLUMNS, "id")}, "also 'id'"),
    "a column of text": (
        lambda X, _: {"X": [[*row[:3], "red"] for row in X.tolist()], "columns": (*COLUMNS[:3], "colour")},
        "also 'colour'",
    ),
    "another width": (lambda X, _: {"X": X[:, :2], "header": False}, "4 columns"),
    "other labels": (lambda *_: {"labels": list(range(20))}, "must be among the classes 'setosa', 'versicolor'"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_data_that_do_not_fit_the_model_are_refused(model, new, tmp_path, case):
    _, X, labels = new
    change, part = BAD[case]
    given = {"X": X, **change(X, labels)}
    result = run("predict", model, "--data", write_table(tmp_path / "bad.csv", **given))
    assert result.exit_code == 2 and part in words(result.stderr), result.output


def test_files_that_cannot_be_read_or_written_are_refused(model, new, tmp_path):
    data, *_ = new
    bad, pickled, archive = (tmp_path / name for name in ("bad.csv", "pickled.npz", "archive.npz"))
    np.savez(pickled, X=np.ones((1, 4)), Y=np.array([None]))
    np.savez(archive, X=np.ones((1, 4)))
    bad.write_text(",".join(COLUMNS) + "\n1,2,,4\n", encoding="utf-8")
    for arguments, part in (
        ([tmp_path / "absent.npz", "--data", data], "there is no file"),
        ([cut(model, tmp_path / "cut.npz"), "--data", data], "write it again with model.save(path)"),
        ([data, "--data", data], "write it again with model.save(path)"),
        ([model, "--data", tmp_path / "absent.csv"], "there is no file"),
        ([model, "--data", pickled], "pickles are refused"),
        ([model, "--data", archive, "--header"], "go with a text file"),
        ([model, "--data", bad], "line 2, column 'petal_length': a feature must be a number, got an empty cell"),
        ([model, "--data", data, "--output", tmp_path / "absent" / "p.csv"], "the parent directory does not exist"),
        ([model], "Missing option '--data'"),
    ):
        result = run("predict", *arguments)
        assert result.exit_code == 2 and part in words(result.stderr), result.output


def test_help_has_examples():
    assert "formulations predict iris.npz --data new.csv" in run("predict", "--help").stdout


def test_predicted_numbers_are_drawn_over_known_ones_with_their_name(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    X = np.random.default_rng(0).normal(size=(40, 2))
    table = np.column_stack([X, 1e6 * X[:, 0] + 0.5])
    np.savetxt(tmp_path / "houses.csv", table, delimiter=",", header="rooms,area,price", comments="")
    run("train", "--data", tmp_path / "houses.csv", "--save", tmp_path / "net.npz")
    drawn = []
    monkeypatch.setattr("formulations.cli.predict.save_figure", lambda figure, _: drawn.append(figure))
    run("predict", tmp_path / "net.npz", "--data", tmp_path / "houses.csv", "--plot", tmp_path / "found.png")
    axes = drawn[0].axes[0]
    drawn[0].canvas.draw()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("known price", "predicted price")
    assert axes.get_title(loc="left").startswith("R² ") and axes.get_title(loc="left").endswith(" on 40 examples")
    ticks = [text.get_text() for text in axes.get_xticklabels()]
    assert len(ticks) <= 7 and any(text.endswith("M") for text in ticks)
