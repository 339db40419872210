"""Pages made of the project's records: release notes of CHANGELOG.md, and how to cite of CITATION.cff."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
SUBJECT = re.compile(r"^\*\*(.+)\*\*$", re.MULTILINE)


def changelog(text: str) -> str:
    """Return the changelog with its subjects as headings, which the site lists beside the page."""
    return SUBJECT.sub(r"#### \1", text)


def release_notes(text: str) -> str:
    """Return the introduction and the subjects of each version in the changelog."""
    notes = ["# Release notes\n\nWhat each version brings, in short; the [changelog](changelog.md) has every change.\n"]
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, body = section.split("\n", 1)
        introduction = body.split("\n### ")[0].strip()
        subjects = [f"- [{subject}](changelog.md#{_anchor(subject)})" for subject in SUBJECT.findall(body)]
        notes.append(f"## {re.sub(r'[][]', '', title)}\n\n{introduction}\n\n" + "\n".join(subjects) + "\n")
    return "\n".join(notes)


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def citation(text: str) -> str:
    """Return the page that says how to cite the library, the book and the data, in words and as BibTeX."""
    record = yaml.safe_load(text)
    entries = [
        _bibtex(record | {"type": "software", "year": str(record.get("date-released", ""))[:4]}, "formulations"),
        *(_bibtex(each, each["authors"][0]["family-names"].lower()) for each in record["references"]),
    ]
    blocks = "\n\n".join(entries)
    return f"""# Cite

If you use this software, please cite it as `formulations`. `nielsen` is the book whose equations and notation it
follows, and `alpaydin` the source of the embedded digits.

```bibtex
{blocks}
```

The same is in [CITATION.cff](../../CITATION.cff), which forges and reference managers read.
"""


def _bibtex(entry: dict[str, Any], key: str) -> str:
    """Return an entry of BibTeX."""
    authors = " and ".join(
        f"{{{each['name']}}}" if "name" in each else f"{each['family-names']}, {each['given-names']}"
        for each in entry["authors"]
    )
    fields = {
        "author": authors,
        "title": f"{{{entry['title']}}}",
        "publisher": entry.get("publisher", {}).get("name"),
        "version": entry.get("version"),
        "year": entry.get("year"),
        "doi": entry.get("doi"),
        "url": entry.get("repository-code"),
        "note": entry.get("notes"),
    }
    kind = "book" if entry["type"] == "book" else "misc"
    lines = [f"  {name:9} = {{{value}}}," for name, value in fields.items() if value]
    return f"@{kind}{{{key},\n" + "\n".join(lines) + "\n}"


PAGES = {
    "project/changelog": ("CHANGELOG.md", changelog),
    "project/release-notes": ("CHANGELOG.md", release_notes),
    "project/citation": ("CITATION.cff", citation),
}


def write(app: Sphinx, docname: str, source: list[str]) -> None:
    """Write the page of a record."""
    if docname in PAGES:
        name, make = PAGES[docname]
        app.env.note_dependency(str(ROOT / name))
        source[0] = make((ROOT / name).read_text(encoding="utf-8"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("source-read", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
