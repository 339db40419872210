"""The index of equations: it is complete, its names resolve, and its page is up to date."""

from __future__ import annotations

import json
import re
from pathlib import Path

import makers
import pytest
from click.testing import CliRunner

import formulations as fm
from formulations.backends import _table
from formulations.cli.commands import formulations as command
from formulations.explanation.equation_index import as_markdown, as_table, index, resolve
from formulations.explanation.equations.equation import Equation
from formulations.explanation.equations.formula import parse_latex
from formulations.explanation.equations.table import EQUATIONS

ROOT = Path(__file__).parents[3]
PAGE, PROOFS = ROOT / "docs/reference/equations.md", ROOT / "docs/explanation/proofs.md"
CHAPTER = [*map(str, range(23, 54)), "BP1", "BP1a", "BP2", "BP3", "BP4"]
UNTEMPLATED = {"definition", "quotient", "demon", "path", "direction", "method"}
SCOPES = {"forward", "output", "hidden", "layer", "combined", "cost", "mean"} | UNTEMPLATED


def test_the_chapter_is_complete_and_in_order():
    assert [number for number in EQUATIONS if number in CHAPTER] == CHAPTER


@pytest.mark.parametrize("name", fm.list_backends())
def test_what_a_backend_declares_is_in_the_table(name):
    missing = [number for number in fm.get_backend(name).equations if number not in EQUATIONS]
    assert not missing, (
        f"backend {name!r} declares {missing}, which formulations/explanation/equations lacks; add them there"
    )


def test_a_registered_backend_is_in_the_index_but_not_on_the_page(monkeypatch):
    class Odd(makers.HadamardWrapper):
        name = "odd"
        equations = ("BP1", "BP7")

    monkeypatch.setattr(_table, "registered", {**_table.registered, "odd": Odd})
    declaring = [entry for entry in index() if "odd" in [backend.name for backend in entry.backends]]
    assert [entry.equation.number for entry in declaring] == ["BP1"]
    assert PAGE.read_text(encoding="utf-8") == as_markdown()


@pytest.mark.parametrize("equation", EQUATIONS.values(), ids=EQUATIONS)
def test_an_equation_says_one_sentence_and_every_function_resolves(equation):
    assert equation.scope in SCOPES
    assert equation.says.endswith(".") and equation.says.count(". ") == 0
    assert equation.latex.count("{") == equation.latex.count("}")
    assert (equation.template == "") == (equation.scope in UNTEMPLATED)
    for dotted in equation.functions:
        file, found = resolve(dotted)
        assert (ROOT / file).is_file() and found is not None


@pytest.mark.parametrize("entry", index(), ids=[entry.equation.number for entry in index()])
def test_an_equation_is_used_or_proved(entry):
    proved = PROOFS.exists() and f"({entry.equation.number})" in PROOFS.read_text(encoding="utf-8")
    assert entry.users or proved, f"({entry.equation.number}) is neither used nor proved in docs/explanation/proofs.md"


def test_the_page_is_the_one_that_is_generated():
    assert PAGE.read_text(encoding="utf-8") == as_markdown(), "run: formulations list --equations --markdown"


def test_the_page_has_a_row_for_every_equation_and_names_existing_files():
    page = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^\| \((\w+)\) ", page, re.MULTILINE) == list(EQUATIONS)
    files = set(re.findall(r"\]\(\.\./\.\./([^)]+)\)", page))
    assert files and all((ROOT / file).is_file() for file in files)


def test_the_table_names_every_equation_in_lines_that_fit():
    lines = as_table().splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(EQUATIONS)
    assert max(map(len, lines)) <= 170


def test_the_command_prints_the_page_the_table_and_json():
    run = CliRunner().invoke
    assert run(command, ["list", "--equations", "--markdown"]).stdout == as_markdown()
    assert run(command, ["list", "--equations"]).stdout == as_table() + "\n"
    assert '"equation": "BP2"' in run(command, ["list", "--equations", "--json"]).stdout
    for wrong in (["--markdown"], ["--equations", "--markdown", "--json"]):
        assert run(command, ["list", *wrong]).exit_code == 2


@pytest.mark.usefixtures("clean_registry")
def test_a_backend_defined_inside_a_function_has_its_file_in_the_index():
    @fm.register
    class Local(makers.HadamardWrapper):
        name = "local"

    listed = json.loads(CliRunner().invoke(command, ["list", "--equations", "--json"]).stdout)
    files = [entry["files"] for entry in listed if "local" in entry["backends"]]
    assert files and all(f"{__name__.replace('.', '/')}.py" in each for each in files)


def test_the_list_predicts_what_a_gradient_costs():
    net = fm.Network.random([64, 30, 10], seed=0)
    printed = CliRunner().invoke(command, ["list"]).stdout
    for name in ("hadamard", "finite_difference"):
        cost = fm.get_backend(name).estimate(net, 10)
        line = next(line for line in printed.splitlines() if line.startswith(name + " "))
        assert f"{cost.multiplications:,}" in line and f"{cost.forward_passes:,}" in line


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"\frac{\partial C}{\partial w^{2}_{11}}", "∂C/∂w²_11"),
        (r"\frac{C(w + h e_j) - C(w)}{h}", "(C(w + h e_j) − C(w))/h"),
        (r"\left((w^{l+1})^T \delta^{l+1}\right) \odot \sigma'(z^l)", "((wˡ⁺¹)ᵀ δˡ⁺¹) ⊙ σ′(zˡ)"),
        (r"\nabla_a C", "∇_aC"),
    ],
)
def test_latex_reads_as_plain_text(latex, text):
    assert parse_latex(latex).text == text
    assert Equation("0", latex, "", "").plain == text
