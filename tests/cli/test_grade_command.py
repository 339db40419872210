"""``formulations grade``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from formulations.cli.commands import formulations


@pytest.fixture
def submission(tmp_path):
    path = tmp_path / "submission.py"
    path.write_text(
        "def bp3(delta):\n    return delta.mean(axis=0)\n\n\ndef bp4(a_before, delta):\n    return delta.T @ a_before\n"
    )
    return str(path)


def test_without_a_file_there_is_nothing_to_mark():
    result = run("--exercise", "bp1")
    assert result.exit_code == 2 and "grade takes a file to mark, or --template" in " ".join(result.stderr.split())


def run(*arguments):
    return CliRunner().invoke(formulations, ["grade", *arguments])


def test_the_points_decide_the_exit_status(submission):
    result = run(submission, "--exercise", "bp3", "--seed", "1")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("4 of 4 points.")


@pytest.mark.slow
def test_json_holds_the_same(submission):
    result = run(submission, "--exercises", "bp3,bp4", "--seed", "1", "--json")
    assert result.exit_code == 1, result.output
    found = json.loads(result.stdout)
    assert found["file"] == submission
    assert (found["points"], found["possible"]) == (5, 8)
    assert [each["name"] for each in found["exercises"]] == ["bp3", "bp4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.py"], "a submission must be a Python file, got 'absent.py'"),
        (["--template"], "grade takes a file to mark, or --template, which prints one to complete; give one of them."),
        (["--exercise", "bp5"], "unknown exercise 'bp5'"),
        (["--seconds", "0"], "--seconds must be positive"),
        (["--memory", "much"], "--memory must be a positive number of bytes"),
        (["--seed", "-1"], "--seed must be an integer of at least 0"),
    ],
)
def test_bad_usage_is_one_sentence_in_terms_of_options(submission, arguments, message):
    result = run(*([] if arguments == ["absent.py"] else [submission]), *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
