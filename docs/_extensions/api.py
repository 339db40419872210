"""Pages of the public names, from their docstrings: what a terminal shows as it is, and RST would take for markup.

``|x|`` is an absolute value. A name in a role or a type is linked if ``reference/api.md`` lists it, from wherever it is
imported; other names of the package, and of packages that are installed, are code without a link. Names that do not
exist remain warnings.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util.nodes import make_refnode

import formulations

if TYPE_CHECKING:
    from sphinx import addnodes
    from sphinx.application import Sphinx
    from sphinx.config import Config
    from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).parents[2]
LITERAL_OR_BAR = re.compile(r"``.*?``|`[^`]*`|\\\||\|")
BLOCK = re.compile(r"\s*\.\. \w+::|.*::$")


def listed_types() -> dict[str, str]:
    """Return the classes that the index of the API lists, by the words that stand for them in docstrings."""
    found: dict[str, str] = {}
    module = ""
    for line in (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.split()[-1]
        elif match := re.fullmatch(r"   ([\w.]*?([A-Z]\w+))", line):
            # The first is the package's own Network, the second the book's.
            found.setdefault(match[2], f"{module}.{match[1]}")
    return found


def link_listed_types(app: Sphinx, config: Config) -> None:
    """Link the package's classes in the types of parameters, and nothing else."""
    config.numpydoc_xref_aliases_complete = listed_types()


def escape_bars(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Escape each | outside code and equations, where RST would look for a substitution."""
    example, directive = False, -1
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        # An example ends with its paragraph, the body of a directive with its indentation.
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        if line.strip() and indent <= directive:
            directive = -1
        if directive < 0 and BLOCK.match(line):
            directive = indent
        if "|" in line and not example and directive < 0:
            lines[number] = LITERAL_OR_BAR.sub(lambda match: r"\|" if match[0] == "|" else match[0], line)


def name_imports(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Say above the examples what they have imported, so that a copy of them runs."""
    heading, text = ".. rubric:: Examples", "\n".join(lines)
    if heading not in lines or name.split(".")[1] not in formulations.__all__:
        return
    wanted = [] if re.search(r">>> (import|from) formulations", text) else ["``from formulations import *``"]
    if "np." in text and ">>> import numpy" not in text:
        wanted.append("``import numpy as np``")
    if wanted:
        at = lines.index(heading) + 1
        lines[at:at] = ["", f"After {' and '.join(wanted)}:", ""]


def constructor(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str, None] | None:
    """Return the parameters of a class's own constructor if a base class of another package takes any."""
    if what == "class" and signature and signature.startswith("(*args") and "__init__" in vars(obj):
        _itself, *parameters = inspect.signature(obj.__init__).parameters.values()
        bare = [each.replace(annotation=each.empty) for each in parameters]
        return str(inspect.Signature(bare)), None
    return None


def skip_foreign_members(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what a class inherits from another package."""
    function = obj.fget if isinstance(obj, property) else getattr(obj, "__func__", obj)
    module = getattr(function, "__module__", None) or ""
    return True if module and module.split(".")[0] not in ("formulations", "builtins") else None


@cache
def source() -> str:
    """Return the source of the package."""
    return "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "formulations").rglob("*.py"))


def exists(target: str) -> bool:
    """Return whether a name that has no page is one of the package, or of an installed one."""
    name = target.rpartition(".")[2]
    if re.search(rf"^ *(?:(?:class|def) {name}\b|(?:self\.)?{name}(?:: .*)? = |{name}: )", source(), re.MULTILINE):
        return True
    try:
        pkgutil.resolve_name(target)
    except (AttributeError, ImportError, ValueError):
        return False
    return True


def resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Link a name to the page that has it, whatever module it was named from."""
    if node.get("refdomain") != "py":
        return None
    objects = env.domains.python_domain.objects
    ending = f".{node['reftarget'].removeprefix('formulations.')}"
    names = sorted((name for name in objects if f".{name}".endswith(ending)), key=len)
    if not names:
        return content if exists(node["reftarget"]) else None
    found = objects[names[0]]
    return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, [content], names[0])


def link_functions(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Point links from a function's name to its source at the function's page, if it has one."""
    objects = app.env.domains.python_domain.objects
    for reference in doctree.findall(nodes.reference):
        file = re.search(r"(formulations/[\w/]+)\.py(?:\.html)?$", reference.get("refuri", ""))
        if file and next(reference.findall(nodes.literal), None) is not None:
            module, ending = file[1].replace("/", "."), f".{reference.astext()}"
            for name in [name for name in objects if name.endswith(ending)]:
                if getattr(pkgutil.resolve_name(name), "__module__", None) == module:
                    found = objects[name]
                    uri = app.builder.get_relative_uri(docname, found.docname)
                    reference["refuri"] = f"{uri}#{found.node_id}"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extension."""
    # After numpydoc, which makes RST of the docstring.
    app.connect("autodoc-process-docstring", escape_bars, priority=600)
    app.connect("autodoc-process-docstring", name_imports, priority=600)
    app.connect("autodoc-process-signature", constructor)
    app.connect("autodoc-skip-member", skip_foreign_members)
    app.connect("missing-reference", resolve)
    app.connect("doctree-resolved", link_functions)
    # After numpydoc, which adds Python's own types: their pages are on another site.
    app.connect("config-inited", link_listed_types, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
