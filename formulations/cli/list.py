"""``formulations list``."""

from __future__ import annotations

import click

from formulations.backends import ESTIMATED_EXAMPLES, ESTIMATED_SIZES, BackendFacts, Tier, backend_facts
from formulations.cli.output import print_json, print_text
from formulations.display import format_numbers, format_table
from formulations.exceptions import InvalidInput

__all__ = ["list_command"]


@click.command("list")
@click.option("--equations", is_flag=True, help="List the equations instead, and the backends that use each.")
@click.option("--operators", is_flag=True, help="List the operators that each backend provides instead.")
@click.option(
    "--markdown", is_flag=True, help="With --equations or --operators: print the page or table of the documentation."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def list_command(equations: bool, operators: bool, markdown: bool, as_json: bool) -> None:
    """List every backend: the equations that it computes, what it does, and what a gradient costs.

    The costs are estimates for a 64-30-10 network and 10 examples: multiplications, forward passes, and tangent or
    partial passes.

    \b
    Examples:
      formulations list
      formulations list --equations
      formulations list --equations --json
      formulations list --operators
    """
    if equations and operators:
        raise InvalidInput("--equations and --operators exclude each other; give one of them.")
    if markdown and (as_json or not (equations or operators)):
        raise InvalidInput("--markdown needs --equations or --operators and excludes --json; leave --json out.")
    if operators:
        _print_operators(markdown, as_json)
    elif equations:
        _print_equations(markdown, as_json)
    else:
        _print_backends(as_json)


def _print_equations(markdown: bool, as_json: bool) -> None:
    # The index knows which backend computes an equation with which function, and so loads them all.
    from formulations.explanation import as_markdown, as_table, index

    if markdown:
        click.echo(as_markdown(), nl=False)
    elif as_json:
        print_json([entry.to_dict() for entry in index()])
    else:
        print_text(as_table())


def _print_operators(markdown: bool, as_json: bool) -> None:
    from formulations.backends import OPERATORS

    found = backend_facts()
    if as_json:
        print_json(
            [{"backend": each.name, "operators": each.operators, "why_not": each.no_operators} for each in found]
        )
        return
    header = ["backend", *OPERATORS, "why not the others"]
    rows = [[each.name, *(_provided(each, operator) for operator in OPERATORS), each.no_operators] for each in found]
    if not markdown:
        print_text(format_table(header, rows))
        return
    linked = [[f"[`{name}`](../backends/{name}.md)", *cells] for name, *cells in rows]
    for line in (header, ["---"] * len(header), *linked):
        click.echo(f"| {' | '.join(line)} |")


def _provided(backend: BackendFacts, operator: str) -> str:
    """Write how a backend provides an operator: a Jacobian by its orders, the others by a tick."""
    if operator not in backend.operators:
        return "–"
    return ", ".join(backend.orders) if operator == "jacobian" else "✓"


def _print_backends(as_json: bool) -> None:
    found = backend_facts()
    if as_json:
        print_json(
            [
                {
                    "backend": each.name,
                    "kind": each.kind,
                    "equations": each.equations,
                    "tier": each.tier,
                    "options": _options(each),
                    "summary": each.summary,
                    "multiplications": each.multiplications,
                    "forward_passes": each.forward_passes,
                    "detail": each.detail,
                }
                for each in found
            ]
        )
        return
    rows = [
        [
            each.name,
            each.kind,
            format_numbers(each.equations),
            each.tier,
            _count(each.multiplications),
            _passes(each),
            each.summary,
        ]
        for each in found
    ]
    header = ["backend", "kind", "equations", "tier", "multiplications", "passes", "what it does"]
    print_text(format_table(header, rows, right=[4, 5]))
    sizes = "-".join(map(str, ESTIMATED_SIZES))
    print_text(f"\nEstimates for one gradient of a {sizes} network over {ESTIMATED_EXAMPLES} examples.")
    tiers = ", ".join(f"{tier.value} {tier.name.lower()}" for tier in Tier)
    print_text(f"Tiers: {tiers}.\n")
    options = [[each.name, "  ".join(f"{key}={values}" for key, values in _options(each).items())] for each in found]
    print_text(format_table(["backend", "options, after a colon, separated by commas; the default first"], options))


def _options(backend: BackendFacts) -> dict[str, str]:
    """Return the choices of each option, the default first, or its type."""
    return {key: kind if isinstance(kind, str) else "|".join(kind) for key, kind in backend.options.items()}


def _passes(backend: BackendFacts) -> str:
    """Write the number of forward passes, and of passes of another kind."""
    whole = _count(backend.forward_passes)
    if backend.other_passes is None:
        return whole
    number, kind = backend.other_passes
    return f"{whole} + {_count(number)} {kind}"


def _count(number: int | None) -> str:
    if number is None:
        return "–"
    return f"{number:,}" if number < 10**9 else f"{number:.1e}"
