"""``formulations bench``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from formulations.arrays import check_writable, positive_integer
from formulations.cli.completion import complete_backends, complete_file, complete_names
from formulations.cli.options import parse_backends
from formulations.cli.output import print_json, print_text, progress_console, save_json
from formulations.comparison import (
    CELLS,
    DTYPES,
    PEERS,
    draw_crossover,
    draw_growth,
    draw_race,
    draw_scale,
    limited_threads,
    machine,
    measure_crossover,
    measure_growth,
    measure_reach,
    measure_scale,
    run_race,
)
from formulations.display import check_plot, save_figure
from formulations.exceptions import InvalidInput

__all__ = ["bench"]


@click.command()
@click.option(
    "--cells", metavar="NAME,…", help=f"Of {', '.join(CELLS)}.  [default: all]", shell_complete=complete_names(CELLS)
)
@click.option(
    "--dtypes",
    "--dtype",
    metavar="DTYPE,…",
    help=f"Of {', '.join(DTYPES)}.  [default: both]",
    shell_complete=complete_names(DTYPES),
)
@click.option(
    "--backends",
    "--backend",
    metavar="NAME,…",
    help="Which to race.  [default: all that are near]",
    shell_complete=complete_backends,
)
@click.option(
    "--against",
    metavar="NAME,…",
    help=f"Of {', '.join(PEERS)}; or none.  [default: all]",
    shell_complete=complete_names([*PEERS, "none"]),
)
@click.option("--threads", type=int, metavar="N", help="Threads of BLAS, OpenMP and PyTorch.  [default: as they are]")
@click.option(
    "--budget",
    type=float,
    help="Seconds of measurement for each row of a race; settling, and silence between rows, come on top.  "
    "[default: 0.25]",
)
@click.option("--targets", is_flag=True, help="Print every target beside what was measured for it.")
@click.option("--crossover", is_flag=True, help="Print which backend is fastest, by width, depth, batch and dtype.")
@click.option("--growth", is_flag=True, help="Print how time grows with the number of weights, and back over forward.")
@click.option("--scale", is_flag=True, help="Print time per example and memory, for up to 10 million examples.")
@click.option("--plot", metavar="FILE", help="Draw it: .png, .svg, .pdf, …", shell_complete=complete_file)
@click.option(
    "--save",
    metavar="FILE.json",
    help="Also write it as JSON, with machine, versions and date.",
    shell_complete=complete_file,
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def bench(
    cells: str | None,
    dtypes: str | None,
    backends: str | None,
    against: str | None,
    threads: int | None,
    budget: float | None,
    targets: bool,
    crossover: bool,
    growth: bool,
    scale: bool,
    plot: str | None,
    save: str | None,
    as_json: bool,
) -> None:
    """Race the formulations against each other, other packages, and the matrix products alone.

    \b
    Examples:
      formulations bench --cells digits
      formulations bench --cells book,medium --against torch,jax --plot race.png
      formulations bench --backends sigma:matrix=dense --against none --threads 1
      formulations bench --targets
      formulations bench --crossover --plot crossover.png
      formulations bench --growth
      formulations bench --scale --save scale.json

    Every gradient is judged before it is timed, and all rows run in turn, round by round. Measure on an idle machine:
    somebody else's work on one core makes products in several threads wait. Exit status 0 if what was measured holds
    (no gradient is different, every target is met, memory is flat), else 1.
    """
    modes = {"--targets": targets, "--crossover": crossover, "--growth": growth, "--scale": scale}
    chosen = [name for name, given in modes.items() if given]
    if len(chosen) > 1:
        raise InvalidInput(f"one thing is measured at a time, got {' and '.join(chosen)}; give one of them.")
    threads = None if threads is None else positive_integer(threads, "--threads")
    peers = [] if against == "none" else _names(against)
    flags = parse_backends(backends)
    _refuse_beside(chosen, cells=cells, dtypes=dtypes, backends=backends, against=against, budget=budget)
    seconds = 0.25 if budget is None else budget
    if plot is not None:
        # Better now than after minutes of measuring.
        check_plot(plot)
    if save is not None:
        check_writable(save)
    with progress_console().status("preparing …") as status, limited_threads(threads):

        def tell(label: str) -> None:
            status.update(f"{label} …")

        found: Any
        draw: Callable[[Any], Any]
        if targets:
            found, draw = measure_reach(peers, threads=threads, budget=seconds, progress=tell), _draw_reach
        elif crossover:
            precisions = tuple(_names(dtypes) or DTYPES)
            found, draw = measure_crossover(dtypes=precisions, backends=flags, progress=tell), draw_crossover
        elif growth:
            found, draw = measure_growth(progress=tell), draw_growth
        elif scale:
            found, draw = measure_scale(progress=tell), draw_scale
        else:
            found = run_race(
                _names(cells), _names(dtypes), flags, peers, threads=threads, budget=seconds, progress=tell
            )
            draw = draw_race
        document = {"machine": {**machine(), "threads": threads}, **found.to_dict()}
    if as_json:
        print_json(document)
    else:
        print_text(found)
    if save is not None:
        save_json(document, save)
    if plot is not None:
        save_figure(draw(found), plot)
    sys.exit(0 if found else 1)


def _draw_reach(reach: Any) -> Any:
    return draw_race(reach.race)


def _names(given: str | None) -> list[str] | None:
    return None if given is None else [name.strip() for name in given.split(",")]


def _refuse_beside(chosen: list[str], **given: str | float | None) -> None:
    """Refuse options that a mode would not look at."""
    used = {"--targets": ["against", "budget"], "--crossover": ["dtypes", "backends"], "--growth": [], "--scale": []}
    for mode in chosen:
        for name, value in given.items():
            if value is not None and name not in used[mode]:
                raise InvalidInput(f"--{name} does not go with {mode}; leave it out.")
