"""The pages are written for a forge; the site makes navigation, cards and links to the repository of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("sphinx")

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module", autouse=True)
def _extensions():
    sys.path.insert(0, str(DOCS / "_extensions"))
    yield
    sys.path.remove(str(DOCS / "_extensions"))


@pytest.fixture
def app():
    config = SimpleNamespace(contents_pages=["index"], contents_elsewhere={"gallery/README": "examples/index"})
    return SimpleNamespace(config=config, env=SimpleNamespace(note_dependency=lambda _: None))


def test_the_lists_of_a_page_are_its_navigation_by_heading(app):
    import forge

    source = [
        "# A\n\n- [First `x`](one.md): and [not this](no.md).\n\n## B\n\n| [x](b/two.ipynb) | y |\n"
        "- [G](gallery/README.rst)\n- [Elsewhere](https://example.org/a.md)\n"
    ]
    forge.add_toctrees(app, "index", source)
    toctrees = source[0].split("```{toctree}")[1:]
    assert [tree.split("```")[0].split() for tree in toctrees] == [
        [":hidden:", ":caption:", "A", "First", "x", "<one>"],
        [":hidden:", ":caption:", "B", "x", "<b/two>", "G", "<examples/index>"],
    ]


def test_other_pages_keep_their_lists(app):
    import forge

    source = ["- [First](one.md)\n"]
    forge.add_toctrees(app, "other", source)
    assert source == ["- [First](one.md)\n"]


def test_a_list_after_the_comment_becomes_cards_and_the_next_paragraph_does_not(app):
    import forge

    source = ["<!-- cards -->\n\n- **[A](a/b.md).** One\n  line.\n- **[B](b.md).** Two.\n\nText.\n"]
    forge.add_cards(app, "index", source)
    assert source[0].count("{grid-item-card}") == 2
    assert ":::{grid-item-card} A\n:link: a/b\n:link-type: doc\nOne\n  line.\n:::" in source[0]
    assert source[0].endswith("::::\n\nText.\n")


def test_a_link_to_a_file_leads_to_the_forge_at_the_commit_or_to_a_page(monkeypatch):
    import repository

    for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA"):
        monkeypatch.delenv(name, raising=False)
    assert repository.address("formulations/__init__.py") is None
    assert repository.page_of("formulations/__init__.py") == "files/formulations/__init__.py"
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://forge.example")
    monkeypatch.setenv("GITHUB_REPOSITORY", "some/name")
    assert repository.address("formulations/__init__.py") is None
    monkeypatch.setenv("GITHUB_SHA", "abc123")
    assert repository.address("a/b.py") == "https://forge.example/some/name/blob/abc123/a/b.py"
    assert repository.address("a/b.py", 7) == "https://forge.example/some/name/blob/abc123/a/b.py#L7"


def test_a_page_that_stands_for_a_file_is_the_file_with_its_links_moved(app):
    import repository

    source = [(DOCS / "project" / "contributing.md").read_text(encoding="utf-8")]
    repository.include(app, "project/contributing", source)
    assert source[0].startswith("# Contributing\n\n## Set up")
    assert "](../architecture.md)" in source[0] and "](../../CHANGELOG.md)" in source[0]
    assert "](docs/" not in source[0]


def test_every_markdown_file_outside_the_pages_that_they_link_to_has_a_page():
    import repository

    pages = set(repository.included())
    root = DOCS.parent
    assert {root / "README.md", root / "CHANGELOG.md", root / "benchmarks/README.md"} <= pages
    assert all(path.is_file() for path in pages)


@pytest.mark.parametrize(
    ("name", "base"), [("", "/"), ("some/formulations", "/formulations/"), ("some/some.github.io", "/")]
)
def test_the_page_for_missing_pages_finds_the_site_from_any_address(app, monkeypatch, name, base):
    import repository

    monkeypatch.setenv("GITHUB_REPOSITORY", name)
    for page, expected in (("404", f'<base href="{base}"><meta>'), ("index", "<meta>")):
        context = {"metatags": "<meta>"}
        repository.add_base(app, page, "page.html", context, None)
        assert context["metatags"] == expected


def test_release_notes_list_the_subjects_of_each_version():
    import records

    text = "# Changelog\n\n## [1.0] - 2027-01-01\n\nThe first.\n\n### Added\n\n**Some things**\n\n- One.\n"
    assert records.release_notes(text).endswith(
        "## 1.0 - 2027-01-01\n\nThe first.\n\n- [Some things](changelog.md#some-things)\n"
    )
    assert "#### Some things" in records.changelog(text)


def test_the_citation_is_bibtex():
    import records

    page = records.citation((DOCS.parent / "CITATION.cff").read_text(encoding="utf-8"))
    assert page.count("@misc{") == 2 and page.count("@book{") == 1
    assert "author    = {Nielsen, Michael A.}" in page and "doi       = {10.24432/C50P49}" in page


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False], ids=["forge", "site"])
def test_links_to_files_lead_to_the_forge_if_it_is_known_and_else_to_a_page(tmp_path, monkeypatch, known):
    build = pytest.importorskip("sphinx.cmd.build")
    pytest.importorskip("myst_parser")
    for name, value in (("SERVER_URL", "https://forge.example"), ("REPOSITORY", "some/name"), ("SHA", "abc")):
        monkeypatch.setenv(f"GITHUB_{name}", value) if known else monkeypatch.delenv(f"GITHUB_{name}", raising=False)
    source, built = tmp_path / "source", tmp_path / "built"
    source.mkdir()
    up = os.path.relpath(DOCS.parent, source)
    (source / "conf.py").write_text(
        'extensions = ["myst_parser", "forge", "repository"]\nhtml_theme = "basic"\n', encoding="utf-8"
    )
    (source / "index.md").write_text(
        f"# Files\n\n[Cost]({up}/formulations/functions/costs/quadratic.py) and `formulations/backends/sigma.py`.\n",
        encoding="utf-8",
    )
    assert build.main(["-q", "-W", "-b", "html", str(source), str(built)]) == 0
    page = (built / "index.html").read_text(encoding="utf-8")
    for path in ("formulations/functions/costs/quadratic.py", "formulations/backends/sigma.py"):
        if known:
            assert f'href="https://forge.example/some/name/blob/abc/{path}"' in page
        else:
            assert f'href="files/{path}.html"' in page
            assert '<span class="k">class</span>' in (built / f"files/{path}.html").read_text(encoding="utf-8")
