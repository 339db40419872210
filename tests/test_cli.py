"""The command line: what it prints, and the three exit statuses."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import formulations as fm
from formulations.cli.commands import formulations as command
from formulations.cli.options import parse_backends


def run(*arguments, env=None):
    return CliRunner().invoke(command, list(arguments), env=env)


@pytest.fixture
def examples(tmp_path):
    path = tmp_path / "mine.npz"
    random = np.random.default_rng(0)
    np.savez(path, X=random.random((20, 3)), Y=random.random((20, 2)))
    return str(path)


def test_compare_without_arguments_is_the_digits():
    result = run("compare")
    assert result.exit_code == 0, result.output
    assert "64-30-10, sigmoid, quadratic cost, 10 examples, float64" in result.stdout
    assert "5 equal, 1 refused." in result.stdout
    assert "linear: it needs the activation identity" in result.stdout


def test_compare_on_an_identity_network():
    result = run("compare", "--activations", "identity")
    assert result.exit_code == 0, result.output
    assert "6 equal." in result.stdout


def test_compare_prints_json_alone_on_standard_output():
    result = run("compare", "--json", "--backends", "hadamard,sigma:matrix=dense,batch=example,product")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [row["backend"] for row in found["rows"]] == ["hadamard", "sigma:matrix=dense,batch=example", "product"]


def test_compare_with_options():
    result = run(
        "compare", "--sizes", "3,4,3,2", "--activations", "tanh,relu,sigmoid", "--cost", "binary_cross_entropy",
        "--batch-size", "5", "--dtype", "float32", "--seed", "7", "--backends", "hadamard,sigma",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "3-4-3-2, tanh, relu, sigmoid, binary_cross_entropy cost, 5 examples, float32" in result.stdout


def test_compare_with_data(examples):
    result = run("compare", "--data", examples, "--backends", "hadamard,product")
    assert result.exit_code == 0, result.output
    assert "3-30-2" in result.stdout


def test_compare_ends_with_1_where_a_gradient_is_different(monkeypatch):
    from formulations import registry
    from formulations.backends.hadamard import Hadamard

    class Wrong(Hadamard):
        name = "wrong"

        def errors(self, tape):
            errors = super().errors(tape)
            errors[-1] += 1
            return errors

    monkeypatch.setattr(registry, "_registered", {**registry._registered, "wrong": Wrong})
    result = run("compare", "--backends", "hadamard,wrong")
    assert result.exit_code == 1, result.output
    assert "1 different" in result.stdout


@pytest.mark.parametrize("backend", ["hadamard", "sigma"])
def test_train_by_the_environment_passes_97_percent(backend):
    result = run("train", "--json", env={"FORMULATIONS_BACKEND": backend})
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["backend"] == backend
    assert found["test_accuracy"] >= 0.97
    assert len(found["epochs"]) == 30


def test_train_prints_a_table_and_the_accuracies():
    result = run("train", "--epochs", "2", "--backend", "sigma:matrix=sparse")
    assert result.exit_code == 0, result.output
    assert "sigma:matrix=sparse" in result.stdout
    assert "on 1437 training examples" in result.stdout and "on 360 test examples" in result.stdout


def test_train_with_data(examples):
    result = run("train", "--data", examples, "--epochs", "2", "--batch-size", "4", "--sizes", "3,5,2")
    assert result.exit_code == 0, result.output
    assert "on 16 training examples" in result.stdout and "on 4 test examples" in result.stdout


def test_list_names_every_backend():
    result = run("list")
    assert result.exit_code == 0
    for name in fm.list_backends():
        assert name in result.stdout
    assert [row["backend"] for row in json.loads(run("list", "--json").stdout)] == fm.list_backends()


@pytest.mark.parametrize("name", [(), ("compare",), ("train",), ("list",)])
def test_help_has_an_example(name):
    result = run(*name, "--help")
    assert result.exit_code == 0
    assert f"formulations {' '.join(name)}".strip() in result.stdout


BAD = [
    (["compare", "--backends", "sigmaa"], "Did you mean 'sigma'?"),
    (["compare", "--backends", "sigma:matrix=round"], "planned, sparse, dense"),
    (["compare", "--backends", "sigma:shape=round"], "valid names are matrix, batch"),
    (["compare", "--activations", "sigmoyd"], "Did you mean 'sigmoid'?"),
    (["compare", "--activations", "tanh,tanh,tanh"], "activations"),
    (["compare", "--cost", "no"], "quadratic"),
    (["compare", "--init", "no"], "glorot"),
    (["compare", "--dtype", "float16"], "float32, float64 or longdouble"),
    (["compare", "--batch-size", "0"], "--batch-size"),
    (["compare", "--batch-size", "-4"], "--batch-size"),
    (["compare", "--batch-size", "2.5"], "--batch-size"),
    (["compare", "--sizes", "64"], "at least two layers"),
    (["compare", "--sizes", "64,x,10"], "integers"),
    (["compare", "--sizes", "64,0,10"], "sizes[1]"),
    (["compare", "--data", "absent.npz"], "no file"),
    (["compare", "--seed", "-1"], "seed"),
    (["train", "--epochs", "0"], "--epochs"),
    (["train", "--learning-rate", "nan"], "learning_rate"),
    (["train", "--batch-size", "5000"], "1437"),
    (["train", "--backend", "linear"], "identity"),
    (["no-such-command"], "no-such-command"),
]


@pytest.mark.parametrize(("arguments", "part"), BAD)
def test_bad_usage_is_one_sentence_and_status_2(arguments, part):
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert part in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    assert result.stdout == ""


def broken(kind, path):
    if kind == "text":
        path.write_text("no archive")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"X": 1}))
    elif kind == "objects":
        np.savez(path, X=np.array([{}, 1], dtype=object), Y=np.zeros((2, 1)))
    elif kind == "without Y":
        np.savez(path, X=np.zeros((2, 1)))
    elif kind == "single array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "truncated":
        np.savez(path, X=np.zeros((20, 2)), Y=np.zeros((20, 1)))
        path.write_bytes(path.read_bytes()[:300])
    elif kind == "folder":
        path.mkdir()


@pytest.mark.parametrize(
    "kind", ["text", "empty", "pickle", "objects", "without Y", "single array", "truncated", "folder"]
)
@pytest.mark.parametrize("name", ["compare", "train"])
def test_a_file_that_cannot_be_used_says_how_to_write_one(name, kind, tmp_path):
    path = tmp_path / "bad.npz"
    broken(kind, path)
    result = run(name, "--data", str(path))
    assert result.exit_code == 2, result.output
    assert "numpy.savez(path, X=X, Y=Y)" in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


def test_backends_are_split_at_commas_but_options_stay_together():
    assert parse_backends("a,b:x=1,y=2,c:z=3") == ["a", "b:x=1,y=2", "c:z=3"]
    assert parse_backends("all") is None
    assert parse_backends(None) is None


def test_the_installed_command_runs():
    scripts = os.path.dirname(sys.executable)
    done = subprocess.run([os.path.join(scripts, "formulations"), "list"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "hadamard" in done.stdout


def test_without_the_extra_it_says_which_and_ends_with_2():
    code = "import sys; sys.modules['click'] = None; from formulations.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'formulations[cli]'" in done.stderr
