"""``formulations diagnose``: what it reads, what it prints, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from iris_like import flowers, write_table

import formulations as fm
from formulations.cli.commands import formulations

DEEP = ("--hidden", ",".join(["30"] * 8))
CURED = ("--activations", "leaky_relu(negative_slope=0.25)", "--init", "orthogonal")


def run(*arguments):
    return CliRunner().invoke(formulations, ["diagnose", *map(str, arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("diagnose")
    write_table(path / "iris.csv", *flowers())
    command = ["train", "--data", str(path / "iris.csv"), "--epochs", "1", "--save", str(path / "iris.npz")]
    assert CliRunner().invoke(formulations, command).exit_code == 0
    fm.save(fm.Network.random([64, 30, 10], seed=1), path / "net.npz")
    return path


def test_a_network_that_does_not_learn_ends_with_1_and_says_why_in_options(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    result = run(*DEEP)
    assert result.exit_code == 1
    text = " ".join(result.stdout.split())
    assert "Layers 2–4 do not learn." in text and "by 0.23 through σ′, which is at most 0.25 for sigmoid" in text
    assert "--init orthogonal" in text and "init=" not in text
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_the_page_shows_what_the_command_prints(monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "diagnose.md").read_text(encoding="utf-8")
    command, shown = page.split("```console\n$ formulations diagnose ")[1].split("```")[0].split("\n", 1)
    assert run(*command.split()).stdout.startswith(shown.rstrip())


def test_the_cure_ends_with_0():
    result = run(*DEEP, *CURED)
    assert result.exit_code == 0 and "Every layer learns" in result.stdout


def test_json_holds_the_figures_and_the_statements_and_what_reproduces_them():
    result = run(*DEEP, "--examples", 50, "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1 and document["learns"] is False
    assert document["sizes"] == [64, *[30] * 8, 10] and document["cost"] == "quadratic" and document["examples"] == 50
    digits = fm.load_digits()
    net = fm.Network.random(document["sizes"], seed=np.random.default_rng(document["seed"]))
    found = fm.diagnose(net, digits.X_train[:50], digits.Y_train[:50])
    assert document["layers"] == json.loads(json.dumps(found.to_dict()["layers"]))
    assert document["quantities"]["saturated"]["equations"] == ["BP1", "BP2"]


def test_a_saved_network_and_a_saved_model_are_read(folder):
    saved = run("--network", folder / "net.npz")
    assert saved.exit_code == 0 and saved.stdout.startswith("64-30-10, sigmoid")
    model = run("--network", folder / "iris.npz", "--data", folder / "iris.csv", "--json")
    document = json.loads(model.stdout)
    assert model.exit_code == 0 and document["cost"] == "log_likelihood"
    loaded = fm.Model.load(folder / "iris.npz")
    table = fm.read_csv(folder / "iris.csv")
    X, Y, cost, _ = loaded.examples(*fm.split(table.X, table.Y, test=0.2, seed=0)[:2])
    expected = fm.diagnose(loaded.network, X, Y, cost).to_dict()
    assert document["layers"] == json.loads(json.dumps(expected["layers"]))


def test_a_table_is_diagnosed_as_a_training_would_begin(folder):
    document = json.loads(run("--data", folder / "iris.csv", "--hidden", "5,5", "--json").stdout)
    assert document["sizes"][1:3] == [5, 5] and document["activations"][-1] == "softmax"
    # Standardised inputs have a mean square of 1.
    assert document["input_rms"] == pytest.approx(1, rel=0.01)


@pytest.mark.slow
def test_a_figure_is_drawn(folder):
    pytest.importorskip("matplotlib")
    assert run("--hidden", "5", "--plot", folder / "layers.svg").exit_code == 0
    assert (folder / "layers.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--slow", "2"], "--slow must be above 0.0 and below 1.0"),
        (["--saturation", "0"], "--saturation must be above 0.0"),
        (["--examples", "100000"], "--examples must be at most the number of examples"),
        (["--hidden", ""], "got ''; for a network without hidden layers, pass --sizes 64,10"),
        (["--data", "iris.csv", "--hidden", " "], "got ' '; for a network without hidden layers, pass --sizes 4,3"),
        (["--sizes", "3,4,2"], "the embedded digits have 64 and 10"),
        (["--activations", "sigmiod"], "Did you mean 'sigmoid'?"),
        (["--network", "iris.npz"], "needs examples to scale; give them with --data"),
        (["--network", "net.npz", "--init", "he"], "--network brings its own init"),
        (["--network", "net.npz", "--plot", "net.npz"], "--plot must name a file of its own"),
        (["--plot", "layers.xyz"], "must end in one of"),
        (["--data", "absent.npz"], "absent.npz"),
        (["--label", "species"], "--label goes with a table"),
    ],
)
def test_bad_usage_ends_with_2_and_one_sentence(folder, monkeypatch, arguments, part):
    monkeypatch.chdir(folder)
    result = run(*arguments)
    assert result.exit_code == 2 and part in " ".join(result.stderr.split())
    assert not result.stdout
