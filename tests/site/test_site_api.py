"""The API's index lists every public name and nothing else, and the docstrings behind it are sound RST."""

from __future__ import annotations

import ast
import builtins
import doctest
import inspect
import pkgutil
import re

import pytest
from built import BUILT, DOCS, ROOT, SITE

import formulations as fm
from formulations import exceptions

PAGE = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
DOORS = ["formulations.testing", "formulations.nielsen", "formulations.estimators"]


def listed():
    """The full names in the lists of the page, in their order."""
    found, module = [], ""
    for line in PAGE.splitlines():
        if match := re.fullmatch(r"\.\. currentmodule:: (\S+)", line):
            module = match[1]
        elif match := re.fullmatch(r"   (\w[\w.]*)", line):
            found.append(f"{module}.{match[1]}")
    return found


@pytest.fixture(scope="module")
def api():
    pytest.importorskip("sphinx")
    import api

    return api


def test_every_public_name_has_an_entry():
    assert set(fm.__all__) - {"exceptions", "testing"} <= {name.removeprefix("formulations.") for name in listed()}


EXAMPLES = {
    each.name: each
    for name in fm.__all__
    for each in doctest.DocTestFinder(exclude_empty=True).find(getattr(fm, name), name, globs={})
    if each.examples and inspect.isroutine(getattr(fm, name)) | inspect.isclass(getattr(fm, name))
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_need_no_other_names_than_those_that_the_page_imports(name):
    program = "".join(example.source for example in EXAMPLES[name].examples)
    names = list(ast.walk(ast.parse(program)))
    used = {node.id for node in names if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    made = {node.id for node in names if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    made |= {node.arg for node in names if isinstance(node, ast.arg)}
    made |= {node.asname or node.name.split(".")[0] for node in names if isinstance(node, ast.alias)}
    made |= {node.name for node in names if isinstance(node, ast.FunctionDef)}
    assert used <= {*made, *vars(builtins), *fm.__all__, "np"}


def test_the_page_says_what_its_examples_import(api):
    lines = ["Do it.", "", ".. rubric:: Examples", "", ">>> certify(np.ones(3))"]
    api.name_imports(None, "function", "formulations.certify", None, None, lines)
    assert "After ``from formulations import *`` and ``import numpy as np``:" in lines
    for name, first in (
        ("formulations.certify", ">>> import formulations as fm"),
        ("formulations.network.Tape", ">>> 1"),
    ):
        given = [".. rubric:: Examples", "", first]
        api.name_imports(None, "function", name, None, None, given)
        assert given == [".. rubric:: Examples", "", first]


def test_every_name_of_a_face_has_an_entry():
    for door in DOORS:
        source = (ROOT / f"{door.replace('.', '/')}.py").read_text(encoding="utf-8")
        names = re.findall(r'"(\w+)"', re.search(r"^__all__ = \[(.*?)\]", source, re.MULTILINE | re.DOTALL)[1])
        assert {f"{door}.{name}" for name in names} <= set(listed())


def test_every_exception_has_an_entry():
    raised = {name for name in exceptions.__all__ if inspect.isclass(getattr(exceptions, name))}
    assert raised == {name.rpartition(".")[2] for name in listed() if name.startswith("formulations.exceptions.")}


def test_no_name_is_listed_twice():
    assert len(listed()) == len(set(listed())) > 100


@pytest.mark.parametrize("name", [name for name in listed() if not name.startswith("formulations.estimators")])
def test_a_listed_name_is_there_and_documented(name):
    assert inspect.getdoc(pkgutil.resolve_name(name))


def test_what_a_public_function_returns_has_an_entry():
    classes = {name.rpartition(".")[2] for name in listed()}
    for name in fm.__all__:
        thing = getattr(fm, name)
        returns = re.search(r"^Returns\n-+\n(.*)$", inspect.getdoc(thing) or "", re.MULTILINE)
        for word in re.findall(r"\b[A-Z]\w+", returns[1]) if inspect.isfunction(thing) and returns else []:
            assert word in classes | {"None", "CustomActivation"}, f"{name} returns {word}"


def test_bars_are_escaped_except_in_code_and_equations(api):
    lines = [
        r"At most |x| of ``a|b`` and `c|d`, or \|x\|.",
        "",
        ".. math:: |y|",
        "",
        "Then |z|:",
        "",
        ">>> a | b",
        "'|'",
        "",
        "And |w|.",
    ]
    api.escape_bars(None, "function", "", None, None, lines)
    assert lines[0] == r"At most \|x\| of ``a|b`` and `c|d`, or \|x\|."
    assert lines[2] == ".. math:: |y|"
    assert lines[4] == r"Then \|z\|:"
    assert lines[6:8] == [">>> a | b", "'|'"]
    assert lines[9] == r"And \|w\|."


@pytest.mark.parametrize(
    ("name", "known"),
    [("Linearization.pull", True), ("scipy.sparse.linalg.eigsh", True), ("formulations.gradeint", False)],
)
def test_a_name_without_a_page_is_known_or_a_warning(api, name, known):
    assert api.exists(name) is known


def test_the_classes_of_the_index_are_linked_in_types(api):
    types = api.listed_types()
    assert types["Network"] == "formulations.Network"
    assert types["Digits"] == "formulations.data.digits.reader.Digits"
    assert "gradient" not in types


def page(name):
    return (SITE / f"{name}.html").read_text(encoding="utf-8")


@BUILT
@pytest.mark.slow
def test_a_public_name_has_a_page_with_its_signature():
    assert [name for name in listed() if f'id="{name}"' not in page(f"reference/api/{name}")] == []


@BUILT
@pytest.mark.slow
def test_equations_lead_to_the_pages_of_their_functions():
    links = re.findall(r'href="api/([^"]+)"', page("reference/equations"))
    wanted = {"formulations.Tape.html#formulations.Tape.collect", "formulations.Gradient.html#formulations.Gradient"}
    assert wanted <= set(links)


@BUILT
@pytest.mark.slow
def test_displayed_equations_are_mathml_with_their_numbers():
    numbers = re.findall(r'<mtd class="number"><mtext>\(([^)]+)\)', page("explanation/proofs"))
    assert {"BP1", "BP2", "BP3", "BP4", "33", "34", "35", "45"} <= set(numbers)
    assert [str(path) for path in SITE.rglob("*.html") if "<merror" in path.read_text(encoding="utf-8")] == []


@BUILT
@pytest.mark.slow
def test_types_and_exceptions_are_linked():
    gradient = page("reference/api/formulations.gradient")
    for name in ("Network", "Cost", "Backend", "Gradient", "exceptions.Refused"):
        assert f'href="formulations.{name}.html#formulations.{name}"' in gradient
