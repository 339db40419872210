"""The page on test suites: its test files pass with its function, and fail with a mistake in it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "test-your-gradients.md").read_text(encoding="utf-8")
MINE, *TESTS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SLOPE = "* activations[l - 1] * (1 - activations[l - 1])"


@pytest.fixture
def folder(tmp_path):
    pytest.importorskip("hypothesis")
    (tmp_path / "mine.py").write_text(MINE)
    # Hypothesis need not look for the smallest of the networks that fail.
    (tmp_path / "conftest.py").write_text(
        "from hypothesis import Phase, settings\n"
        "settings.register_profile('short', max_examples=20, phases=[Phase.generate])\n"
    )
    for i, block in enumerate(TESTS):
        (tmp_path / f"test_{i}.py").write_text(block)
    return tmp_path


def pytest_in(folder):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--color=no", "-W", "error"]
    command += ["--hypothesis-profile=short"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300).stdout


@pytest.mark.slow
def test_the_pages_tests_pass_and_each_finds_a_mistake(folder):
    found = pytest_in(folder)
    assert " passed" in found and " failed" not in found, found
    assert MINE.count(SLOPE) == 1
    (folder / "mine.py").write_text(MINE.replace(SLOPE, "* activations[l - 1]"))
    for path in folder.glob("test_*.py"):
        path.write_text(path.read_text().replace("p / p.sum()", "p / p.sum() ** 2"))
    found = pytest_in(folder)
    assert {line.split(":")[0] for line in re.findall(r"^FAILED (\S+)", found, re.MULTILINE)} == {
        f"test_{i}.py" for i in range(len(TESTS))
    }, found
