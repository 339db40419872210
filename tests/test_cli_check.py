"""``formulations check``: each of its modes, its exit status, and what it refuses."""

from __future__ import annotations

import json

import makers
import numpy as np
import pytest
from click.testing import CliRunner

import formulations as fm
from formulations.cli.commands import formulations


def run(*arguments):
    return CliRunner().invoke(formulations, ["check", *arguments])


@pytest.fixture
def files(tmp_path):
    """Write a network, its examples and its gradient."""
    net = makers.network()
    X, Y = makers.data(net, 12)
    g = fm.gradient(net, X, Y)
    fm.save(net, str(tmp_path / "net.npz"))
    np.savez(tmp_path / "data.npz", X=X, Y=Y)
    layers = {f"{kind}_{l}": part for kind in ("weights", "biases") for l, part in enumerate(getattr(g, kind), start=2)}
    np.savez(tmp_path / "right.npz", **layers)
    np.savez(tmp_path / "wrong.npz", vector=2 * g.vector)
    np.savez(tmp_path / "half.npz", weights_2=g.weights[0])
    return tmp_path


def judged(files, name, *more):
    options = ["--network", str(files / "net.npz"), "--data", str(files / "data.npz")]
    return run("--gradient", str(files / name), *options, *more)


def test_the_laws_of_one_backend():
    found = run("--backend", "linear")
    assert found.exit_code == 0, found.output
    assert "linear: every law is kept." in found.output
    assert "same_bits" in found.output


def test_the_laws_in_processes_as_json():
    found = run("--backends", "linear", "--jobs", "2", "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["passed"] is True


def test_a_gradient_in_a_file(files):
    right = judged(files, "right.npz")
    assert right.exit_code == 0, right.output
    assert right.output.startswith("equal: ")
    assert "12 examples" in right.output
    wrong = judged(files, "wrong.npz")
    assert wrong.exit_code == 1
    assert "Likely cause: every entry is twice what it should be" in wrong.output
    plain = json.loads(judged(files, "wrong.npz", "--json").stdout)
    assert (plain["status"], plain["cause"]["name"], plain["batch_size"]) == ("different", "factor_two", 12)


def test_files_that_hold_no_gradient(files):
    (files / "text.npz").write_text("nothing")
    for name, message in (
        ("half.npz", "lacks biases_2, weights_3, biases_3; it holds weights_2."),
        ("text.npz", "cannot be read as an .npz file of plain arrays"),
        ("nowhere.npz", "there is no file"),
    ):
        found = judged(files, name)
        assert found.exit_code == 2
        assert message in " ".join(found.output.split())


def test_a_network_from_a_file_brings_its_own_sizes(files):
    found = judged(files, "right.npz", "--sizes", "4,5,3")
    assert found.exit_code == 2
    assert "--network brings its own sizes; leave --sizes out" in " ".join(found.output.split())


def test_false_alarms_and_their_table():
    found = run("--random", "10", "--backends", "hadamard,per_neuron")
    assert found.exit_code == 0, found.output
    assert "10 networks" in found.output
    assert run("--random", "5", "--backends", "hadamard", "--markdown").output.startswith("| inconclusive |")


def test_accuracy():
    found = run("--accuracy", "--backends", "hadamard")
    assert found.exit_code == 0, found.output
    assert "error in units of u" in found.output


def test_one_thing_at_a_time():
    for options in (["--accuracy", "--mutants"], ["--markdown"], ["--jobs", "0"], ["--random", "0"]):
        assert run(*options).exit_code == 2


def test_compare_prints_the_matrix_and_draws_it(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "agreement.png"
    command = ["compare", "--backends", "hadamard,sigma", "--matrix", "--plot", str(path)]
    found = CliRunner().invoke(formulations, command)
    assert found.exit_code == 0, found.output
    assert "In units of the sum of the two bounds" in found.output
    assert path.exists()
