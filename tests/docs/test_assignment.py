"""The worked assignment: what its page says that each submission gets, and the output that the guide shows."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import formulations as fm
from formulations.cli.commands import formulations
from formulations.verification import EXERCISES

ROOT = Path(__file__).parents[2]
ASSIGNMENT = ROOT / "docs" / "assignment"
PAGE = (ASSIGNMENT / "index.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs/how-to/grade-an-assignment.md").read_text(encoding="utf-8")
HEADER, *ROWS = [
    [cell.strip() for cell in row.strip("|").split("|")]
    for row in PAGE[PAGE.index("| exercise |") :].split("\n\n")[0].splitlines()
    if "---" not in row
]
SUBMISSIONS = HEADER[2:]


@pytest.mark.slow
@pytest.mark.parametrize("name", SUBMISSIONS)
def test_a_submission_gets_the_points_on_the_page(name):
    grade = fm.grade(ASSIGNMENT / f"{name}.py", seconds=4.0 if name == "unfinished" else 10.0)
    found = [
        [exercise.name, f"({line.equation})", str(line.points)]
        for exercise in grade.exercises
        for line in exercise.equations
    ]
    found.append(["all", "", str(grade.points)])
    column = HEADER.index(name)
    assert found == [[*row[:2], row[column]] for row in ROWS], str(grade)
    assert bool(grade) == (name == "right")


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: ast.unparse(node.args) for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_template_has_a_function_for_each_exercise_with_its_equations():
    template = ASSIGNMENT / "template.py"
    assert list(functions(template)) == list(EXERCISES)
    for node in ast.parse(template.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            equations = EXERCISES[node.name].equations
            assert all(f"({number})" in ast.get_docstring(node) for number in (equations[0], equations[-1]))
            assert [type(part) for part in node.body[1:]] == [ast.Raise]


def test_the_template_is_that_of_the_command(tmp_path):
    template = (ASSIGNMENT / "template.py").read_text(encoding="utf-8")
    result = CliRunner().invoke(formulations, ["grade", "--template"])
    assert result.exit_code == 0 and result.stdout == template
    (tmp_path / "part.py").write_text(
        CliRunner().invoke(formulations, ["grade", "--template", "--exercise", "bp2,bp1"]).stdout
    )
    assert list(functions(tmp_path / "part.py")) == ["bp1", "bp2"]
    text = (tmp_path / "part.py").read_text()
    assert "2 exercises on chapter 2" in text and "``formulations grade FILE.py --exercise bp1,bp2``" in text


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_submissions_have_the_functions_of_the_template(name):
    wanted = functions(ASSIGNMENT / "template.py")
    found = functions(ASSIGNMENT / f"{name}.py")
    assert {each: found[each] for each in wanted if each in found}.items() <= wanted.items()
    assert (len(found.keys() & wanted) == len(wanted)) == (name != "unfinished")


def test_the_guide_lists_the_exercises():
    table = GUIDE[GUIDE.index("| exercise |") :].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(EXERCISES)


@pytest.mark.slow
def test_the_guide_shows_what_its_command_prints(monkeypatch):
    monkeypatch.chdir(ROOT)
    command = re.search(r"```sh\n(formulations grade docs/.*)\n```", GUIDE)[1]
    shown = re.search(r"```text\n(.*?)…\n```", GUIDE, re.DOTALL)[1]
    result = CliRunner().invoke(formulations, shlex.split(command)[1:], env={"COLUMNS": "120"})
    assert result.exit_code == 1
    assert result.stdout.startswith(shown) and result.stdout != shown


@pytest.mark.slow
def test_the_recipe_for_pytest_passes_and_fails(tmp_path, monkeypatch):
    text = re.search(r">>> test = '''\n(.*?)'''", GUIDE, re.DOTALL)[1]
    scope = {}
    exec(re.sub(r"^\.\.\. ?", "", text, flags=re.MULTILINE).replace("\\\\", "\\"), scope)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "submission.py").write_text("def bp3(delta):\n    return delta.mean(axis=0)\n")
    scope["test_exercise"]("bp3")
    with pytest.raises(AssertionError, match=r"\n0 of 4 points\.(.*\n)*.*There is no function bp4\."):
        scope["test_exercise"]("bp4")
