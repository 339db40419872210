"""``formulations list``."""

from __future__ import annotations

import json
from typing import Any

import click

from formulations.registry import get_backend, list_backends
from formulations.tables import format_table

__all__ = ["list_command"]


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_command(as_json: bool) -> None:
    """List every backend: the equations that it computes and what it does.

    \b
    Example:
      formulations list
    """
    rows: list[dict[str, Any]] = []
    for backend in map(get_backend, list_backends()):
        kind = "formulation" if backend.variant_of is None else f"variant of {backend.variant_of}"
        rows.append(
            {"backend": backend.name, "kind": kind, "equations": list(backend.equations), "summary": backend.summary}
        )
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        lines = [[row["backend"], row["kind"], " ".join(row["equations"]), row["summary"]] for row in rows]
        click.echo(format_table(["backend", "kind", "equations", "what it does"], lines))
