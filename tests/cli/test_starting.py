"""What the command line loads before it has anything to compute."""

from __future__ import annotations

import importlib
import io
import logging
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from formulations.cli.commands import COMMANDS, formulations
from formulations.cli.output import progress_console

HEAVY = {"numpy", "scipy", "rich", "numba", "torch", "jax", "sklearn", "matplotlib"}
RUN = "import atexit, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))\nsys.argv = {}\n"


def loaded_by(*arguments, env=None):
    """Return the modules that a command loads."""
    lines = RUN.format(["formulations", *arguments]) + "from formulations.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True, env=env)
    assert done.stdout
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["list"], ["list", "--json"]], ids=" ".join)
def test_what_computes_nothing_loads_no_package_that_computes(arguments):
    found = loaded_by(*arguments)
    assert not found & HEAVY
    commands = {name.split(".")[2] for name in found if name.startswith("formulations.cli.")}
    assert commands & set(COMMANDS) == {"list"} & set(arguments)
    pages = {name.split(".")[2] for name in found if name.startswith("formulations.backends.")}
    assert {name for name in pages if not name.startswith("_")} == set()


def test_completing_a_command_loads_none(monkeypatch):
    monkeypatch.setenv("_FORMULATIONS_COMPLETE", "zsh_complete")
    monkeypatch.setenv("COMP_WORDS", "formulations l")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert not loaded_by() & (HEAVY | {f"formulations.cli.{name}" for name in COMMANDS})


def first_sentence(text):
    return " ".join(text.split("\n\n")[0].split())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_by_the_first_sentence_of_its_help(name):
    command = formulations.commands[name]
    assert first_sentence(command.help) == COMMANDS[name]
    assert isinstance(command, click.Command) and command.name == name
    listed = CliRunner().invoke(formulations, ["--help"], terminal_width=200, max_content_width=200).stdout
    assert COMMANDS[name] in listed


def test_every_command_is_listed():
    package = importlib.import_module("formulations.cli")
    files = [path.stem for path in sorted(importlib.resources.files(package).iterdir()) if path.suffix == ".py"]
    with_command = [
        name
        for name in files
        for held in vars(importlib.import_module(f"formulations.cli.{name}")).values()
        if isinstance(held, click.Command) and held.name == name
    ]
    assert with_command == list(COMMANDS)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_announcements_until_the_command_ends(monkeypatch, terminal):
    stderr = io.StringIO()
    monkeypatch.setattr(stderr, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", stderr)
    logger = logging.getLogger("formulations")
    with click.Context(formulations):
        progress_console()
        logger.info("compiling [it]")
    logger.info("unseen")
    assert stderr.getvalue() == "compiling [it]\n" * terminal
