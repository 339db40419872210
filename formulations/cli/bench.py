"""``formulations bench``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from formulations.cli.completion import complete_backends, complete_names
from formulations.cli.measuring import measurement, parse_peers
from formulations.cli.options import parse_backends, split_names
from formulations.comparison import CELLS, PEERS, RACE_DTYPES, draw_race, run_race

__all__ = ["bench"]


@click.command()
@click.option(
    "--cells", metavar="NAME,…", help=f"Of {', '.join(CELLS)}.  [default: all]", shell_complete=complete_names(CELLS)
)
@click.option(
    "--dtypes",
    "--dtype",
    metavar="DTYPE,…",
    help=f"Of {', '.join(RACE_DTYPES)}.  [default: both]",
    shell_complete=complete_names(RACE_DTYPES),
)
@click.option(
    "--backends",
    "--backend",
    metavar="NAME,…",
    help="Backends to race.  [default: all but those far slower than hadamard]",
    shell_complete=complete_backends,
)
@click.option(
    "--against",
    metavar="NAME,…",
    help=f"Of {', '.join(PEERS)}; or none.  [default: all]",
    shell_complete=complete_names([*PEERS, "none"]),
)
@click.option(
    "--budget",
    type=float,
    default=0.25,
    show_default=True,
    help="Seconds of measurement for each row; warm-up, and pauses between rows, add to it.",
)
@measurement(draw_race)
def bench(
    cells: str | None,
    dtypes: str | None,
    backends: str | None,
    against: str | None,
    budget: float,
    threads: int | None,
    progress: Callable[[str], object],
) -> Any:
    """Race the formulations against each other, other packages, and the matrix products alone.

    \b
    Examples:
      formulations bench --cells digits
      formulations bench --cells book,medium --against torch,jax --plot race.png
      formulations bench --backends sigma:matrix=dense --against none --threads 1

    Every gradient is judged before it is timed, and all rows run in turn, round by round. Measure on an idle machine:
    another job on one core slows products that use several threads. Exit status 0 if no gradient is different, else 1.
    """
    return run_race(
        None if cells is None else split_names(cells),
        None if dtypes is None else split_names(dtypes),
        parse_backends(backends),
        parse_peers(against),
        threads=threads,
        budget=budget,
        progress=progress,
    )
