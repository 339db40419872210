"""Links to files of the repository lead to the forge, or to pages of the site."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from built import DOCS, ROOT

pytest.importorskip("sphinx")

import repository


@pytest.fixture
def app():
    config = SimpleNamespace(contents_pages=["index"], contents_elsewhere={"gallery/README": "examples/index"})
    return SimpleNamespace(config=config, env=SimpleNamespace(note_dependency=lambda _: None))


def test_a_link_to_a_file_leads_to_the_forge_at_the_commit_or_to_a_page(monkeypatch):
    for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA"):
        monkeypatch.delenv(name, raising=False)
    assert repository.address("formulations/__init__.py") is None
    assert repository.page_of("formulations/__init__.py") == "files/formulations/__init__.py"
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://forge.example")
    monkeypatch.setenv("GITHUB_REPOSITORY", "some/name")
    assert repository.address("formulations/__init__.py") is None
    monkeypatch.setenv("GITHUB_SHA", "abc123")
    assert repository.address("a/b.py") == "https://forge.example/some/name/blob/abc123/a/b.py"


def test_a_page_that_stands_for_a_file_is_the_file_with_its_links_moved(app):
    source = [(DOCS / "project" / "contributing.md").read_text(encoding="utf-8")]
    repository.include(app, "project/contributing", source)
    assert source[0].startswith("# Contributing\n\n## Set up")
    assert "](../architecture.md)" in source[0] and "](../../CHANGELOG.md)" in source[0]
    assert "](docs/" not in source[0]


def test_every_markdown_file_outside_the_pages_that_they_link_to_has_a_page():
    pages = set(repository.included())
    assert {ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "benchmarks/README.md"} <= pages
    assert all(path.is_file() for path in pages)


@pytest.mark.parametrize(
    ("name", "base"), [("", "/"), ("some/formulations", "/formulations/"), ("some/some.github.io", "/")]
)
def test_the_page_for_missing_pages_finds_the_site_from_any_address(app, monkeypatch, name, base):
    monkeypatch.setenv("GITHUB_REPOSITORY", name)
    for page, expected in (("404", f'<base href="{base}"><meta>'), ("index", "<meta>")):
        context = {"metatags": "<meta>"}
        repository.add_base(app, page, "page.html", context, None)
        assert context["metatags"] == expected


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False], ids=["forge", "site"])
def test_links_to_files_lead_to_the_forge_if_it_is_known_and_else_to_a_page(tmp_path, monkeypatch, known):
    build = pytest.importorskip("sphinx.cmd.build")
    pytest.importorskip("myst_parser")
    for name, value in (("SERVER_URL", "https://forge.example"), ("REPOSITORY", "some/name"), ("SHA", "abc")):
        monkeypatch.setenv(f"GITHUB_{name}", value) if known else monkeypatch.delenv(f"GITHUB_{name}", raising=False)
    source, built = tmp_path / "source", tmp_path / "built"
    source.mkdir()
    up = os.path.relpath(ROOT, source)
    (source / "conf.py").write_text(
        'extensions = ["myst_parser", "navigation", "repository"]\nhtml_theme = "basic"\n', encoding="utf-8"
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
