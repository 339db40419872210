"""``formulations list``."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import click

from formulations.backends import (
    BATCH_CHOICES,
    OPERATORS,
    Backend,
    Estimate,
    Tier,
    get_backend,
    list_backends,
    option_types,
)
from formulations.cli.output import print_json, print_text
from formulations.display import format_numbers, format_table
from formulations.exceptions import InvalidInput
from formulations.explanation import as_markdown, as_table, index
from formulations.functions import get_cost
from formulations.network import Network

__all__ = ["list_command"]

SIZES, EXAMPLES = (64, 30, 10), 10


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
    elif markdown:
        click.echo(as_markdown(), nl=False)
    elif equations and as_json:
        print_json([entry.to_dict() for entry in index()])
    elif equations:
        print_text(as_table())
    else:
        _print_backends(as_json)


def _print_operators(markdown: bool, as_json: bool) -> None:
    found = list(map(get_backend, list_backends()))
    if as_json:
        print_json([{"backend": each.name, "operators": each.operators, "why_not": _why_not(each)} for each in found])
        return
    header = ["backend", *OPERATORS, "why not the others"]
    rows = [[each.name, *(_provided(each, operator) for operator in OPERATORS), _why_not(each)] for each in found]
    if not markdown:
        print_text(format_table(header, rows))
        return
    linked = [[f"[`{name}`](../backends/{name}.md)", *cells] for name, *cells in rows]
    for line in (header, ["---"] * len(header), *linked):
        click.echo(f"| {' | '.join(line)} |")


def _provided(backend: Backend, operator: str) -> str:
    """Write how a backend provides an operator: a Jacobian by its orders, the others by a tick."""
    if operator not in backend.operators:
        return "–"
    return ", ".join(backend.orders) if operator == "jacobian" else "✓"


def _why_not(backend: Backend) -> str:
    """Return why the backend does not provide every operator; empty if it does."""
    return "" if set(OPERATORS) <= set(backend.operators) else backend.no_operators


def _print_backends(as_json: bool) -> None:
    found = [(each, _estimated(each)) for each in map(get_backend, list_backends())]
    if as_json:
        print_json(
            [
                {
                    "backend": each.name,
                    "kind": each.kind,
                    "equations": each.equations,
                    "tier": each.tier.value,
                    "options": _options(each),
                    "summary": each.summary,
                    "multiplications": None if cost is None else cost.multiplications,
                    "forward_passes": None if cost is None else cost.forward_passes,
                    "detail": None if cost is None else cost.detail,
                }
                for each, cost in found
            ]
        )
        return
    rows = [
        [
            each.name,
            each.kind,
            format_numbers(each.equations),
            each.tier.value,
            "–" if cost is None else _count(cost.multiplications),
            "–" if cost is None else _passes(cost),
            each.summary,
        ]
        for each, cost in found
    ]
    header = ["backend", "kind", "equations", "tier", "multiplications", "passes", "what it does"]
    print_text(format_table(header, rows, right=[4, 5]))
    print_text(f"\nEstimates for one gradient of a {'-'.join(map(str, SIZES))} network over {EXAMPLES} examples.")
    tiers = ", ".join(f"{tier.value} {tier.name.lower()}" for tier in Tier)
    print_text(f"Tiers: {tiers}.\n")
    options = [[each.name, "  ".join(f"{key}={values}" for key, values in _options(each).items())] for each, _ in found]
    print_text(format_table(["backend", "options, after a colon, separated by commas; the default first"], options))


def _options(backend: Backend) -> dict[str, str]:
    """Return the values of each option, the default first, or its type."""
    described = {}
    declared: Any = type(backend)
    for key, kind in option_types(declared).items():
        if get_origin(kind) is Literal:
            default = getattr(backend, key)
            described[key] = "|".join([default, *(value for value in get_args(kind) if value != default)])
        else:
            members = [member.__name__ for member in get_args(kind) or (kind,) if member is not type(None)]
            described[key] = "|".join(members)
    return {**described, "batch": "|".join(BATCH_CHOICES)}


def _estimated(backend: Backend) -> Estimate | None:
    """Estimate the cost on a sigmoid network, or on a linear one; None if the backend serves neither."""
    for activation in ("sigmoid", "identity"):
        network = Network.random(SIZES, activation, seed=0)
        if backend.why_not(network, get_cost("quadratic")) is None:
            return backend.estimate(network, EXAMPLES)
    return None


def _passes(cost: Estimate) -> str:
    """Write the number of forward passes, and of passes of another kind."""
    whole = _count(cost.forward_passes)
    if cost.other_passes is None:
        return whole
    number, kind = cost.other_passes
    return f"{whole} + {_count(number)} {kind}"


def _count(number: int) -> str:
    return f"{number:,}" if number < 10**9 else f"{number:.1e}"
