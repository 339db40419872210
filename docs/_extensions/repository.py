"""Links to files of the repository lead to the forge at the commit that is built, or to a page of the site.

The build's environment names the forge as GitHub's runners do: GITHUB_SERVER_URL, GITHUB_REPOSITORY and GITHUB_SHA.
Without them, each linked file becomes a page of the site, with its source highlighted. A path in code is a link, too.

A page below docs/project/ that says ``<!-- the file itself -->`` and links to a Markdown file is that file on the site,
and links to the file lead to the page.
"""

from __future__ import annotations

import html
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = "files"
"""The folder of the site that has the pages of source files."""

STUB = re.compile(r"<!-- the file itself -->.*?\]\(([^)]+)\)", re.DOTALL)
FILE = re.compile(r"(?:benchmarks|docs|formulations|tests)/[\w./-]+\.(?:py|txt|js)")
LINKS = (nodes.reference, nodes.title, addnodes.pending_xref, addnodes.download_reference)
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)\s#]+)")


def address(path: str) -> str | None:
    """Return the address of a file at the commit that is built, or None if the build does not know it."""
    parts = [os.environ.get(name) for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA")]
    if not all(parts):
        return None
    server, repository, commit = parts
    return f"{server}/{repository}/blob/{commit}/{path}"


def page_of(path: str) -> str:
    """Return the name of the site's page of a file."""
    return f"{PAGES}/{path}"


def included() -> dict[Path, str]:
    """Return the page that stands for each Markdown file outside docs/."""
    pages = {}
    for stub in sorted((DOCS / "project").glob("*.md")):
        match = STUB.search(stub.read_text(encoding="utf-8"))
        if match:
            pages[(stub.parent / match[1]).resolve()] = f"project/{stub.stem}"
    return pages


def include(app: Sphinx, docname: str, source: list[str]) -> None:
    """Replace a page that stands for a file by the file, with its links relative to the page."""
    match = docname.startswith("project/") and STUB.search(source[0])
    if not match:
        return
    page = DOCS / docname
    file = (page.parent / match[1]).resolve()
    app.env.note_dependency(str(file))

    def moved(link: re.Match[str]) -> str:
        return Path(os.path.relpath(file.parent / link[1], page.parent)).as_posix()

    source[0] = LINK.sub(moved, file.read_text(encoding="utf-8"))


class LinkToRepository(SphinxTransform):
    """Point links to files at the page that includes them, at the forge, or at a page made of their source."""

    default_priority = 210  # while reading, before Sphinx collects downloads

    def apply(self, **kwargs: Any) -> None:
        """Replace the nodes of such links."""
        for node in list(self.document.findall(addnodes.pending_xref)):
            target = Path(node["reftarget"])
            if node["reftarget"] in self.config.contents_elsewhere:
                node["reftarget"] = self.config.contents_elsewhere[node["reftarget"]]
            if node.get("refdomain") == "doc" and target.is_absolute():  # a Markdown file that is no page
                file = target.with_name(target.name + ".md")
                if file in included():
                    node["reftarget"] = included()[file]
                else:
                    self.link(node, file)
        for node in list(self.document.findall(addnodes.download_reference)):
            file = Path(self.env.relfn2path(node["reftarget"], self.env.docname)[1]).resolve()
            if file.parent == DOCS / "gallery" and file.suffix == ".py":
                self.link_to_example(node, file)
            elif file.is_file() and file.parent != DOCS / "examples":  # the gallery's programs stay downloads
                self.link(node, file)
        for node in list(self.document.findall(nodes.literal)):
            path = node.astext()
            if FILE.fullmatch(path) and (ROOT / path).is_file() and not isinstance(node.parent, LINKS):
                link = nodes.inline("", "", node.deepcopy())
                node.replace_self(link)
                self.link(link, ROOT / path)

    def link_to_example(self, node: nodes.Element, file: Path) -> None:
        """Replace a node by a link to the page of a program of the gallery."""
        link = addnodes.pending_xref(
            "", refdomain="doc", reftype="myst", reftarget=f"examples/{file.stem}", refexplicit=True, reftargetid=None
        )
        link["refdoc"] = self.env.docname
        link += node.children
        node.replace_self(link)

    def link(self, node: nodes.Element, file: Path) -> None:
        """Replace a node by a link to a file."""
        path = file.relative_to(ROOT).as_posix()
        forge = address(path)
        if forge:
            link = nodes.reference("", "", refuri=forge)
        else:
            files_of(self.env).setdefault(self.env.docname, set()).add(path)
            link = addnodes.pending_xref(
                "", refdomain="", reftype="repository", reftarget=path, refdoc=self.env.docname
            )
        link += node.children
        node.replace_self(link)


def files_of(env: BuildEnvironment) -> dict[str, set[str]]:
    """Return the files that each page links to."""
    if not hasattr(env, "repository_files"):
        env.repository_files = {}  # type: ignore[attr-defined]
    return env.repository_files  # type: ignore[attr-defined,no-any-return]


def resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.Element
) -> nodes.reference | None:
    """Return the link to a file's page."""
    if node["reftype"] != "repository":
        return None
    uri = app.builder.get_relative_uri(node["refdoc"], page_of(node["reftarget"]))
    return nodes.reference("", "", *[child.deepcopy() for child in node.children], internal=True, refuri=uri)


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    """Forget the files that a page linked to."""
    files_of(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    """Take over what a parallel process has read."""
    files_of(env).update({name: files for name, files in files_of(other).items() if name in docnames})


def collect_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield a page for each linked file."""
    for path in sorted(set().union(*files_of(app.env).values())):
        text = (ROOT / path).read_text(encoding="utf-8")
        try:
            language = get_lexer_for_filename(path).aliases[0]
        except ClassNotFound:
            language = "text"
        body = app.builder.highlighter.highlight_block(text, language)  # type: ignore[attr-defined]
        title = html.escape(path)
        yield page_of(path), {"title": title, "body": f"<h1>{title}</h1>\n{body}"}, "page.html"


def add_base(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Let the links of the page for missing pages start at the site's first page, whatever address is missing.

    The forge serves the site of a repository below the repository's name.
    """
    if pagename == "404":
        name = os.environ.get("GITHUB_REPOSITORY", "").partition("/")[2]
        base = "/" if not name or name.endswith(".github.io") else f"/{name}/"
        context["metatags"] = f'<base href="{base}">' + context.get("metatags", "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    app.connect("source-read", include)
    app.add_transform(LinkToRepository)
    app.connect("missing-reference", resolve)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("html-collect-pages", collect_pages)
    app.connect("html-page-context", add_base)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
