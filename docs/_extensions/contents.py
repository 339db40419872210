"""The lists of links on a page of contents are its toctrees, so that the page is plain Markdown on a forge.

An entry is a list item or a row of a table that begins with a link to a page. Entries below one heading form one
toctree, whose caption is the heading.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ENTRY = re.compile(
    r"""^(?: \#+[ ](?P<heading>.+)
          | (?:-[ ]|\|[ ]) \[[^\]]+\] \((?P<page>[^)\#:]+\.(?:md|rst|ipynb))\) .* )$""",
    re.MULTILINE | re.VERBOSE,
)


def add_toctrees(app: Sphinx, docname: str, source: list[str]) -> None:
    """Append a hidden toctree for each list of links."""
    if docname not in app.config.contents_pages:
        return
    heading, groups = "", {}
    for match in ENTRY.finditer(source[0]):
        if match["heading"]:
            heading = match["heading"]
        else:
            entry = str(PurePosixPath(match["page"]).with_suffix(""))
            groups.setdefault(heading, []).append(app.config.contents_elsewhere.get(entry, entry))
    for heading, entries in groups.items():
        caption = f":caption: {heading}\n" if len(groups) > 1 else ""
        source[0] += f"\n```{{toctree}}\n:hidden:\n{caption}\n" + "\n".join(entries) + "\n```\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.add_config_value("contents_pages", [], "env")
    # Pages whose source stands elsewhere than the page: entry as written → entry of the toctree.
    app.add_config_value("contents_elsewhere", {}, "env")
    app.connect("source-read", add_toctrees)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
