"""The pages: the paths, modules, commands and options that they name exist, and each thing has one sign."""

from __future__ import annotations

import doctest
import pkgutil
import re
import shlex
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

import formulations as fm
from formulations.cli.commands import formulations

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for pattern in ("*.md", ".github/*.md", "benchmarks/*.md", "docs/**/*.md", "formulations/**/*.md", "tests/**/*.md")
    for path in sorted(ROOT.glob(pattern))
}
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["own-data", "judge-a-gradient"])
def test_a_pages_commands_read_what_its_examples_have_written(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = HOW_TO / f"{name}.md"
    assert not doctest.testfile(str(page), module_relative=False, optionflags=OPTIONS, encoding="utf-8").failed
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert commands
    for command, *arguments in commands:
        assert command == "formulations"
        result = CliRunner().invoke(formulations, arguments)
        assert result.exit_code == 0, result.output


def test_the_hadamard_product_has_the_books_sign_everywhere():
    texts = [
        path
        for folder in ("docs", "formulations")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in (".md", ".py", ".svg")
    ]
    assert len(texts) > 200
    assert [str(path) for path in texts if "\N{RING OPERATOR}" in path.read_text(encoding="utf-8")] == []


def test_the_floors_are_drawn_and_listed_as_the_contract_has_them():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["containers"] == ["formulations"])
    floors = [layer.split(" | ") for layer in layers]
    table = PAGES["docs/architecture.md"].split("| floor |")[1].split("\n\n")[0]
    listed = re.findall(r"^\| (`[a-z_`, ]+`) \|", table, re.MULTILINE)
    assert [cell.strip("`").split("`, `") for cell in listed] == floors
    picture = (ROOT / "docs/images/floors.svg").read_text(encoding="utf-8")
    drawn = re.findall(r'class="code" x="\d+" y="(\d+)">(\w+)<', picture)
    heights = sorted({int(y) for y, _ in drawn})
    assert [[name for y, name in drawn if int(y) == height] for height in heights] == floors


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page):
    # A name that goes on with a placeholder, as in test_<name>.py, is a pattern.
    named = re.findall(r"(?<![\w./-])((?:benchmarks|docs|formulations|tests)/[\w./-]*\w)(?![\w<*])", PAGES[page])
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_dotted_name_on_a_page_can_be_imported(page):
    missing = []
    names = re.findall(r"\bformulations(?:\.[A-Za-z_]\w*)+", PAGES[page])
    names += re.findall(r"python -m ((?:benchmarks|formulations|tests)[.\w]*\w)", PAGES[page])
    for name in set(names) - {"benchmarks.experiments.NAME"}:
        try:
            pkgutil.resolve_name(name)
        except (AttributeError, ImportError):
            if find_spec("sklearn") or not name.startswith("formulations.estimators"):
                missing.append(name)
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_every_name_of_the_root_on_a_page_is_public(page):
    assert set(re.findall(r"\bfm\.([A-Za-z]\w*)", PAGES[page])) <= {*fm.__all__, "exceptions", "testing"}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_on_a_page_has_the_options_that_it_is_given(page):
    code = re.findall(r"`([^`\n]+)`", PAGES[page]) + re.findall(r"^[^`\n]*$", PAGES[page], re.MULTILINE)
    unknown = []
    for name, given in re.findall(r"(?:^|\s|/)formulations ([a-z]+)((?: [^|;&>#\n]*)?)", "\n".join(code)):
        if name not in formulations.commands:
            continue  # prose
        known = {option for each in formulations.commands[name].params for option in [*each.opts, *each.secondary_opts]}
        unknown += [(name, option) for option in re.findall(r"--[a-z\d-]+", given) if option not in known | {"--help"}]
    assert unknown == []
