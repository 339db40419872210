"""Anything that can be checked, as a backend."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from formulations.backends import Backend, get_backend
from formulations.data import Scenario
from formulations.exceptions import InvalidInput, WrongType
from formulations.verification.conformance.plain import PlainFunction
from formulations.verification.conformance.probing import probed
from formulations.verification.conformance.problems import PROBLEMS, problems_for
from formulations.verification.conformance.serves import read_serves

__all__ = ["problems_of", "read_subject"]


def read_subject(subject: Any, serves: Any = None) -> Backend:
    """Return a backend from a backend, its class, its name, ``"package:Class"``, ``"file.py:function"`` or a function.

    Parameters
    ----------
    subject : object
        What to check. A plain function is called to find what it serves.
    serves : dict, optional
        What a plain function serves.

    Raises
    ------
    WrongType
        If it is none of these, or a value of ``serves`` has another type.
    InvalidInput
        If a package, a file or what it should define cannot be loaded; if ``serves`` is for a backend, or contradicts
        itself.
    UnknownName
        If no backend has this name, or ``serves`` has no such key, activation or cost.
    """
    if isinstance(subject, str) and ":" in subject and "=" not in subject:
        subject = _loaded(subject)
    if isinstance(subject, str) and subject.endswith(".py"):
        raise InvalidInput(
            f"a file must be followed by the name of what to check, got {subject!r}; pass '{subject}:function'."
        )
    if isinstance(subject, type) and issubclass(subject, Backend):
        subject = subject()
    if callable(subject):
        return PlainFunction(subject, probed(subject, read_serves(serves)))
    if not isinstance(subject, str | Backend):
        raise WrongType(f"what to check must be a backend, its name, package:Class or a function, got {subject!r}.")
    backend = get_backend(subject)
    if serves is not None:
        raise InvalidInput(
            f"serves= is for plain functions, got it for backend {backend.name!r}, whose why_not says what it does not "
            "serve; leave serves= out."
        )
    return backend


def problems_of(backend: Backend) -> dict[str, Scenario]:
    """Return the problems on which a backend is checked: for a plain function, some more of what it serves."""
    return problems_for(backend.serves) if isinstance(backend, PlainFunction) else PROBLEMS


def _loaded(path: str) -> Any:
    where, _, name = path.rpartition(":")
    try:
        return getattr(_module(Path(where)) if where.endswith(".py") else import_module(where), name)
    except (ImportError, AttributeError, ValueError, OSError, SyntaxError) as caught:
        raise InvalidInput(
            f"{path!r} cannot be loaded ({caught}); pass an importable package:Class, or file.py:function."
        ) from caught


def _module(path: Path) -> Any:
    """Return the module in a file, which finds the modules beside it, as if Python ran the file."""
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"no Python file {path}")
    module = module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module
