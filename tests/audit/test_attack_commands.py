"""An attack on the command line: wrong arguments, hostile environments, narrow terminals.

For every command line in every environment, the exit status is 0, 1 or 2, there is no traceback, JSON output is valid
JSON, and no line of output is wider than the terminal.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import formulations as fm

pytest.importorskip("rich")
testing = pytest.importorskip("click.testing")
command = pytest.importorskip("formulations.cli.commands").formulations

pytestmark = pytest.mark.slow

SECONDS = 120
"""A child process takes one or two seconds; one that is still running after this long hangs."""
SMALL = "--sizes 2,3,2 --backends hadamard,sigma"

WRONG = [
    "nonsense", "--nonsense", "compare extra", "list extra", "compare --backends", "compare --sizes",
    "compare --backends nonsense", "compare --backends hadamard:matrix=dense",
    "compare --backends sigma:matrix=nonsense",
    "compare --backends hadamard,", "compare --backends hadamrad", "compare --backends :", "compare --backends =",
    "compare --sizes 3,x", "compare --sizes 3", "compare --sizes ,", "compare --sizes 3,-1", "compare --sizes 0,1",
    "compare --sizes 99999999999999999999,1", "compare --sizes 3,4 --activations tanh,tanh,tanh",
    "compare --activations nonsense", "compare --cost nonsense", "compare --dtype float16",
    "compare --dtype nonsense",
    "compare --init nonsense", "compare --seed -1", "compare --seed x", "compare --batch-size 0",
    f"compare --batch-size {10**30}", "compare --data missing.npz", "compare --data .", "compare --data empty.npz",
    "compare --data /dev/null", "compare --network missing.npz", "compare --network empty.npz",
    "compare --network net.npz --sizes 2,2", "compare --network net.npz --data examples5.npz",
    "compare --plot missing/x.png", "compare --plot x.nonsense", "check --gradient missing.npz",
    "check --gradient empty.npz", "check --gradient net.npz --relative-errors", "check --jobs 0",
    "check --markdown", "check --backend nonsense:Class", "check --backend os:path", "check --backend nonsense",
    "train --epochs 0", "train --learning-rate nan", "train --learning-rate -1", "train --learning-rate x",
    "train --save missing/x.npz", "train --save x.txt", "train --save .", "train --batch-size 99999",
    "train --backend nonsense", "train --sizes 3,2", "train --hidden x", "train --hidden 3 --sizes 64,3,10",
    "train --label kind", "train --regression", "train --no-standardize", "train --data examples.npz --label kind",
    "train --data table.csv --label nonsense", "train --data table.csv --label 9",
    "train --data table.csv --hidden 0",
    "train --data table.csv --network model.npz --sizes 3,2", "train --data gap.csv", "train --data one.csv",
    "train --data empty.csv",
    "train --data missing.csv", "train --data table.nonsense", "train --data table.csv --regression",
    "train --optimizer nonsense", "train --momentum 1", "train --optimizer adam --momentum 0.5", "train --nesterov",
    "train --schedule nonsense", "train --l2 -1", "train --l1 nan", "train --early-stopping 0",
    "train --checkpoint missing/x.npz", "train --checkpoint net.npz", "train --plot missing/x.png",
    "predict", "predict model.npz", "predict --data table.csv", "predict missing.npz --data table.csv",
    "predict empty.npz --data table.csv", "predict table.csv --data table.csv",
    "predict examples.npz --data table.csv",
    "predict model.npz --data missing.csv", "predict model.npz --data gap.csv",
    "predict model.npz --data examples5.npz",
    "predict model.npz --data other.csv", "predict model.npz --data table.csv --label nonsense",
    "predict model.npz --data table.csv --output missing/x.csv", "predict net.npz --data table.csv --proba",
    "predict model.npz --data examples.npz", "predict model.npz --data unlabelled.csv --plot x.png",
    "explain --backends all",
    "explain --backends hadamard,sigma,product",
    "explain --latex --json", "explain --html missing/x.html", "explain --examples 0", "explain --sizes 2",
    "list --markdown", "list --equations --markdown --json", "bench --cells nonsense", "bench --against nonsense",
    "bench --threads 0", "bench --dtype float16", "bench --save missing/x.json",
]  # fmt: skip
"""Command lines that are refused with status 2."""

RIGHT = [
    f"compare {SMALL}", "compare --sizes 2,3,2 --activations tanh,softmax --cost log_likelihood",
    "compare --sizes 1,1 --activations identity --batch-size 1", "compare --data examples.npz --backends hadamard",
    "compare --network net.npz --backends hadamard,product", "list", "list --equations", "explain",
    "explain --backends hadamard,sigma --sizes 1,1,1", "explain --backends per_neuron --activations tanh",
    "train --data examples.npz --epochs 2 --learning-rate 0.1", "train --data table.csv --epochs 2",
    "train --data table.csv --label kind --epochs 2 --early-stopping 3 --schedule plateau --l2 0.1",
    "predict model.npz --data table.csv --output out.csv",
    "predict model.npz --data unlabelled.csv --proba --output out.csv",
    "predict net.npz --data examples.npz --output out.csv", "check --backend hadamard",
    "check --gradient gradient.npz --network net.npz --data examples.npz",
]  # fmt: skip
"""Command lines that succeed with status 0."""

# The narrowest, and one of the others in turn.
WIDTHS = [(line, columns) for i, line in enumerate(RIGHT) for columns in (40, (60, 80)[i % 2])]
WITH_JSON = [line for line in RIGHT if line != "list --equations"] + ["list --equations"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A directory with a network, examples and a gradient."""
    place = tmp_path_factory.mktemp("attack")
    random = np.random.default_rng(3)
    X, Y = random.random((20, 3)), np.eye(2)[random.integers(2, size=20)]
    net = fm.Network.random([3, 4, 2], seed=0)
    fm.save(net, place / "net.npz")
    np.savez(place / "examples.npz", X=X, Y=Y)
    np.savez(place / "examples5.npz", X=np.ones((4, 5)), Y=np.ones((4, 2)))
    np.savez(place / "gradient.npz", vector=fm.gradient(net, X, Y).vector)
    known = fm.Network.random([3, 4, 2], ["tanh", "softmax"], seed=0)
    fm.Model(known, ["no", "yes"], ["a", "b", "c"], label="kind").save(place / "model.npz")
    rows = [f"{a:.3f},{b:.3f},{c:.3f},{'yes' if a > b else 'no'}" for a, b, c in X]
    for name, lines in {
        "table": ["a,b,c,kind", *rows],
        "unlabelled": ["c,b,a", *(row.rpartition(",")[0] for row in rows)],
        "gap": ["a,b,c,kind", *rows[:3], "1,,3,no"],
        "one": ["a,b,c,kind", *(row.rpartition(",")[0] + ",no" for row in rows)],
        "other": ["a,b,d,kind", *rows],
        "empty": [],
    }.items():
        (place / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
    (place / "empty.npz").touch()
    return place


def run(folder: Path, monkeypatch: Any, line: str, columns: int = 80) -> Any:
    monkeypatch.chdir(folder)
    return testing.CliRunner().invoke(
        command, line.split(), env={"COLUMNS": str(columns), "FORMULATIONS_BACKEND": None}
    )


def check(result: Any, columns: int | None = None) -> None:
    """Check that there is no traceback, no foreign exception, and no line that is too wide."""
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert "Traceback" not in result.output
    too_wide = [text for text in result.output.splitlines() if columns and len(text) > columns]
    assert not too_wide, f"wider than {columns}:\n" + "\n".join(too_wide)


@pytest.mark.parametrize("columns", [40])
@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage_ends_with_2_and_says_why(folder, monkeypatch, line, columns):
    result = run(folder, monkeypatch, line, columns)
    check(result)
    assert result.exit_code == 2, result.output
    assert "Error" in result.stderr
    assert not result.stdout


@pytest.mark.parametrize("name", ["", *command.commands])
def test_every_command_helps(folder, monkeypatch, name):
    for option in ("--help", "-h"):
        result = run(folder, monkeypatch, f"{name} {option}")
        check(result, 80)
        assert result.exit_code == 0
    result = run(folder, monkeypatch, f"{name} --nonsense")
    check(result)
    assert result.exit_code == 2


@pytest.mark.parametrize(("line", "columns"), WIDTHS)
def test_no_line_is_wider_than_the_terminal(folder, monkeypatch, line, columns):
    result = run(folder, monkeypatch, line, columns)
    # An explanation lays out its formulas for 80 columns.
    check(result, 80 if line.startswith("explain") else columns)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("line", WITH_JSON)
def test_json_is_json_and_alone(folder, monkeypatch, line):
    result = run(folder, monkeypatch, f"{line} --json")
    check(result)
    assert result.exit_code == 0, result.output

    def constant(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    assert json.loads(result.stdout, parse_constant=constant)
    assert not result.stderr


START = "import sys; sys.argv[0] = 'formulations'\n{before}\nfrom formulations.cli import main; main()"

# Each with its exit status and the environment before the command.
SURROUNDINGS: dict[str, tuple[int, str, str]] = {
    "as it is": (0, f"compare {SMALL}", ""),
    "standard output is closed": (0, f"compare {SMALL}", "exec >&-;"),
    "standard error is closed": (0, f"compare {SMALL}", "exec 2>&-;"),
    "standard error is closed, and usage wrong": (2, "compare --backends nonsense", "exec 2>&-;"),
    "both are closed": (0, f"compare {SMALL}", "exec >&- 2>&-;"),
    "standard input is closed": (0, f"compare {SMALL}", "exec <&-;"),
    "standard output is full": (2, f"compare {SMALL}", "exec >/dev/full;"),
    "standard output is full, JSON": (2, f"compare {SMALL} --json", "exec >/dev/full;"),
    "standard output is full, list": (2, "list", "exec >/dev/full;"),
    "standard output is full, help": (2, "--help", "exec >/dev/full;"),
    "standard error is full": (0, f"compare {SMALL}", "exec 2>/dev/full;"),
    "standard error is full, and usage wrong": (2, "compare --backends nonsense", "exec 2>/dev/full;"),
    "the folder is gone": (0, f"compare {SMALL}", "mkdir gone; cd gone; rmdir ../gone;"),
    "the folder is gone, list": (0, "list", "mkdir gone2; cd gone2; rmdir ../gone2;"),
    "the folder is gone, and written to": (2, "train --epochs 1 --save x.npz", "mkdir g; cd g; rmdir ../g;"),
    "no language": (0, "explain", "export LC_ALL=C LANG=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0;"),
    "ASCII alone": (0, "explain", "export PYTHONIOENCODING=ascii;"),
    "Latin letters alone": (0, f"compare {SMALL}", "export PYTHONIOENCODING=latin-1;"),
    "an unknown language": (0, "list", "export LC_ALL=xx_YY.nonsense;"),
    "no colours": (0, f"compare {SMALL}", "export NO_COLOR=1;"),
    "colours by force": (0, f"compare {SMALL}", "export FORCE_COLOR=1;"),
    "a dumb terminal": (0, f"compare {SMALL}", "export TERM=dumb;"),
    "no terminal at all": (0, f"compare {SMALL}", "unset TERM COLUMNS;"),
    "nonsensical columns": (0, f"compare {SMALL}", "export COLUMNS=nonsense;"),
    "no columns": (0, f"compare {SMALL}", "export COLUMNS=0;"),
    "no environment": (0, f"compare {SMALL}", "unset HOME USER PATH;"),
    "an unknown backend in the environment": (2, "train --epochs 1", "export FORMULATIONS_BACKEND=nonsense;"),
}  # fmt: skip


def environment() -> dict[str, str]:
    """Return the environment of a child process, which imports this package from its present path."""
    kept = {name: value for name, value in os.environ.items() if name != "FORMULATIONS_BACKEND"}
    return {**kept, "PYTHONPATH": str(Path(fm.__file__).parents[1]), "COLUMNS": "80"}


def child(folder: Path, line: str, before: str = "", surroundings: str = "") -> Any:
    return subprocess.run(
        ["/bin/sh", "-c", f'{surroundings} exec "$PYTHON" -c "$SCRIPT" {line}'],
        cwd=folder, env={**environment(), "PYTHON": sys.executable, "SCRIPT": START.format(before=before)},
        capture_output=True, timeout=SECONDS, check=False,
    )  # fmt: skip


def check_child(result: Any, status: int) -> None:
    output, error = (text.decode("utf-8", "replace") for text in (result.stdout, result.stderr))
    for words in ("Traceback", "Exception ignored", "Error in"):
        assert words not in output + error, output + error
    assert result.returncode == status, output + error


HOSTED = Path("/dev/full").exists() and Path("/bin/sh").exists()
posix = pytest.mark.skipif(not HOSTED, reason="it needs /dev/full and a shell")


@posix
@pytest.mark.parametrize("where", SURROUNDINGS)
def test_hostile_environments(folder, where):
    status, line, surroundings = SURROUNDINGS[where]
    check_child(child(folder, line, surroundings=surroundings), status)


# The message of each command without a package, and its exit status.
ABSENT: dict[str, tuple[int, str, str]] = {
    "click": (2, f"compare {SMALL}", "cli"),
    "rich": (2, "list", "cli"),
    "matplotlib": (2, f"compare {SMALL} --plot x.png", "plot"),
    "mpmath": (2, "check --relative-errors --backend hadamard", "accuracy"),
    "numba": (1, "compare --sizes 2,3,2 --backends fused", "numba"),
    "torch": (1, "compare --sizes 2,3,2 --backends autodiff_torch", "torch"),
    "jax": (1, "compare --sizes 2,3,2 --backends autodiff_jax", "jax"),
}


WITHOUT = """
from importlib.machinery import PathFinder

class Present(PathFinder):
    @classmethod
    def find_spec(cls, name, *others):
        return None if name.partition(".")[0] == {package!r} else super().find_spec(name, *others)

sys.meta_path[:] = [Present if finder is PathFinder else finder for finder in sys.meta_path]
"""
"""Code that hides a package."""


@posix
@pytest.mark.parametrize("package", ABSENT)
def test_an_absent_package_is_named(folder, package):
    status, line, named = ABSENT[package]
    result = child(folder, line, before=WITHOUT.format(package=package))
    check_child(result, status)
    assert named in (result.stdout + result.stderr).decode()


@posix
@pytest.mark.parametrize("line", ["list", f"compare {SMALL} --json", "explain --sizes 6,6,6,6"])
def test_a_closed_pipe(folder, line):
    reader = subprocess.Popen(["/usr/bin/env", "head", "-c", "1"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    with reader, tempfile.TemporaryFile() as errors:
        writer = subprocess.Popen(
            [sys.executable, "-c", START.format(before=""), *line.split()],
            cwd=folder, env=environment(), stdout=reader.stdin, stderr=errors,
        )  # fmt: skip
        status = writer.wait(timeout=SECONDS)
        errors.seek(0)
        written = errors.read().decode()
    assert "Traceback" not in written and "Exception ignored" not in written, written
    assert status in (0, 1, 2)
