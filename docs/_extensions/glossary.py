"""The page of the glossary, a list of bold words in Markdown, is a glossary on the site.

Each term has an anchor and an entry in the index and the search, ``:term:`backend``` in a docstring leads to it, and so
does its name in italics on the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes
from sphinx.domains.std import make_glossary_term
from sphinx.transforms import SphinxTransform

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PAGE = "reference/glossary"


class MakeGlossary(SphinxTransform):
    """Replace the list of the page by definitions."""

    default_priority = 300

    def apply(self, **kwargs: Any) -> None:
        """Make the glossary, then the links between its entries."""
        if self.env.docname != PAGE:
            return
        terms = set()
        for bullets in list(self.document.findall(nodes.bullet_list)):
            entries = nodes.definition_list(classes=["simple", "glossary"])
            for item in bullets.children:
                name = item.next_node(nodes.strong).astext()
                terms.add(name)
                entries += self.entry(name, item)
            bullets.replace_self(addnodes.glossary("", entries, sorted=False))
        for emphasis in list(self.document.findall(nodes.emphasis)):
            if emphasis.astext() in terms:
                link = addnodes.pending_xref(
                    "", refdomain="std", reftype="term", reftarget=emphasis.astext(), refdoc=PAGE, refexplicit=True
                )
                emphasis.replace_self(link)
                link += emphasis

    def entry(self, name: str, item: nodes.Element) -> nodes.definition_list_item:
        """Return the term and its definition, which follows a colon."""
        source, line = item.source or "", item.line or 0
        term = make_glossary_term(self.env, [nodes.Text(name)], "", source, line, None, self.document)
        strong = item.next_node(nodes.strong)
        text = strong.next_node(nodes.Text, descend=False, siblings=True)
        text.parent.replace(text, nodes.Text(text.astext().removeprefix(": ")))
        strong.parent.remove(strong)
        return nodes.definition_list_item("", term, nodes.definition("", *item.children))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.add_transform(MakeGlossary)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
