"""The notebooks: executed in order without an exception, small, and with the outputs that their code has today."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
from pathlib import Path

import pytest

import formulations as fm

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.ipynb"))}
SHOWN = ("execute_result", "stream")
"""The outputs that are compared; figures of pyplot are not."""


def source(cell):
    return "".join(cell["source"])


def code_cells(name):
    return [cell for cell in NOTEBOOKS[name]["cells"] if cell["cell_type"] == "code"]


def test_the_notebooks_are_there():
    assert set(NOTEBOOKS) == {"compare", "diagnose", "judge", "learn", "train"}
    assert all(path.stat().st_size < 500_000 for path in FOLDER.iterdir())


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_whole(name):
    notebook = NOTEBOOKS[name]
    assert notebook["nbformat"] == 4
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    title, *_ = notebook["cells"]
    assert title["cell_type"] == "markdown" and re.match(r"# .+\n\n\w", source(title))
    cells = code_cells(name)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        assert cell["outputs"], source(cell)
        assert {output["output_type"] for output in cell["outputs"]} <= {*SHOWN, "display_data"}
        # Warnings go to the error stream.
        assert all(output.get("name", "stdout") == "stdout" for output in cell["outputs"])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebooks_links_and_names_exist(name):
    for cell in NOTEBOOKS[name]["cells"]:
        if cell["cell_type"] == "markdown":
            for link in re.findall(r"\]\((?!https?:)([^)#]+)", source(cell)):
                assert (FOLDER / link).resolve().is_file(), link
        assert set(re.findall(r"\bfm\.([A-Za-z]\w*)", source(cell))) <= {*fm.__all__}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_prints_numbers_and_no_assertion(name):
    for cell in code_cells(name):
        assert not re.search(r": (True|False)$", shown(cell), re.MULTILINE), source(cell)


def test_nothing_is_chosen_on_the_test_digits():
    chosen, test = "\n\n".join(map(source, NOTEBOOKS["train"]["cells"])).split("\n\n## The test\n")
    assert set(re.findall(r".*_test.*", chosen)) == {
        "X, y, X_test, y_test = fm.split(X, labels, test=0.2, seed=0)",
        'print(len(X), "digits for training,", len(validation[1]), "for validation,", len(X_test), "for the test")',
    }
    assert "model.confusion(X_test, y_test)" in test and "sgd(" not in test and ".fit(" not in test


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_stores_nothing_of_the_machine_that_ran_it(name):
    for cell in code_cells(name):
        text = json.dumps(cell, ensure_ascii=False)
        assert not re.search(r"/home/|/tmp/|/root/|\b0x[0-9a-f]{6,}", text)
        # Only cells that say so show times.
        timed = "times" in cell["metadata"].get("tags", ())
        assert timed or not re.search(r"\d (µs|ms|seconds)\b", text), source(cell)


def shown(cell):
    """The text that a cell shows: what it prints, and the repr of its last line."""
    return "".join(
        "".join(output["text"] if output["output_type"] == "stream" else [*output["data"]["text/plain"], "\n"])
        for output in cell["outputs"]
        if output["output_type"] in SHOWN
    )


def run(code, namespace):
    """Run a cell as a notebook does, and return the text that it shows."""
    *body, last = ast.parse(code).body
    valued = isinstance(last, ast.Expr) and not code.rstrip().endswith(";")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module([*body, *([] if valued else [last])], []), "<cell>", "exec"), namespace)
        if valued and (value := eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace)) is not None:
            print(repr(value))
    return printed.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_still_has_its_outputs(name):
    matplotlib = pytest.importorskip("matplotlib")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    namespace = {"__name__": "__main__"}
    try:
        with matplotlib.rc_context({"backend": "agg"}):
            for cell in code_cells(name):
                found = run(source(cell), namespace)
                if "times" not in cell["metadata"].get("tags", ()):
                    assert found == shown(cell), source(cell)
    finally:
        pyplot.close("all")
