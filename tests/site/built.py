"""The repository's files, and the built site: in the folder that FORMULATIONS_SITE names, or in site/."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SITE = Path(os.environ.get("FORMULATIONS_SITE", ROOT / "site"))
BUILT = pytest.mark.skipif(
    not (SITE / "index.html").exists(), reason="the site is not built: sphinx-build docs site (extra docs)"
)
