"""The pages are written for a forge; the site makes navigation and cards of their lists."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("sphinx")

import navigation


@pytest.fixture
def app():
    config = SimpleNamespace(contents_pages=["index"], contents_elsewhere={"gallery/README": "examples/index"})
    return SimpleNamespace(config=config, env=SimpleNamespace(note_dependency=lambda _: None))


def test_the_lists_of_a_page_are_its_navigation_by_heading(app):
    source = [
        "# A\n\n- [First `x`](one.md): and [not this](no.md).\n\n## B\n\n| [x](b/two.ipynb) | y |\n"
        "- [G](gallery/README.rst)\n- [Elsewhere](https://example.org/a.md)\n"
    ]
    navigation.add_toctrees(app, "index", source)
    toctrees = source[0].split("```{toctree}")[1:]
    assert [tree.split("```")[0].split() for tree in toctrees] == [
        [":hidden:", ":caption:", "A", "First", "x", "<one>"],
        [":hidden:", ":caption:", "B", "x", "<b/two>", "G", "<examples/index>"],
    ]


def test_other_pages_keep_their_lists(app):
    source = ["- [First](one.md)\n"]
    navigation.add_toctrees(app, "other", source)
    assert source == ["- [First](one.md)\n"]


def test_a_list_after_the_comment_becomes_cards_and_the_next_paragraph_does_not(app):
    source = ["<!-- cards -->\n\n- **[A](a/b.md).** One\n  line.\n- **[B](b.md).** Two.\n\nText.\n"]
    navigation.add_cards(app, "index", source)
    assert source[0].count("{grid-item-card}") == 2
    assert ":::{grid-item-card} A\n:link: a/b\n:link-type: doc\nOne\n  line.\n:::" in source[0]
    assert source[0].endswith("::::\n\nText.\n")
