"""The glossary is a plain list in Markdown and a glossary on the site."""

from __future__ import annotations

import re

import pytest
from built import BUILT, DOCS, SITE

PAGE = (DOCS / "reference" / "glossary.md").read_text(encoding="utf-8")
TERMS = re.findall(r"^- \*\*(.+?)\*\*: ", PAGE, re.MULTILINE)


def test_every_entry_is_a_term_with_its_definition_in_alphabetical_order():
    assert len(TERMS) == len(re.findall(r"^- ", PAGE, re.MULTILINE)) > 50
    assert sorted(TERMS, key=str.lower) == TERMS


@BUILT
@pytest.mark.slow
def test_every_term_has_an_anchor_on_the_site():
    html = (SITE / "reference" / "glossary.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<dt id="term-[^"]+">', html)) == len(TERMS)
    assert 'href="#term-control"' in html
    # The definition does not repeat the term.
    assert re.search(r'<dt id="term-accuracy">.*?<dd><p>(.*?)</p>', html, re.DOTALL)[1].startswith("The share")
