"""The page of a walk as one file: its modules in one script, its document as it is, and nothing requested."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

import formulations as fm
from formulations.explanation.walk import page
from formulations.explanation.walk.page import as_page, bundle, static_page, stylesheet

ROOT = Path(__file__).resolve().parents[3]
ASSETS = Path(page.__file__).parent / "assets"
MODULES = sorted(path.name for path in ASSETS.glob("*.js"))
# Not of Python, which stands in a string of one module.
IMPORTED = re.compile(r"^import *(?:[{*\"']|\w+ +from\b|\w+ *,)", re.MULTILINE)
STARTS = ["start.js", "widget.js"]
DECLARED = re.compile(
    r"^(?:export )?(?:async )?(?:function\*?|class|const|let|var)\s+(\w+|\{[^}]*\}|\[[^\]]*\])", re.MULTILINE
)


class Parts(HTMLParser):
    """The contents of scripts and of noscript, and all attributes that could load something."""

    def __init__(self, text):
        super().__init__()
        self.scripts, self.loads, self.inside, self.fallback = {}, [], None, ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.loads += [value for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]
        if tag == "script":
            self.inside = found.get("id") or found.get("type")
        elif tag == "noscript":
            self.inside = "noscript"

    def handle_endtag(self, tag):
        if tag in ("script", "noscript"):
            self.inside = None

    def handle_data(self, data):
        if self.inside == "noscript":
            self.fallback += data
        elif self.inside:
            self.scripts[self.inside] = self.scripts.get(self.inside, "") + data


def declared(source):
    return [name for found in DECLARED.finditer(source) for name in re.findall(r"\w+", found[1])]


def test_every_module_belongs_to_a_bundle():
    assert {name for start in STARTS for name in MODULES if f"// {name}\n" in bundle(start)} == set(MODULES)


@pytest.mark.parametrize("start", STARTS)
def test_a_bundle_has_each_module_once_after_those_that_it_imports(start):
    script = bundle(start)
    order = re.findall(r"^// ([\w-]+\.js)$", script, re.MULTILINE)
    assert sorted(set(order)) == sorted(order) and order[-1] == start
    for name in order:
        source = (ASSETS / name).read_text(encoding="utf-8")
        imported = re.findall(r'from "\./([\w-]+\.js)"', source)
        assert len(imported) == len(IMPORTED.findall(source)), "an import has another form"
        assert all(order.index(each) < order.index(name) for each in imported)
        for names, module in re.findall(r'^import \{([^}]*)\} from "\./([\w-]+\.js)"', source, re.MULTILINE):
            exported = re.findall(
                r"^export (?:async )?(?:function\*?|class|const|let) (\w+)",
                (ASSETS / module).read_text(encoding="utf-8"),
                re.MULTILINE,
            )
            # A module that is renamed on import would be unknown in the bundle.
            assert {each.strip() for each in names.split(",") if each.strip()} <= set(exported)
    assert not IMPORTED.search(script)
    left = re.findall(r"^export\b.*", script, re.MULTILINE)
    assert [line for line in left if not line.startswith("export default")] == []


@pytest.mark.parametrize("start", STARTS)
def test_the_names_of_the_modules_are_unique(start):
    names = declared(bundle(start))
    assert len(names) > 10 and sorted(set(names)) == sorted(names)


def test_the_page_holds_its_document_and_requests_nothing():
    story = fm.explain(backends=["hadamard", "sigma"])
    text = story.html()
    parts = Parts(text)
    assert json.loads(parts.scripts["walk-document"]) == story.to_dict()
    options = json.loads(parts.scripts["walk-options"])
    assert options["provider"] is None and options["source"]["live"] is False
    assert options["source"]["command"].startswith("formulations walk")
    assert parts.scripts["module"].strip() == bundle().strip()
    assert set(parts.loads) <= {"data:,"}
    assert not re.search(r"@import|url\((?!\"?data:)", stylesheet())
    assert "default-src 'none'" in unescape(text)
    # Without scripts, the whole explanation is there.
    assert story.html(fragment=True) in text


def test_no_document_ends_its_element():
    document = {**fm.explain().to_dict(), "title": "</script><!--<script> & \u2028 \\u003c", "notes": ["</SCRIPT >"]}
    text = static_page(document, "")
    parts = Parts(text)
    assert json.loads(parts.scripts["walk-document"]) == document
    assert "<title>&lt;/script&gt;" in text
    assert text.count("</script>") == 3


def test_a_page_that_asks_for_its_document_has_none():
    parts = Parts(as_page(None, {"provider": "server"}))
    assert set(parts.scripts) == {"walk-options", "module"}


def test_a_module_that_would_end_its_element_is_refused(monkeypatch):
    for text in ('"</script>"', '"<!--"'):
        monkeypatch.setattr(page, "_asset", lambda _, text=text: text)
        with pytest.raises(ValueError, match="divide the string"):
            bundle(f"{text}.js")


@pytest.mark.slow
def test_a_wheel_contains_the_page(tmp_path):
    wheel_builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder
    (wheel,) = wheel_builder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    packed = {f"formulations/explanation/walk/assets/{path.name}" for path in ASSETS.iterdir()}
    assert packed <= names and "formulations/py.typed" in names
    assert not {name.split("/")[0] for name in names} & {"tests", "docs", "benchmarks"}
    code = "import formulations as fm; print(fm.__file__, fm.explain().html()[:15])"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(wheel)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert str(wheel) in found.stdout and found.stdout.endswith("<!DOCTYPE html>\n")
