"""What plain Markdown, which a forge shows too, lacks on a site: navigation, cards, and code without a last empty line.

An entry of the navigation is a list item or a row of a table that begins with a link to a page. Entries below one
heading form one toctree, whose caption is the heading. The items of a list after the comment ``<!-- cards -->`` become
cards: each begins with a link in bold, where its card leads.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.transforms import SphinxTransform

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ENTRY = re.compile(
    r"""^(?: \#+[ ](?P<heading>.+)
          | (?:-[ ]|\|[ ]) \[(?P<title>[^\]]+)\] \((?P<page>[^)\#:]+\.(?:md|rst|ipynb))\) .* )$""",
    re.MULTILINE | re.VERBOSE,
)
CARDS = re.compile(r"^<!-- cards -->\n\n(.*?\n)(?=\n\S|\Z)", re.MULTILINE | re.DOTALL)
CARD = re.compile(r"^- \*\*\[([^\]]+)\]\(([^)]+)\.md\)\.\*\*(.*?)(?=^- |\Z)", re.MULTILINE | re.DOTALL)


def add_toctrees(app: Sphinx, docname: str, source: list[str]) -> None:
    """Append a hidden toctree for each list of links."""
    if docname not in app.config.contents_pages:
        return
    heading, groups = "", {}
    for match in ENTRY.finditer(source[0]):
        if match["heading"]:
            heading = match["heading"]
        else:
            page = str(PurePosixPath(match["page"]).with_suffix(""))
            page = app.config.contents_elsewhere.get(page, page)
            title = match["title"].replace("`", "")
            groups.setdefault(heading, []).append(f"{title} <{page}>")
    for heading, entries in groups.items():
        caption = f":caption: {heading}\n" if len(groups) > 1 else ""
        source[0] += f"\n```{{toctree}}\n:hidden:\n{caption}\n" + "\n".join(entries) + "\n```\n"


def add_cards(app: Sphinx, docname: str, source: list[str]) -> None:
    """Write lists of cards as sphinx-design has them."""

    def card(item: re.Match[str]) -> str:
        title, page, text = item.groups()
        return f":::{{grid-item-card}} {title}\n:link: {page}\n:link-type: doc\n{text.strip()}\n:::\n"

    def grid(items: re.Match[str]) -> str:
        return "::::{grid} 1 2 2 2\n:gutter: 3\n" + CARD.sub(card, items[1]) + "::::\n"

    source[0] = CARDS.sub(grid, source[0])


class EndOfExamples(SphinxTransform):
    """Remove the empty line that ends an example, which doctest needs before the fence."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        """Shorten the blocks of code."""
        for node in self.document.findall(nodes.literal_block):
            if len(node.children) == 1 and node.rawsource == node.astext():
                node.rawsource = node.rawsource.rstrip("\n")
                node[:] = [nodes.Text(node.rawsource)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_config_value("contents_pages", [], "env")
    # Pages whose source stands elsewhere than the page: entry as written → entry of the toctree.
    app.add_config_value("contents_elsewhere", {}, "env")
    app.add_transform(EndOfExamples)
    app.connect("source-read", add_toctrees)
    app.connect("source-read", add_cards)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
