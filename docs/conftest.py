"""The environment of the pages' examples: a temporary working directory, and tables as wide as they need.

The page of an optional package is left out if the package is absent.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest

PACKAGES = {
    "how-to/from-torch.md": ("torch", "sklearn"),
    "how-to/judge-a-torch-model.md": ("torch",),
    "how-to/scikit-learn.md": ("sklearn",),
}
"""The pages that need optional packages."""

collect_ignore = [page for page, packages in PACKAGES.items() if not all(map(find_spec, packages))]
# The site's own program needs Sphinx.
collect_ignore += ["conf.py", "_extensions"]
# tests/site/test_gallery.py runs the programs; the site makes pages of them in examples.
collect_ignore += ["gallery", "examples"]


@pytest.fixture(autouse=True)
def _temporary_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
