"""The pages: their commands find the files that their examples have written, and one thing has one sign."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from formulations.cli.commands import formulations

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "how-to"
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", ["own-data", "judge-a-gradient"])
def test_a_pages_commands_read_what_its_examples_have_written(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = PAGES / f"{name}.md"
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
