"""Shell completion: what follows a part of a command line, and the script that sets it up in each shell."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from click.shell_completion import get_completion_class
from click.testing import CliRunner

import formulations as fm
from formulations.cli.commands import formulations
from formulations.comparison.race.cells import CELLS
from formulations.functions.activations.table import ACTIVATIONS
from formulations.functions.costs.table import COSTS


def completer(shell):
    return get_completion_class(shell)(formulations, {}, "formulations", "_FORMULATIONS_COMPLETE")


def completed(*words):
    *before, incomplete = words
    return [item.value for item in completer("zsh").get_completions(before, incomplete)]


@pytest.mark.parametrize(
    "words", [("compare", "--backends"), ("compare", "--backend"), ("train", "--backend"), ("check", "--backends")]
)
def test_backends_are_completed(words):
    assert completed(*words, "") == fm.list_backends()
    assert completed(*words, "fi") == ["finite_difference"]


def test_options_of_a_backend_are_completed_with_their_values():
    assert completed("compare", "--backends", "sigma:matrix=") == [
        "sigma:matrix=planned", "sigma:matrix=sparse", "sigma:matrix=dense"
    ]  # fmt: skip
    assert completed("compare", "--backends", "sigma:b") == ["sigma:batch=whole", "sigma:batch=example"]
    assert completed("train", "--backend", "finite_difference:st") == ["finite_difference:step="]
    assert completed("compare", "--backends", "unknown:m") == []


def test_after_a_comma_comes_another_backend_or_another_option():
    assert completed("compare", "--backends", "hadamard,sig") == ["hadamard,sigma"]
    assert completed("compare", "--backends", "product,sigma:matrix=d") == ["product,sigma:matrix=dense"]
    after = completed("compare", "--backends", "sigma:matrix=dense,ba")
    assert after == [f"sigma:matrix=dense,{each}" for each in ("batch=whole", "batch=example", "back_substitution")]
    assert completed("train", "--backend", "sigma:matrix=dense,ba") == after[:2]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("compare", "--activations", ""), list(ACTIVATIONS)),
        (("train", "--activations", "tanh,soft"), ["tanh,softplus", "tanh,softmax"]),
        (("explain", "--activations", "si"), ["sigmoid", "silu", "sine"]),
        (("train", "--cost", ""), list(COSTS)),
        (("train", "--optimizer", "a"), ["adam"]),
        (("train", "--schedule", "e"), ["exponential"]),
        (("explain", "--cost", "lo"), ["log_likelihood"]),
        (("bench", "--cells", ""), [*CELLS, "training"]),
        (("bench", "--cells", "book,d"), [f"book,{name}" for name in CELLS if name.startswith("d")]),
        (("bench", "--against", "torch,no"), ["torch,none"]),
        (("compare", "--init", "h"), ["he"]),
        (("compare", "--dtype", "l"), ["longdouble"]),
        (("compare", "--thr"), ["--threads"]),
        (("ben",), ["bench"]),
        (("c",), ["check", "compare"]),
    ],
)
def test_names_and_options_are_completed(words, found):
    assert completed(*words) == found


@pytest.mark.parametrize("words", [("train", "--save"), ("compare", "--data"), ("check", "--gradient")])
def test_paths_are_left_to_the_shell(words):
    (item,) = completer("zsh").get_completions(list(words), "da")
    assert (item.value, item.type) == ("da", "file")


@pytest.mark.parametrize(
    ("line", "breaks", "expected"),
    [
        ("formulations compare --backends si", ":=", ["sigma"]),
        ("formulations compare --backends sigma:matrix=d", ":=", ["dense"]),
        ("formulations compare --backends sigma:matrix=d", "", ["sigma:matrix=dense"]),
        ("formulations compare --backends sigma:matrix=d", ":", ["matrix=dense"]),
        ("formulations compare --backends=sigma:matrix=d", ":=", ["dense"]),
        ("formulations compare --backends product,si", ":=", ["product,sigma"]),
        ("formulations bench --cells ", ":=", [*CELLS, "training"]),
    ],
)
def test_bash_is_given_what_it_replaces(monkeypatch, line, breaks, expected):
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_WORDBREAKS", breaks)
    assert completer("bash").complete().splitlines() == [f"plain,{value}" for value in expected]


def test_a_value_with_commas_reaches_fish_whole():
    source = completer("fish").source()
    assert 'string split --max 1 ","' in source and 'string split ","' not in source


def test_the_scripts_name_the_command():
    for shell in ("zsh", "fish"):
        assert "formulations" in completer(shell).source()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_runs_the_script():
    source = completer("bash").source()
    # Stands in for the command: prints the line to complete.
    script = f"""
    formulations() {{ :; }}
    env() {{ for word; do [[ $word == COMP_LINE=* ]] && echo "plain,${{word#COMP_LINE=}}"; done; echo plain,step=; }}
    compopt() {{ echo compopt "$@"; }}
    complete() {{ :; }}
    {source}
    COMP_LINE="formulations train --backend sigma:m --epochs" COMP_POINT=36
    _formulations_completion formulations
    printf '<%s>\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["compopt -o nospace", "<formulations train --backend sigma:m>", "<step=>"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_help_says_how_to_switch_it_on(shell):
    shown = CliRunner().invoke(formulations, ["--help"]).stdout
    assert f"_FORMULATIONS_COMPLETE={shell}_source formulations" in shown


@pytest.mark.slow
def test_the_command_answers_a_shell():
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'formulations'; from formulations.cli import main; main()"],
        env={"_FORMULATIONS_COMPLETE": "zsh_complete", "COMP_WORDS": "formulations ben", "COMP_CWORD": "1", "PATH": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[:2] == ["plain", "bench"], done.stderr
