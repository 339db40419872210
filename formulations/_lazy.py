"""Load the public names of a package when they are first used, so that an import loads what it needs and no more.

Each ``__init__`` lists its names twice: in an ``if TYPE_CHECKING`` block, which type checkers and editors read, and in
the table that it passes to :func:`attach`, which they do not see: they would take any name for one that is loaded. A
test keeps the two equal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["attach"]


def attach(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    names : mapping of str to sequence of str
        For each module, relative to the package, the names that the package takes from it. The module is an attribute
        too.

    Returns
    -------
    callable, callable, list of str
        For a module-level assignment.
    """
    modules = {name: f"{package}.{module}" for module, listed in names.items() for name in listed}

    def load(name: str) -> Any:
        if name in names:
            return import_module(f"{package}.{name}")
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        value = getattr(import_module(modules[name]), name)
        # The next access finds it without this function.
        sys.modules[package].__dict__[name] = value
        return value

    def listed() -> list[str]:
        # What the file itself imports, such as Any, is none of the package's names.
        held = [
            name
            for name, value in sys.modules[package].__dict__.items()
            if name.startswith("__") or (isinstance(value, ModuleType) and value.__name__ == f"{package}.{name}")
        ]
        return sorted({*held, *modules, *(name for name in names if "." not in name)})

    return load, listed, sorted(modules)
