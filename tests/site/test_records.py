"""Release notes and citations that the site makes of the repository's records."""

from __future__ import annotations

import pytest
from built import ROOT

pytest.importorskip("sphinx")

import records


def test_release_notes_list_the_subjects_of_each_version():
    text = "# Changelog\n\n## [1.0] - 2027-01-01\n\nThe first.\n\n### Added\n\n**Some things**\n\n- One.\n"
    assert records.release_notes(text).endswith(
        "## 1.0 - 2027-01-01\n\nThe first.\n\n- [Some things](changelog.md#some-things)\n"
    )
    assert "#### Some things" in records.changelog(text)


def test_the_citation_is_bibtex():
    page = records.citation((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert page.count("@misc{") == 2 and page.count("@book{") == 1
    assert "author    = {Nielsen, Michael A.}" in page and "doi       = {10.24432/C50P49}" in page
