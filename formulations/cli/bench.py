"""``formulations bench``."""

from __future__ import annotations

import sys

import click

from formulations.bench.race import run_race
from formulations.cli.options import parse_backends
from formulations.cli.output import print_json, progress_console

__all__ = ["bench"]


@click.command()
@click.option("--cells", metavar="NAME,…", help="book, digits, medium, deep, wide.  [default: all]")
@click.option("--dtypes", "--dtype", metavar="DTYPE,…", help="float32, float64.  [default: both]")
@click.option("--backends", "--backend", metavar="NAME,…", help="Which to race.  [default: all that are reasonable]")
@click.option("--against", metavar="NAME,…", help="torch, torch.compile, jax, autograd, sklearn, or none.  [default: all]")
@click.option("--threads", type=int, metavar="N", help="Threads of BLAS, OpenMP and PyTorch.  [default: as they are]")
@click.option("--budget", type=float, default=0.25, show_default=True, help="Seconds of measurement for each row.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def bench(
    cells: str | None,
    dtypes: str | None,
    backends: str | None,
    against: str | None,
    threads: int | None,
    budget: float,
    as_json: bool,
) -> None:
    """Race the formulations."""
    with progress_console().status("preparing …") as status:
        race = run_race(
            _names(cells),
            _names(dtypes),
            parse_backends(backends),
            [] if against == "none" else _names(against),
            threads=threads,
            budget=budget,
            progress=lambda label: status.update(f"{label} …"),
        )
    if as_json:
        print_json(race.to_dict())
    else:
        click.echo(str(race))
    sys.exit(0 if race else 1)


def _names(given: str | None) -> list[str] | None:
    return None if given is None else [name.strip() for name in given.split(",")]
