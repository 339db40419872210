"""The plugin: its fixtures are always available, its option only if the command names the suite."""

from __future__ import annotations

import subprocess
import sys

import pytest

TESTS = """
import pytest
from formulations import Backend
from formulations.data import Problem

def test_fixtures(backend, scenario):
    assert isinstance(backend, Backend) and backend.name == "hadamard"
    assert isinstance(scenario, Problem)

@pytest.mark.parametrize("scenario", ["single_neuron"], indirect=True)
def test_by_name(scenario):
    assert scenario.network.sizes == (1, 1)
"""
CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--backend", default="mine")
"""


def pytest_in(folder, *options):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_fixtures_are_there_for_everybody(tmp_path):
    (tmp_path / "test_mine.py").write_text(TESTS)
    found = pytest_in(tmp_path)
    assert "2 passed" in found.stdout, found.stdout


@pytest.mark.slow
def test_an_option_of_the_same_name_is_not_disturbed(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_mine.py").write_text(
        "def test_option(request):\n    assert request.config.getoption('--backend') == 'theirs'\n"
    )
    found = pytest_in(tmp_path, "--backend", "theirs")
    assert "1 passed" in found.stdout, found.stdout + found.stderr
