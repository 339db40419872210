"""The environment of the pages' examples: a temporary working directory, and tables as wide as they need."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _temporary_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
