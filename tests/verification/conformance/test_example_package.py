"""A backend of another package: built, installed and checked for real."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "example_package"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install the package into an empty directory, offline."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    options = ["--no-index", "--no-build-isolation", "--target", str(folder)]
    subprocess.run([*pip, *options, str(PACKAGE)], check=True, capture_output=True, timeout=120)
    return folder


def run(installed, *command, **environment):
    variables = {**os.environ, "PYTHONPATH": str(installed), **environment}
    return subprocess.run(
        [sys.executable, *command], cwd=installed, env=variables, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
def test_it_is_found_by_its_entry_point(installed):
    code = "import formulations as fm; print('halving' in fm.list_backends(), fm.get_backend('halving').kind)"
    assert run(installed, "-c", code).stdout.split(maxsplit=1) == ["True", "variant of hadamard\n"]


@pytest.mark.slow
def test_it_keeps_every_law(installed):
    code = "import formulations as fm; print(fm.check_backend('halving').passed)"
    assert run(installed, "-c", code).stdout.strip() == "True"


def suite(installed, *options, **environment):
    pytest_ = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", "formulations.verification.conformance"]
    return run(installed, *pytest_, "--backend", "halving_backend:Halving", *options, **environment)


@pytest.mark.slow
def test_the_suite_runs_from_outside(installed):
    found = suite(installed)
    assert found.returncode == 0, found.stdout
    assert "passed" in found.stdout


@pytest.mark.slow
def test_the_suite_finds_a_mistake(installed):
    found = suite(installed, "-k", "equal", HALVING_MISTAKE="1")
    assert found.returncode == 1, found.stdout
    assert "further apart than roundoff explains" in found.stdout
