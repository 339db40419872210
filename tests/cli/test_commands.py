"""The command line: what it prints, and the three exit statuses."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pickle
import re
import shlex
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import makers
import numpy as np
import pytest
from click.testing import CliRunner

import formulations as fm
from formulations.cli.commands import formulations as command
from formulations.cli.options import parse_backends
from formulations.cli.output import print_json
from formulations.comparison.epochs.course import EPOCH_CELLS, EpochCell
from formulations.comparison.race.cells import CELLS, Cell
from formulations.data.scenarios import SCENARIOS
from formulations.exceptions import InvalidInput

# A command is loaded when it is first used. The options of this one list the cells, to which tests add one for a while.
assert command.commands["bench"].name == "bench"


def run(*arguments, env=None):
    return CliRunner().invoke(command, list(arguments), env=env)


@pytest.fixture
def examples(tmp_path):
    path = tmp_path / "mine.npz"
    random = np.random.default_rng(0)
    np.savez(path, X=random.random((20, 3)), Y=random.random((20, 2)))
    return str(path)


@pytest.mark.slow
def test_compare_without_arguments_is_the_digits():
    result = run("compare")
    assert result.exit_code == 0, result.output
    assert "64-30-10, sigmoid, quadratic cost, 10 examples, float64" in result.stdout
    refused = sum(reason is not None for reason in fm.which(SCENARIOS["digits"]().network).values())
    assert f"\n{len(fm.list_backends()) - refused} equal, {refused} refused.\nAll " in result.stdout
    assert "linear, linear_collapse: it needs the activation identity" in result.stdout


def test_compare_on_an_identity_network():
    result = run("compare", "--activations", "identity", "--backends", "hadamard,linear,per_neuron")
    assert result.exit_code == 0, result.output
    assert "3 equal." in result.stdout


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


@pytest.fixture
def few(tmp_path):
    """Five examples of two classes, fewer than a mini-batch has by default."""
    path = tmp_path / "few.npz"
    np.savez(path, X=np.random.default_rng(0).random((5, 3)), Y=np.eye(2)[[0, 1, 0, 1, 0]])
    return str(path)


def test_the_default_batch_takes_all_examples_if_there_are_fewer(few):
    assert "quadratic cost, 5 examples" in run("compare", "--data", few, "--backends", "hadamard").stdout
    result = run("train", "--data", few, "--epochs", "1", "--learning-rate", "0.1")
    assert result.exit_code == 0, result.output
    assert "mini-batches of 4" in result.stdout


@pytest.mark.parametrize(("name", "m"), [("compare", 5), ("train", 4)])
def test_a_batch_larger_than_the_examples_is_refused_with_their_number(few, name, m):
    result = run(name, "--data", few, "--batch-size", "50")
    assert result.exit_code == 2
    assert f"--batch-size must be at most the number of examples, {m}, got 50" in " ".join(result.stderr.split())


def test_compare_cuts_the_data_to_the_batch(examples):
    result = run("compare", "--data", examples, "--backends", "hadamard", "--batch-size", "7", "--json")
    found = json.loads(result.stdout)
    assert found["examples"] == found["batch_size"] == 7


ARRAYS = {
    "lengths": ((12, 3), np.zeros((20, 2)), "got 12 and 20"),
    "NaN past the batch": ((20, 3), np.vstack([np.zeros((19, 2)), [[0, np.nan]]]), "nan at Y[19, 1]"),
    "labels": ((6, 3), np.array([0, 1, 2, 0, 1, 2]), "formulations.one_hot(labels, 3)"),
    "one number an example": ((3, 3), np.array([0.5, 1.5, 2.5]), "Y.reshape(-1, 1)"),
    "one row": ((3,), np.eye(3), "X must have shape (m, 3)"),
}


@pytest.mark.parametrize(
    ("name", "case"),
    # Labels, and one number an example, are what train learns.
    [("compare", case) for case in ARRAYS] + [("train", case) for case in ("lengths", "NaN past the batch", "one row")],
)
def test_data_are_checked_as_a_whole(tmp_path, name, case):
    shape, Y, part = ARRAYS[case]
    np.savez(tmp_path / "bad.npz", X=np.ones(shape), Y=Y)
    result = run(name, "--data", str(tmp_path / "bad.npz"), "--batch-size", "2")
    assert result.exit_code == 2, result.output
    assert part in " ".join(result.stderr.split())


def test_a_column_of_labels_for_several_outputs_gets_the_remedy_of_unit_vectors(tmp_path):
    np.savez(tmp_path / "labels.npz", X=np.ones((4, 3)), Y=np.array([[0], [1], [1], [0]]))
    result = run("train", "--data", str(tmp_path / "labels.npz"), "--sizes", "3,4,2")
    assert "formulations.one_hot(labels, 2)" in " ".join(result.stderr.split())


def test_compare_sets_the_threads_and_says_so():
    pytest.importorskip("threadpoolctl")
    assert "\nthreads: 2" in run("compare", "--backends", "hadamard", "--threads", "2").stdout
    found = json.loads(run("compare", "--backends", "hadamard", "--json").stdout)
    assert found["threads"]["limit"] == 1 and found["control"]["ratio"] > 0


def test_compare_ends_with_1_if_nothing_is_equal():
    result = run("compare", "--backends", "linear")
    assert result.exit_code == 1, result.output
    assert "1 refused." in result.stdout


def test_compare_ends_with_1_if_a_gradient_is_different(monkeypatch):
    from formulations.backends import _table

    class Wrong(makers.HadamardWrapper):
        name = "wrong"

        def errors(self, network, tape):
            errors = super().errors(network, tape)
            errors[-1] += 1
            return errors

    monkeypatch.setattr(_table, "registered", {**_table.registered, "wrong": Wrong})
    result = run("compare", "--backends", "hadamard,wrong")
    assert result.exit_code == 1, result.output
    assert "1 different" in result.stdout


@pytest.mark.slow
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


def test_train_passes_its_cost_on(few):
    found = {
        cost: json.loads(run("train", "--data", few, "--no-shuffle", "--epochs", "2", "--cost", cost, "--json").stdout)
        for cost in ("quadratic", "binary_cross_entropy")
    }
    assert {cost: each["cost"] for cost, each in found.items()} == {cost: cost for cost in found}
    X, Y = np.random.default_rng(0).random((5, 3)), np.eye(2)[[0, 1, 0, 1, 0]]
    net = fm.Network.random([3, 30, 2], seed=np.random.default_rng(0))
    whole = net.forward(X[:4], Y[:4], cost="binary_cross_entropy").cost_value
    assert found["binary_cross_entropy"]["epochs"][0]["cost"] == pytest.approx(float(whole), rel=1e-12)


def test_json_holds_all_that_is_needed_to_do_it_again(few):
    common = {
        "version": fm.__version__, "sizes": [3, 4, 2], "activations": ["tanh", "sigmoid"], "cost": "quadratic",
        "examples": 5, "dtype": "longdouble", "seed": 3,
    }  # fmt: skip
    given = ["--data", few, "--sizes", "3,4,2", "--activations", "tanh,sigmoid", "--dtype", "longdouble", "--seed", "3"]
    compared = json.loads(run("compare", *given, "--backends", "hadamard", "--json").stdout)
    assert compared.items() >= {**common, "batch_size": 5}.items()
    trained = json.loads(run("train", *given, "--epochs", "1", "--learning-rate", "0.5", "--json").stdout)
    assert trained.items() >= {**common, "batch_size": 4, "learning_rate": 0.5}.items()


def test_titles_call_longdouble_by_its_name(few):
    for name, more in (("compare", ["--backends", "hadamard"]), ("train", ["--epochs", "1"])):
        result = run(name, "--data", few, "--dtype", "longdouble", *more)
        assert "longdouble" in result.stdout and "float128" not in result.stdout


@pytest.mark.parametrize(("rate", "hinted"), [("1e-300", True), ("3", False)])
def test_train_hints_at_the_learning_rate_if_nothing_was_learnt(few, rate, hinted):
    result = run("train", "--data", few, "--learning-rate", rate, "--epochs", "300", "--seed", "1")
    assert result.exit_code == 0, result.output
    assert ("hint: " in result.stdout and "--learning-rate" in result.stdout) == hinted, result.stdout


@pytest.mark.parametrize("cost", ["log_likelihood", "1/3 log_likelihood"])
@pytest.mark.parametrize(("activations", "hinted"), [("sigmoid", True), ("sigmoid,softmax", False)])
def test_train_hints_that_the_log_likelihood_is_made_for_softmax_outputs(few, activations, hinted, cost):
    command = ["train", "--data", few, "--cost", cost, "--epochs", "2", "--learning-rate", "0.1"]
    shown = run(*command, "--activations", activations)
    assert shown.exit_code == 0, shown.output
    assert (f"hint: the cost {cost} needs softmax outputs" in shown.stdout) is hinted
    assert ("try --activations sigmoid,softmax." in shown.stdout) is hinted
    assert "hint" not in run(*command, "--activations", activations, "--json").stdout


def test_training_that_diverges_is_one_sentence_and_status_1(tmp_path):
    np.savez(tmp_path / "far.npz", X=np.full((4, 1), 9.0), Y=np.zeros((4, 1)))
    command = ["train", "--data", str(tmp_path / "far.npz"), "--sizes", "1,1", "--activations", "identity"]
    result = run(*command, "--epochs", "500", "--save", str(tmp_path / "net.npz"))
    assert result.exit_code == 1, result.output
    assert re.match(r"Error: training diverged in epoch \d+: .* below 0\.1\.$", " ".join(result.stderr.split()))
    assert result.stdout == "" and not (tmp_path / "net.npz").exists()
    assert "1 if it diverges" in " ".join(run("train", "--help").stdout.split())


def test_train_says_for_what_its_learning_rate_is_meant():
    assert "η = 3 suits sigmoid neurons with the quadratic cost" in " ".join(run("train", "--help").stdout.split())


def test_compare_says_that_the_variable_is_for_training():
    assert "FORMULATIONS_BACKEND applies to train only" in " ".join(run("compare", "--help").stdout.split())


def test_train_on_targets_that_name_no_classes_shows_no_accuracy(examples):
    result = run("train", "--data", examples, "--epochs", "2")
    assert re.search(r"\nR² -?\d\.\d+ on 16 training examples, -?\d\.\d+ on 4 test examples\n", result.stdout)
    assert "hint" not in result.stdout
    assert json.loads(run("train", "--data", examples, "--epochs", "2", "--json").stdout)["test"] is None


def test_train_saves_what_it_has_trained(few, tmp_path):
    path = tmp_path / "trained.npz"
    result = run("train", "--data", few, "--epochs", "2", "--save", str(path), "--json")
    assert result.exit_code == 0, result.output
    net = fm.load(path)
    assert net.sizes == (3, 30, 2)
    untrained = fm.Network.random([3, 30, 2], seed=np.random.default_rng(0))
    assert not np.array_equal(net.vector, untrained.vector)


def test_train_refuses_a_folder_that_is_not_there_before_it_begins(few, tmp_path):
    result = run("train", "--data", few, "--epochs", "1000000", "--save", str(tmp_path / "absent" / "net.npz"))
    assert result.exit_code == 2 and "the parent directory does not exist" in result.stderr


def test_train_refuses_to_save_over_a_folder(few, tmp_path):
    (tmp_path / "net.npz").mkdir()
    result = run("train", "--data", few, "--epochs", "1000000", "--save", str(tmp_path / "net.npz"))
    assert result.exit_code == 2 and "it names a folder or nothing" in " ".join(result.stderr.split())


@pytest.fixture
def unwritable(monkeypatch, tmp_path):
    """Folders: one that cannot be written to once the training is over, the current one, the temporary one."""
    places = [tmp_path / name for name in ("requested", "current", "temporary")]
    for place in places:
        place.mkdir()
    monkeypatch.chdir(places[1])
    monkeypatch.setattr("tempfile.tempdir", str(places[2]))
    refused, save = [places[0]], fm.save

    def write(net, path):
        if Path(path).absolute().parent in refused:
            raise InvalidInput(f"{path} cannot be written (the disk is full); name another.")
        save(net, path)

    monkeypatch.setattr("formulations.cli.options.task.save_network", write)
    return places, refused


@pytest.mark.parametrize(("place", "name"), [("current", "net-1.npz"), ("temporary", "net.npz")])
@pytest.mark.parametrize("as_json", [True, False])
def test_train_saves_elsewhere_a_network_that_it_cannot_save_as_requested(few, unwritable, place, name, as_json):
    (requested, current, temporary), refused = unwritable
    (current / "net.npz").write_text("another network")
    if place == "temporary":
        refused.append(current)
    options = ["--epochs", "1", *(["--json"] if as_json else [])]
    result = run("train", "--data", few, "--save", str(requested / "net.npz"), *options)
    expected = {"current": current, "temporary": temporary}[place] / name
    assert result.exit_code == 2, result.output
    assert "the disk is full" in result.stderr
    assert f"The trained network is in {expected} instead." in " ".join(result.stderr.split())
    assert "accuracy" in result.stdout
    assert fm.load(expected).sizes[0] == 3
    assert (current / "net.npz").read_text() == "another network"


def test_train_says_so_if_the_network_can_be_saved_nowhere(few, unwritable):
    places, refused = unwritable
    refused.extend(places)
    result = run("train", "--data", few, "--save", str(places[0] / "net.npz"), "--epochs", "1")
    assert result.exit_code == 2 and "the disk is full" in result.stderr and "instead" not in result.stderr


def test_train_finds_a_read_only_file_before_it_begins(few, tmp_path):
    path = tmp_path / "net.npz"
    path.touch(mode=0o444)
    result = run("train", "--data", few, "--epochs", "1000000", "--save", str(path))
    assert result.exit_code == 2 and "it is read-only" in result.stderr


def test_too_little_memory_is_a_sentence_and_status_2(monkeypatch):
    def exhausted(*_, **__):
        raise MemoryError

    monkeypatch.setattr("formulations.cli.compare.run_comparison", exhausted)
    result = run("compare")
    assert result.exit_code == 2
    assert "needs more memory than is available" in result.stderr


def test_list_shows_tiers_and_options_with_the_default_first():
    found = {row["backend"]: row for row in json.loads(run("list", "--json").stdout)}
    assert found["sigma"]["options"] == {"matrix": "planned|sparse|dense", "batch": "whole|example"}
    assert found["finite_difference"]["options"]["scheme"].startswith("central|")
    assert found["finite_difference"]["options"]["step"] == "float"
    text = run("list").stdout
    for name, row in found.items():
        backend = fm.get_backend(name)
        assert row["tier"] == backend.tier.value
        assert "batch=whole|example" in text
        for field in dataclasses.fields(backend) if dataclasses.is_dataclass(backend) else ():
            assert f"{field.name}={row['options'][field.name]}" in text


def test_list_counts_the_passes_that_are_no_whole_forward_passes():
    table = run("list").stdout.split("\n\n")[0]
    cells = {row[0]: row for row in (re.split(r"\s{2,}", line) for line in table.splitlines())}
    assert cells["tangent"][5] == "1 + 2,260 tangent" and cells["node_perturbation"][5] == "1 + 80 partial"
    assert cells["hadamard"][5] == "1" and cells["finite_difference"][5] == "4,521"
    found = {row["backend"]: row for row in json.loads(run("list", "--json").stdout)}
    assert found["tangent"]["detail"] == "2,260 tangent passes" and found["tangent"]["forward_passes"] == 1


@pytest.mark.usefixtures("clean_registry")
def test_list_has_no_numbers_for_a_backend_that_serves_none_of_its_networks():
    class Picky(makers.HadamardWrapper):
        name = "picky"

        def why_not(self, *_):
            return "it is an example"

    fm.register(Picky)
    *_, row = run("list").stdout.split("\n\n")[0].splitlines()
    assert re.split(r"\s{2,}", row)[-3:-1] == ["–", "–"]


@pytest.mark.parametrize("arguments", [["list"], ["compare", "--backends", "path_sum,sigma"]])
def test_consecutive_equations_are_shown_by_the_first_and_the_last(arguments):
    shown = run(*arguments).stdout
    assert "  47–53 BP3 BP4  " in shown and "  33 34 BP3 BP4  " in shown


def test_list_names_every_backend():
    result = run("list")
    assert result.exit_code == 0
    for name in fm.list_backends():
        assert name in result.stdout
    assert [row["backend"] for row in json.loads(run("list", "--json").stdout)] == fm.list_backends()


def test_bench_races_saves_and_draws(tmp_path, monkeypatch):
    monkeypatch.setitem(CELLS, "small", Cell("small", (5, 4, 3), 6))
    saved, drawn = tmp_path / "race.json", tmp_path / "race.svg"
    options = ["--cells", "small", "--dtype", "float32", "--backends", "sigma", "--against", "none", "--budget", "0.01"]
    result = run("bench", *options, "--save", str(saved), "--plot", str(drawn))
    assert result.exit_code == 0, result.output
    assert "small: 5-4-3, m = 6, float32" in result.stdout
    rows = json.loads(saved.read_text("utf-8"))["heats"][0]["rows"]
    assert "sigma" in [row["name"] for row in rows]
    assert "<svg" in drawn.read_text("utf-8")


def test_bench_races_epochs(tmp_path, monkeypatch):
    monkeypatch.setitem(EPOCH_CELLS, "small", EpochCell("small", (5, 4, 3), 4, 40))
    drawn = tmp_path / "race.svg"
    options = ["--cells", "small", "--dtype", "float32", "--backends", "sigma", "--against", "none", "--budget", "0.01"]
    result = run("bench", "--epoch", *options, "--json", "--plot", str(drawn))
    assert result.exit_code == 0, result.output
    heat = json.loads(result.stdout)["heats"][0]
    assert [row["name"] for row in heat["rows"]] == ["floor", "hadamard", "sigma", "control"]
    assert heat["steps"] == 10
    assert "<svg" in drawn.read_text("utf-8")


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("name", [(), ("compare",), ("bench",), ("train",), ("predict",), ("list",)])
def test_help_has_an_example(name, flag):
    result = run(*name, flag)
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
    (["compare", "--threads", "0"], "--threads"),
    (["compare", "--plot", "agreement.foo"], "try plot.png"),
    (["compare", "--plot", "absent/agreement.png"], "the parent directory does not exist"),
    (["train", "--epochs", "0"], "--epochs"),
    (["train", "--learning-rate", "nan"], "--learning-rate"),
    (["train", "--batch-size", "5000"], "1437"),
    (["train", "--save", "trained.txt"], "--save must name an .npz file in a folder that exists, got 'trained.txt'"),
    (["train", "--save", "absent/trained.npz"], "the parent directory does not exist"),
    (["train", "--backend", "linear"], "identity"),
    (["train", "--activations", "tanh,softmax"], "cost 'log_likelihood' needs no slope there"),
    (["train", "--sizes", "3,4,2"], "the embedded digits have 64 and 10"),
    (["bench", "--cells", "boook"], "Did you mean 'book'?"),
    (["bench", "--epoch", "--cells", "deep"], "valid names are digits, book, medium, training"),
    (["bench", "--dtype", "float16"], "float32 or float64"),
    (["bench", "--against", "tensorflow"], "valid names are torch"),
    (["bench", "--backends", "sigmaa"], "Did you mean 'sigma'?"),
    (["bench", "--threads", "0"], "--threads"),
    (["bench", "--budget", "0"], "budget"),
    (["bench", "--plot", "race.txt"], "try plot.png"),
    (["bench", "--plot", "absent/race.png"], "the parent directory does not exist"),
    (["bench", "--save", "absent/race.json"], "the parent directory does not exist"),
    (["bench", "--save", ""], "it names a folder or nothing"),
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
    elif kind == "numbers":
        np.savez(path, X=1.0, Y=2.0)
    elif kind == "junk members":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("X", b"junk")
            archive.writestr("Y", b"junk")
    elif kind == "broken header":
        with zipfile.ZipFile(path, "w") as archive:
            for name in "XY":
                archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00\x08\x00{'a': [\n")
    elif kind == "encrypted":
        np.savez(path, X=np.zeros((2, 2)), Y=np.zeros((2, 1)))
        whole = bytearray(path.read_bytes())
        for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = -1
            while (at := whole.find(signature, at + 1)) >= 0:
                whole[at + flags] |= 1
        path.write_bytes(whole)
    elif kind == "unknown compression":
        np.savez(path, X=np.zeros((2, 2)), Y=np.zeros((2, 1)))
        whole = bytearray(path.read_bytes())
        for signature, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
            at = -1
            while (at := whole.find(signature, at + 1)) >= 0:
                whole[at + method] = 99
        path.write_bytes(whole)
    elif kind == "too large":
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 1000000), }"
        with zipfile.ZipFile(path, "w") as archive:
            for name in "XY":
                archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)


@pytest.mark.parametrize(
    "kind",
    [
        "text", "empty", "pickle", "objects", "without Y", "single array", "truncated", "folder", "numbers",
        "junk members", "broken header", "encrypted", "unknown compression", "too large",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["compare", "train"])
def test_a_file_that_cannot_be_used_says_how_to_write_one(name, kind, tmp_path):
    path = tmp_path / "bad.npz"
    broken(kind, path)
    result = run(name, "--data", str(path))
    assert result.exit_code == 2, result.output
    assert "numpy.savez(path, X=X, Y=Y)" in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


def test_json_knows_neither_nan_nor_infinity(capsys):
    print_json({"ratio": math.inf, "rows": [{"seconds": math.nan}, (-math.inf, 0.5)], "name": "σ"})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"ratio": None, "rows": [{"seconds": None}, [None, 0.5]], "name": "σ"}
    assert "NaN" not in printed and "Infinity" not in printed


SHORT = [
    ["compare", "--json", "--backends", "hadamard"],
    ["train", "--json", "--epochs", "2", "--batch-size", "100"],
    ["list", "--json"],
]


def installed(*arguments):
    return [os.path.join(os.path.dirname(sys.executable), "formulations"), *arguments]


@pytest.mark.parametrize("arguments", SHORT, ids=lambda arguments: arguments[0])
@pytest.mark.slow
def test_json_stands_alone_and_no_progress_is_written_to_a_file_or_pipe(arguments):
    # Both variables tell rich that anything is a terminal.
    env = {**os.environ, "FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"}
    done = subprocess.run(installed(*arguments), capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    json.loads(done.stdout)


@pytest.mark.parametrize(("arguments", "shown"), list(zip(SHORT, ["timing …", "training", ""], strict=True)))
@pytest.mark.slow
def test_progress_is_shown_on_a_terminal_and_the_result_stays_alone(arguments, shown):
    pty = pytest.importorskip("pty")  # Windows has none
    terminal, stderr = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    written = []

    def listen():
        # Reading a terminal that no process holds open fails on Linux, and ends elsewhere.
        try:
            while part := os.read(terminal, 4096):
                written.append(part)
        except OSError:
            pass

    reader = threading.Thread(target=listen)
    with subprocess.Popen(installed(*arguments), stdout=subprocess.PIPE, stderr=stderr, env=env) as process:
        os.close(stderr)
        reader.start()
        json.loads(process.stdout.read())
    reader.join()
    os.close(terminal)
    assert shown in b"".join(written).decode()
    assert bool(written) == bool(shown)


def test_backends_are_split_at_commas_but_options_stay_together():
    assert parse_backends("a,b:x=1,y=2,c:z=3") == ["a", "b:x=1,y=2", "c:z=3"]
    assert parse_backends("all") is None
    assert parse_backends(None) is None


@pytest.mark.slow
def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "formulations", "compare", "--backends", "linear"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "1 refused." in done.stdout


@pytest.mark.slow
def test_the_installed_command_runs():
    done = subprocess.run(installed("list"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "hadamard" in done.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["--help"], ["explain"]], ids=" ".join)
@pytest.mark.slow
def test_output_that_cannot_be_written_is_no_verdict(arguments):
    with open("/dev/full", "w") as full:
        done = subprocess.run(installed(*arguments), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith("formulations: the output cannot be written (")
        assert "No space left" in done.stderr and done.stderr.count("\n") == 1
        # Nor is it one if the message itself cannot be written.
        done = subprocess.run(installed("compare", "--sizes", "0"), stderr=full, capture_output=False, check=False)
        assert done.returncode == 2


@pytest.mark.skipif(os.name != "posix", reason="Windows reports a closed pipe otherwise")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status"), [(["list"], 0), (["compare", "--backends", "linear", "--sizes", "2,1"], 1)], ids=str
)
def test_a_reader_that_closes_the_pipe_is_no_failure(arguments, status):
    # The reader ends before the first line is written, so that every write fails.
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(installed(*arguments), stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (status, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status"), [(["list"], 0), (["compare", "--sizes", "0"], 2), (["train", "--epochs", "1"], 0)]
)
@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_streams_may_be_closed(arguments, status, closed):
    command = f"{shlex.join(installed(*arguments))} {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert bool(done.stdout) == (status == 0 and closed == "2>&-")


def test_without_the_extra_it_says_which_and_ends_with_2():
    code = "import sys; sys.modules['click'] = None; from formulations.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "or this library with its extra 'cli'" in done.stderr


@pytest.fixture
def sorted_by_class(tmp_path):
    """Three classes in their order, the last one as large as the part to test on."""
    path = tmp_path / "sorted.npz"
    labels = np.repeat([0, 1, 2], [24, 24, 12])
    X = np.random.default_rng(0).normal(scale=0.3, size=(60, 2)) + np.array([[0, 2], [2, 0], [-2, -2]])[labels]
    np.savez(path, X=X, Y=np.eye(3)[labels])
    return str(path)


def test_train_shuffles_data_that_are_sorted_by_class(sorted_by_class):
    command = ["train", "--data", sorted_by_class, "--learning-rate", "1"]
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert "48 examples to train on, 12 to test on, shuffled with seed 0, each class with its share" in result.stdout
    assert not result.stderr
    shuffled, kept = (json.loads(run(*command, *more, "--json").stdout) for more in ([], ["--no-shuffle"]))
    assert (shuffled["shuffled"], shuffled["test_accuracy"]) == (True, 1.0)
    assert (kept["shuffled"], kept["test_accuracy"]) == (False, 0.0)
    assert run(*command).stdout.splitlines()[-1] == result.stdout.splitlines()[-1]


def test_train_warns_of_a_class_that_is_absent_from_one_side(sorted_by_class):
    result = run("train", "--data", sorted_by_class, "--no-shuffle", "--epochs", "2", "--learning-rate", "1")
    assert "12 to test on, in the order of the data" in result.stdout
    written = " ".join(result.stderr.split())
    assert "warning: 2 classes, 0, 1, have no example to test on" in written
    assert "warning: class 2 has no example to train on, so it cannot be learnt" in written


def test_the_order_is_kept_of_data_alone():
    result = run("train", "--no-shuffle")
    assert result.exit_code == 2
    assert "--no-shuffle goes with --data" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("options", "field"),
    [
        # ReLUs that one step has switched off for all examples.
        (["--activations", "relu", "--learning-rate", "3", "--sizes", "2,5,3"], "dead"),
        (["--activations", "sigmoid", "--learning-rate", "1e12", "--sizes", "2,5,3"], "dead"),
        (["--activations", "identity", "--learning-rate", "3", "--sizes", "2,3", "--epochs", "5"], "diverged"),
    ],
)
def test_training_that_has_failed_with_finite_numbers_is_status_1(sorted_by_class, tmp_path, options, field):
    saved = tmp_path / "trained.npz"
    result = run("train", "--data", sorted_by_class, *options, "--save", str(saved))
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith(f"Error: training {'is dead' if field == 'dead' else 'diverged'}: ")
    assert result.stderr.endswith("Nothing is saved.\n")
    assert not saved.exists()
    assert max(map(len, result.stdout.splitlines())) <= 100
    as_json = run("train", "--data", sorted_by_class, *options, "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)[field] is True


WIDE = [
    ["list"],
    ["list", "--equations"],
    ["compare", "--backends", "hadamard,finite_difference:scheme=forward,batch=example,linear", "--matrix"],
    ["check", "--backend", "linear", "--verbose"],
    ["check", "--relative-errors", "--backends", "hadamard,linear"],
    ["train", "--epochs", "2", "--activations", "tanh,sigmoid", "--cost", "log_likelihood"],
    ["explain", "--backends", "hadamard,sigma"],
    ["explain", "--sizes", "6,6,6,6", "--activations", "tanh", "--backends", "product", "--examples", "12"],
    ["explain", "--sizes", "8,7,3", "--backends", "tangent,complex_step"],
    [
        "bench",
        "--cells",
        "book",
        "--dtype",
        "float32",
        "--backends",
        "sigma,linear",
        "--against",
        "none",
        "--budget",
        "0.01",
    ],
    *(
        [*name, "--help"]
        for name in ([], ["compare"], ["check"], ["bench"], ["train"], ["diagnose"], ["explain"], ["list"])
    ),
]


@pytest.mark.parametrize("arguments", WIDE, ids=" ".join)
@pytest.mark.slow
def test_nothing_printed_is_wider_than_the_terminal(arguments):
    result = run(*arguments, env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    widest = max(result.stdout.splitlines(), key=len)
    assert len(widest) <= 80, widest


def test_json_does_not_depend_on_the_terminal():
    assert run("list", "--json", env={"COLUMNS": "40"}).stdout == run("list", "--json").stdout


@pytest.mark.slow
def test_a_pipe_is_80_columns_wide(monkeypatch):
    monkeypatch.delenv("COLUMNS")
    done = subprocess.run(installed("list"), capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert max(map(len, done.stdout.splitlines())) == 80


@pytest.mark.slow
def test_letters_that_the_output_does_not_have_are_replaced():
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    found = subprocess.run(
        [sys.executable, "-m", "formulations", "list"], env=environment, capture_output=True, check=False
    )
    assert (found.returncode, found.stderr) == (0, b"")


def test_compare_says_how_to_run_what_it_skips():
    printed = run("compare", "--sizes", "2,100,100,100,100,100,2", "--backends", "path_sum").stdout
    assert "compare it with budget=math.inf" in " ".join(printed.split())
    assert "The option --all runs the skipped backends too." in printed
    assert "--all" not in run("compare", "--sizes", "2,3,1", "--backends", "hadamard").stdout


@pytest.mark.slow
def test_ctrl_c_before_a_command_begins_is_one_line_and_status_130():
    code = (
        "import sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'formulations.cli.commands':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from formulations.cli import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "formulations: interrupted by Ctrl-C.\n")
