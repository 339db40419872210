"""The page of a walk: style, script and document in one file, which requests nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from importlib.metadata import version
from importlib.resources import files
from typing import Any

__all__ = ["as_page", "bundle", "static_page", "stylesheet"]

COMMAND = "formulations walk"
"""The command that serves a walk in which everything can be changed."""

START = "start.js"
IMPORT = re.compile(r'^import\s[^;"`]*?from\s*"\./([\w-]+\.js)";[ \t]*\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(async )?(function|class|const|let)\b)", re.MULTILINE)

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
"""The page may use what it contains, and request nothing.

A file has no headers; its scripts are inlined, so that their hashes would only repeat them.
"""


def static_page(document: Mapping[str, Any], fallback: str, command: str = COMMAND) -> str:
    """Return a page whose numbers do not change.

    Parameters
    ----------
    document : dict
        The document.
    fallback : str
        HTML for a browser that runs no scripts.
    command : str
        The command that serves the same page with numbers that can be changed.
    """
    text = f"formulations {version('backprop-formulations')} computed these numbers when it wrote the page."
    source = {"text": text, "live": False, "command": command}
    return as_page(document, {"provider": None, "source": source}, fallback=fallback, policy=POLICY)


def as_page(
    document: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    *,
    fallback: str = "",
    policy: str = "",
) -> str:
    """Return a page.

    Parameters
    ----------
    document : dict or None
        The document; None if the page asks for it.
    options : dict
        What ``start.js`` reads: ``provider``, the name of what recomputes the numbers or None, and ``source``, which
        says where they come from.
    fallback : str
        HTML for a browser that runs no scripts.
    policy : str
        The content security policy; empty if the server sends it.
    """
    title = escape("Backpropagation, step by step" if document is None else str(document["title"]))
    data = {"walk-options": options} if document is None else {"walk-options": options, "walk-document": document}
    scripts = "".join(
        f'<script type="application/json" id="{name}">{_inlined(plain)}</script>\n' for name, plain in data.items()
    )
    meta = f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n' if policy else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">\n'
        f'{meta}<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # An icon of its own, or the browser asks for one.
        f'<title>{title}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>\n{stylesheet()}</style></head>\n<body>\n"
        # The script runs last and stands first: it can say that a page is cut off.
        f'<main id="walk"></main>\n<script type="module">\n{bundle()}</script>\n'
        f"<noscript>{fallback}</noscript>\n{scripts}</body>\n</html>\n"
    )


def _inlined(plain: Mapping[str, Any]) -> str:
    """Return JSON that no HTML parser takes for the end of its element."""
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


@lru_cache
def bundle(start: str = START) -> str:
    """Return a module and all that it imports as one script, each module after those it imports.

    Raises
    ------
    ValueError
        If a module contains what would end its element.
    """
    parts: dict[str, str] = {}
    _add(start, parts)
    script = "".join(parts.values())
    if re.search("</script|<!--", script, re.IGNORECASE):
        raise ValueError(
            "a module of the page contains '</script' or '<!--', which ends its element; divide the string."
        )
    return script


def _add(name: str, parts: dict[str, str]) -> None:
    """Add a module after the modules that it imports."""
    if name not in parts:
        source = _asset(name)
        for imported in IMPORT.findall(source):
            _add(imported, parts)
        parts[name] = f"// {name}\n{EXPORT.sub('', IMPORT.sub('', source))}\n"


@lru_cache
def stylesheet() -> str:
    """Return the style of the page."""
    return _asset("walk.css")


def _asset(name: str) -> str:
    return files("formulations.explanation.walk").joinpath("assets", name).read_text(encoding="utf-8")
