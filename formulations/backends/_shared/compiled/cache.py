"""The cache of compiled code: what it depends on, and the reasons why it cannot be used."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Any

__all__ = ["fingerprint", "unreadable_cache", "why_not_compiled"]

SWITCH = "NUMBA_DISABLE_JIT"
DECORATORS = frozenset({"compiled", "compiled_sums", "intrinsic", "overload"})
"""A function with one of these is compiled, or generates code that is."""


def fingerprint(*modules: str) -> str:
    """Return eight letters that differ if anything differs that the compiled functions of these modules are made from.

    That is their own files and those of the package's functions that they use, directly or through others; the values
    of constants that these files import, wherever they are defined; and the versions of other packages.

    Parameters
    ----------
    *modules : str
        Their names. Each has been imported, or has at least run its imports.

    Returns
    -------
    str
        The first digits of a hash.
    """
    parts: dict[str, Mapping[str, str]] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in parts:
            parts[name], others = _ingredients(name)
            waiting += others
    return sha256(repr(sorted(parts.items())).encode()).hexdigest()[:8]


@cache
def _ingredients(name: str) -> tuple[dict[str, str], list[str]]:
    """Return what a module's compiled functions are made from, and the modules of the package that they use."""
    module: Any = sys.modules[name]
    text = Path(module.__file__).read_text(encoding="utf-8")
    parts, others = {"": text}, []
    for used in sorted(_imports_used(ast.parse(text))):
        value = getattr(module, used)
        if not (callable(value) or isinstance(value, ModuleType)):
            parts[used] = repr(value)
            continue
        home = value.__name__ if isinstance(value, ModuleType) else value.__module__
        package = home.partition(".")[0]
        if package == name.partition(".")[0]:
            others.append(home)
        else:
            parts[package] = getattr(sys.modules[package], "__version__", "")
    return parts, others


def _imports_used(tree: ast.Module) -> set[str]:
    """Return the imported names that a file's compiled functions use, directly or through what the file defines."""
    imported = {
        alias.asname or alias.name.partition(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", None) != "__future__"
        for alias in node.names
    }
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    others = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    used: set[str] = set()
    waiting = {name for node in others for name in _names([node])}
    waiting |= {node.name for node in functions.values() if not DECORATORS.isdisjoint(_names(node.decorator_list))}
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            if name in functions:
                waiting.update(_names([functions[name]]))
    return used & imported


def _names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names in a syntax tree; annotations are no code."""
    for node in nodes:
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.AnnAssign):
            yield from _names([] if node.value is None else [node.value])
        elif isinstance(node, ast.FunctionDef):
            defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            yield from _names([*node.decorator_list, *defaults, *node.body])
        else:
            yield from _names(ast.iter_child_nodes(node))


def why_not_compiled() -> str | None:
    """Return the reason if numba is disabled, without which addresses cannot become arrays; else None."""
    loaded = sys.modules.get("numba")
    disabled = loaded.config.DISABLE_JIT if loaded is not None else os.environ.get(SWITCH, "0") not in ("", "0")
    return f"it needs numba to compile, and {SWITCH} forbids that: unset it" if disabled else None


def unreadable_cache(caught: BaseException) -> str | None:
    """Return the reason if an exception comes from numba's cache, else None."""
    for raised in (caught, caught.__cause__, caught.__context__):
        for frame, _ in walk_tb(raised.__traceback__ if raised is not None else None):
            if frame.f_globals.get("__name__") == "numba.core.caching":
                compiled: Any = import_module("formulations.backends._shared.compiled.elementwise").activate
                return (
                    f"numba cannot use its cached code in {compiled.stats.cache_path} "
                    f"({type(caught).__name__}: {caught}); delete that folder to compile again"
                )
    return None
