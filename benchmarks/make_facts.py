"""Make ``formulations/backends/facts.json`` from the backends themselves, with all optional packages installed.

python -m benchmarks.make_facts
"""

from __future__ import annotations

import json
from typing import Any

from formulations.backends import BUILT_IN, get_backend
from formulations.backends._description import facts_of
from formulations.backends._facts import FACTS


def facts(name: str) -> dict[str, Any]:
    """Return the facts of a backend as JSON holds them."""
    plain: dict[str, Any] = json.loads(json.dumps(facts_of(get_backend(name))._asdict()))
    return plain


def text() -> str:
    """Return the facts of all built-in backends, a backend a line."""
    lines = (json.dumps(facts(name), ensure_ascii=False) for name in BUILT_IN)
    return "[\n" + ",\n".join(lines) + "\n]\n"


if __name__ == "__main__":
    FACTS.write_text(text(), encoding="utf-8")
    print(f"{FACTS.name}: {len(BUILT_IN)} backends")
