"""The facts of all backends, without loading their files."""

from __future__ import annotations

import json
from pathlib import Path

from formulations.backends import _table
from formulations.backends._base import BackendFacts

__all__ = ["FACTS", "backend_facts"]

FACTS = Path(__file__).with_name("facts.json")
"""The facts of the built-in backends, as ``python -m benchmarks.make_facts`` writes them. Loading all backends instead
takes about as long as loading NumPy twice; a test holds the two equal."""


def backend_facts() -> list[BackendFacts]:
    """Return the facts of all backends, those of this library first; of its files only those of other backends load."""
    found = [BackendFacts(**entry) for entry in json.loads(FACTS.read_text(encoding="utf-8"))]
    if _table.registered or _table.declared():
        from formulations.backends._description import facts_of
        from formulations.backends._registry import get_backend, list_backends

        added = [name for name in list_backends() if name not in _table.BUILT_IN]
        found += [facts_of(get_backend(name)) for name in added]
    return found
