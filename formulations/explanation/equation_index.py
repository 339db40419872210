"""The index of equations: equation → formula → function, file and page, from what the backends declare."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from formulations.backends import Backend, get_backend, list_backends
from formulations.display import format_table
from formulations.equations import EQUATIONS, Equation
from formulations.exceptions import UnknownName

__all__ = ["Entry", "as_markdown", "as_table", "index", "resolve"]

PROOFS = "explanation/proofs.md"
FEW = 3


@dataclass(frozen=True)
class Entry:
    """One equation, and who uses it.

    Attributes
    ----------
    equation : Equation
        The equation.
    backends : tuple of Backend
        Those that declare it.
    """

    equation: Equation
    backends: tuple[Backend, ...]

    @property
    def users(self) -> tuple[str, ...]:
        """Dotted names of the backends' classes, then of the functions beside them."""
        classes = (type(backend) for backend in self.backends)
        return (*(f"{each.__module__}.{each.__qualname__}" for each in classes), *self.equation.functions)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {
            "equation": self.equation.number,
            "formula": self.equation.plain,
            "latex": self.equation.latex,
            "says": self.equation.says,
            "backends": [backend.name for backend in self.backends],
            "functions": list(self.users),
            "files": [resolve(user)[0] for user in self.users],
        }


def index() -> list[Entry]:
    """Return every equation with the backends that declare it, in the order of the book.

    Raises
    ------
    UnknownName
        Where a backend of this library declares an equation that the table lacks.
    """
    backends = [get_backend(name) for name in list_backends()]
    for backend in backends:
        for number in backend.equations:
            if number not in EQUATIONS and type(backend).__module__.startswith("formulations."):
                raise UnknownName("equation", number, EQUATIONS, f"backend {backend.name!r}")
    return [
        Entry(equation, tuple(backend for backend in backends if equation.number in backend.equations))
        for equation in EQUATIONS.values()
    ]


def resolve(dotted: str) -> tuple[str, Any]:
    """Return the file in which a dotted name is defined, and what it names.

    Raises
    ------
    AttributeError
        If the module has no such name.
    ModuleNotFoundError
        If no module holds it.

    Examples
    --------
    >>> resolve("formulations.network.tape.Tape.collect")[0]
    'formulations/network/tape.py'
    """
    parts = dotted.split(".")
    # Modules are spelt in lower case here, and every name in the table is a class, a method or a function of one.
    for end in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        name = found.__name__.replace(".", "/")
        file = f"{name}/__init__.py" if hasattr(found, "__path__") else f"{name}.py"
        for part in parts[end:]:
            found = getattr(found, part)
        return file, found
    raise ModuleNotFoundError(f"no module holds {dotted!r}; correct the dotted name.")


def as_table() -> str:
    """Return the index as a plain-text table."""
    rows = [
        [
            entry.equation.number,
            _short(entry.equation.plain, 60),
            _names([backend.name for backend in entry.backends]),
            " ".join(user.rsplit(".", 2)[-2] + "." + user.rsplit(".", 2)[-1] for user in entry.equation.functions)
            or "–",
        ]
        for entry in index()
    ]
    return format_table(["", "equation", "backends", "also in"], rows)


def as_markdown() -> str:
    """Return the index as a page of the documentation."""
    lines = [
        "# The equations",
        "",
        "Every equation that the library uses: (23) to (53) and (BP1) to (BP4) are those of chapter 2 of Nielsen's",
        "*Neural Networks and Deep Learning*, higher numbers those of chapter 3, and words those of elsewhere. What",
        "is computed so is what [`formulations explain`](../how-to/explain.md) shows. The backends declare their",
        f"equations themselves; what is only a step of a proof is in [the proofs](../{PROOFS}). This page is",
        "written by `formulations list --equations --markdown`.",
        "",
        "| | equation | what it says | used in | page |",
        "|---|---|---|---|---|",
    ]
    for entry in index():
        equation = entry.equation
        users = "<br>".join(f"[`{_name(user)}`](../../{resolve(user)[0]})" for user in entry.users if _own(user))
        pages = ", ".join(
            f"[{backend.name}](../backends/{backend.name}.md)"
            for backend, user in zip(entry.backends, entry.users, strict=False)
            if _own(user)
        )
        formula = equation.plain.replace("|", r"\|")
        cells = [f"({equation.number})", formula, equation.says, users, pages or f"[proofs](../{PROOFS})"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _names(names: list[str]) -> str:
    """Name the first few, so that a line fits a terminal."""
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return " ".join(names[:FEW]) + more if names else "–"


def _own(user: str) -> bool:
    return user.startswith("formulations.")


def _name(user: str) -> str:
    """Write a class or function by its name alone, a method with its class."""
    *_, owner, name = user.split(".")
    return f"{owner}.{name}" if owner[:1].isupper() else name


def _short(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
