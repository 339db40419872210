"""``formulations check``: each of its modes, its exit status, and what it refuses."""

from __future__ import annotations

import importlib
import io
import json

import makers
import numpy as np
import pytest
from click.testing import CliRunner
from rich.console import Console

import formulations as fm
from formulations import exceptions
from formulations.backends.linear import Linear
from formulations.cli.commands import formulations
from formulations.functions import get_cost
from formulations.verification.conformance.laws.table import LAWS
from formulations.verification.conformance.problems import PROBLEMS

TESTED = 2 * len(PROBLEMS)
"""The problems of the laws: each in two dtypes."""


def served_by(name):
    problems = [make() for make in PROBLEMS.values()]
    return 2 * sum(fm.get_backend(name).why_not(each.network, get_cost(each.cost)) is None for each in problems)


def run(*arguments):
    return CliRunner().invoke(formulations, ["check", *arguments])


def test_a_bar_counts_the_laws_of_all_backends_on_a_terminal(monkeypatch):
    module, terminal = importlib.import_module("formulations.cli.check"), io.StringIO()
    monkeypatch.setattr(module, "progress_console", lambda: Console(file=terminal, force_terminal=True, width=120))

    def check_one_law(backend, **given):
        return fm.check_backend(backend, laws=["dtype_kept"], scenarios=["exact_fit"], **given)

    monkeypatch.setattr(module, "check_backend", check_one_law)
    assert run("--backends", "hadamard,sigma").exit_code == 0
    shown = terminal.getvalue()
    assert f"/{2 * len(LAWS)}" in shown and "sigma: dtype_kept …" in shown


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
    np.savez(tmp_path / "other.npz", weights_2=g.weights[0], bias=g.biases[0])
    return tmp_path


def judged(files, name, *more):
    options = ["--network", str(files / "net.npz"), "--data", str(files / "data.npz")]
    return run("--gradient", str(files / name), *options, *more)


def test_the_laws_of_one_backend_in_one_line_and_what_they_mean(monkeypatch):
    # Each law says something about one of the first two; the third is refused.
    few = {name: PROBLEMS[name] for name in ("linear_regression", "linear", "one_example")}
    monkeypatch.setattr("formulations.verification.conformance.subjects.PROBLEMS", few)
    found = run("--backend", "linear")
    assert found.exit_code == 0, found.output
    lines = found.output.splitlines()
    expected = f"linear kept {len(LAWS)} of {len(LAWS)} 4 of 6"
    assert [" ".join(line.split()) for line in lines if line.startswith("linear ")] == [expected]
    for law in LAWS.values():
        assert sum(line.split()[:1] == [law.name] for line in lines) == 1
        assert law.summary in " ".join(found.output.split())
    assert max(map(len, lines)) <= 80


@pytest.mark.slow
def test_each_law_of_a_backend_on_request():
    found = run("--backend", "linear", "--verbose")
    assert found.exit_code == 0, found.output
    assert "linear: every law is kept." in found.output
    held = served_by("linear")
    rows = [line.split() for line in found.output.splitlines()]
    assert ["same_bits", str(held), "0", str(TESTED - held), "0"] in rows
    assert "problems: it needs the activation identity in every layer" in found.output


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(exceptions, "find_spec", lambda _: None)


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_installed")
def test_a_backend_whose_package_is_missing_is_not_checked():
    found = run("--backend", "autodiff_jax")
    assert found.exit_code == 1, found.output
    assert "autodiff_jax: not checked: it needs the package jax, and that is not installed" in found.output
    expected = f"autodiff_jax not checked 0 of {len(LAWS)} 0 of {TESTED}"
    assert expected.split() in map(str.split, found.output.splitlines())
    verbose = run("--backend", "autodiff_jax", "--verbose").output
    assert "law is kept" not in found.output + verbose
    # The meanings of the laws are left out if no law was checked.
    assert "The laws:" not in found.output + verbose
    assert run("--backends", "linear,autodiff_jax").exit_code == 1
    plain = json.loads(run("--backend", "autodiff_jax", "--json").stdout)
    assert (plain["passed"], plain["reports"][0]["standing"]) == (False, "not checked")


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_installed")
def test_of_all_backends_those_that_cannot_be_checked_do_not_count(monkeypatch):
    for names, status in ((["linear", "autodiff_jax"], 0), (["autodiff_jax"], 1)):
        monkeypatch.setattr("formulations.cli.check.list_backends", lambda names=names: names)
        found = run()
        assert found.exit_code == status, found.output
        assert "autodiff_jax: not checked: it needs the package jax" in found.output


@pytest.mark.slow
def test_one_cause_of_many_broken_laws_is_reported_once(monkeypatch):
    monkeypatch.setattr(Linear, "errors", lambda *_: [][0])
    found = run("--backend", "linear")
    assert found.exit_code == 1
    assert found.output.count("list index out of range") == 1
    assert "linear: 19 laws (equal, conclusive, exact, …) are broken:" in found.output


@pytest.mark.parametrize(
    ("option", "value"),
    [("sizes", "4,5,3"), ("activations", "tanh"), ("cost", "quadratic"), ("init", "he"), ("dtype", "float32"),
     ("network", "net.npz"), ("data", "data.npz"), ("batch-size", "4"), ("seed", "1"), ("layout", "in_out"),
     ("l2", "0.1")],
)  # fmt: skip
def test_what_describes_a_network_goes_with_a_gradient(files, option, value):
    path = str(files / value) if value.endswith(".npz") else value
    found = run("--backend", "linear", f"--{option}", path)
    assert found.exit_code == 2
    assert f"--{option} goes with --gradient" in found.output
    assert "or leave it out." in " ".join(found.output.split())


def test_an_option_without_effect_is_refused():
    for options in (["--relative-errors", "--seed", "3"], ["--relative-errors", "--jobs", "2"]):
        found = run(*options)
        assert found.exit_code == 2
        assert "has no effect on" in " ".join(found.output.split())


@pytest.mark.slow
def test_the_laws_in_processes_as_json():
    found = run("--backends", "linear", "--jobs", "2", "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["passed"] is True


MINE = """
import numpy as np

def backprop(net, X, Y):
    a = X @ net.weights[0].T + net.biases[0]
    if len(net.weights) > 1:
        raise ValueError("one layer, please")
    return [(a - Y).T @ X / np.asarray(len(X), X.dtype)], [(a - Y).mean(axis=0)]
"""


@pytest.mark.parametrize(
    ("serves", "status", "said"),
    [
        (["activations=identity", "sizes=5-3,4-2"], 0, "mine.py:backprop kept"),
        (["activations=identity"], 1, "it raised ValueError: one layer, please"),
        ([], 1, "not checked: it raised ValueError: one layer, please."),
    ],
)
@pytest.mark.slow
def test_a_function_in_a_file_is_asked_for_what_it_serves(tmp_path, serves, status, said):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    found = run("--backend", f"{path}:backprop", *(part for each in serves for part in ("--serves", each)))
    assert found.exit_code == status, found.output
    assert said.removeprefix("mine.py:") in " ".join(found.output.split())


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ([], None),
        (["activations=relu, tanh", "sparse"], {"activations": ["relu", "tanh"], "sparse": True}),
        (["sizes=64-30-10,4-2", "coupled=false"], {"sizes": [[64, 30, 10], [4, 2]], "coupled": False}),
    ],
)
def test_what_a_function_serves_on_the_command_line(given, read):
    assert importlib.import_module("formulations.cli.check")._read_serves(tuple(given)) == read


@pytest.mark.parametrize(
    ("serves", "message"),
    [
        (["sizes=4,5"], "size"),
        (["sizes=4-x"], "--serves sizes must be such as sizes=64-30-10, got 'sizes=4-x'"),
        (["sparse", "sparse=false"], "--serves must name sparse once"),
        (["colour=red"], "unknown key 'colour' of serves; valid names are activations"),
    ],
)
def test_claims_that_cannot_be_read_on_the_command_line(serves, message):
    found = run("--backend", "formulations:gradient", *(part for each in serves for part in ("--serves", each)))
    assert found.exit_code == 2 and message in " ".join(found.output.split())
    found = run("--backend", "linear", "--serves", "sparse")
    assert found.exit_code == 2 and "serves= is for plain functions" in " ".join(found.output.split())


def test_a_gradient_in_a_file(files):
    right = judged(files, "right.npz")
    assert right.exit_code == 0, right.output
    assert right.output.startswith("equal: ")
    assert "12 examples" in right.output
    wrong = judged(files, "wrong.npz")
    assert wrong.exit_code == 1
    assert "Likely cause: every entry is too large by a factor of 2" in wrong.output
    plain = json.loads(judged(files, "wrong.npz", "--json").stdout)
    assert (plain["status"], plain["cause"]["name"], plain["batch_size"]) == ("different", "factor_two", 12)
    assert (plain["cost"], plain["cost_value"], plain["layout"]) == ("quadratic", None, "out_in")


def test_names_of_a_framework_and_turned_kernels(files):
    half = judged(files, "half.npz")
    assert half.exit_code == 0, half.output
    assert "Not given, and so not judged: biases[0], weights[1], biases[1]." in half.output
    with np.load(files / "right.npz") as right:
        parts = {}
        for l, i in ((2, 0), (3, 2)):
            parts |= {f"net.{i}.weight": right[f"weights_{l}"].T, f"net.{i}.bias": right[f"biases_{l}"]}
    np.savez(files / "turned.npz", **parts)
    assert judged(files, "turned.npz", "--layout", "in_out").exit_code == 0
    refused = judged(files, "turned.npz")
    assert refused.exit_code == 2
    said = " ".join(refused.output.split())
    assert "pass net.0.weight.T, since rows are neurons" in said and "or --layout in_out for all weights" in said


def test_weight_decay_that_belongs_in_a_gradient(files):
    net = fm.load(files / "net.npz")
    with np.load(files / "right.npz") as right:
        parts = dict(right)
    parts |= {f"weights_{l}": parts[f"weights_{l}"] + 0.1 * w for l, w in enumerate(net.weights, start=2)}
    np.savez(files / "decayed.npz", **parts)
    found = judged(files, "decayed.npz", "--l2", "0.1")
    assert found.exit_code == 0, found.output
    assert json.loads(judged(files, "decayed.npz", "--l2", "0.1", "--json").stdout)["l2"] == 0.1
    unsaid = judged(files, "decayed.npz")
    assert unsaid.exit_code == judged(files, "right.npz", "--l2", "0.1").exit_code == 1
    assert "or say that it belongs there: --l2 0.1." in " ".join(unsaid.output.split())
    refused = judged(files, "decayed.npz", "--l2", "-1")
    assert refused.exit_code == 2 and "--l2 must be" in " ".join(refused.output.split())


def test_files_that_hold_no_gradient(files):
    (files / "text.npz").write_text("nothing")
    for name, message in (
        ("other.npz", "must hold weights_2, biases_2, weights_3, … with the layers numbered as in the book, 0.weight"),
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


@pytest.mark.slow
def test_relative_errors():
    found = run("--relative-errors", "--backends", "hadamard")
    assert found.exit_code == 0, found.output
    assert "error in units of u" in found.output


def test_one_thing_at_a_time():
    for options in (["--relative-errors", "--gradient", "g.npz"], ["--markdown"], ["--jobs", "0"]):
        assert run(*options).exit_code == 2


def test_compare_prints_the_matrix_and_draws_it(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "agreement.png"
    command = ["compare", "--backends", "hadamard,sigma", "--matrix", "--plot", str(path)]
    found = CliRunner().invoke(formulations, command)
    assert found.exit_code == 0, found.output
    assert "In units of the sum of the two bounds" in found.output
    assert found.output.count("Both agree") == 1
    assert path.exists()
