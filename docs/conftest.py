"""The pages' examples write files as a reader would, into the folder that they run in: here each has one of its own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    """Show tables as wide as they are."""
    monkeypatch.setenv("COLUMNS", "1000")
