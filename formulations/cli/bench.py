"""``formulations bench``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any

import click

from formulations.arrays import check_writable, positive_integer
from formulations.cli.completion import complete_backends, complete_file, complete_names
from formulations.cli.options import jobs_option, parse_backends, processes, split_names
from formulations.cli.output import print_json, print_text, progress_console, save_json
from formulations.comparison import (
    CELLS,
    EPOCH_CELLS,
    EPOCH_PEERS,
    PEERS,
    RACE_DTYPES,
    TRAINING,
    describe_machine,
    draw_race,
    limited_threads,
    run_epochs,
    run_race,
)
from formulations.display import check_plot, save_figure
from formulations.exceptions import InvalidInput

__all__ = ["bench", "measurement", "parse_peers"]

OPTIONS = (
    click.option("--threads", type=int, metavar="N", help="Threads of BLAS, OpenMP and PyTorch.  [default: unchanged]"),
    click.option("--plot", metavar="FILE", help="Draw a figure: .png, .svg, .pdf, …", shell_complete=complete_file),
    click.option(
        "--save",
        metavar="FILE.json",
        help="Also write the result as JSON, with machine, versions and date.",
        shell_complete=complete_file,
    ),
    click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables."),
)


def measurement(draw: Callable[[Any], Any]) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Turn a function that measures into the body of a command, with the options that all such commands have.

    Parameters
    ----------
    draw : callable (result) -> Figure
        Draws what was measured.

    Returns
    -------
    callable
        A decorator. The decorated function receives its own options, ``progress``, which it calls with each step before
        it begins, and ``threads`` if it has such a parameter. Its result has a text, a method ``to_dict``, and is true
        if what was measured holds: the command then ends with status 0, else with 1.
    """

    def decorate(measure: Callable[..., Any]) -> Callable[..., None]:
        takes_threads = "threads" in signature(measure).parameters

        @wraps(measure)
        def command(threads: int | None, plot: str | None, save: str | None, as_json: bool, **options: Any) -> None:
            threads = None if threads is None else positive_integer(threads, "--threads")
            # Better now than after minutes of measuring.
            if plot is not None:
                check_plot(plot)
            if save is not None:
                check_writable(save)
            with progress_console().status("preparing …") as status, limited_threads(threads):
                if takes_threads:
                    options["threads"] = threads
                found = measure(progress=lambda label: status.update(f"{label} …"), **options)
                document = {"machine": {**describe_machine(), "threads": threads}, **found.to_dict()}
            if as_json:
                print_json(document)
            else:
                print_text(found)
            if save is not None:
                save_json(document, save)
            if plot is not None:
                save_figure(draw(found), plot)
            sys.exit(0 if found else 1)

        for option in reversed(OPTIONS):
            command = option(command)
        return command

    return decorate


def parse_peers(against: str | None) -> list[str] | None:
    """Read ``"torch,jax"`` or ``"none"``; None, which stands for all peers, if the option is left out."""
    if against is None:
        return None
    return [] if against == "none" else split_names(against)


@click.command()
@click.option("--epoch", "epochs", is_flag=True, help="Race epochs of gradient descent and a training, not gradients.")
@click.option(
    "--cells",
    metavar="NAME,…",
    help=f"Any of {', '.join(CELLS)}; with --epoch, any of {', '.join([*EPOCH_CELLS, TRAINING.name])}.  [default: all]",
    shell_complete=complete_names([*CELLS, TRAINING.name]),
)
@click.option(
    "--dtypes",
    "--dtype",
    metavar="DTYPE,…",
    help=f"Any of {', '.join(RACE_DTYPES)}.  [default: both]",
    shell_complete=complete_names(RACE_DTYPES),
)
@click.option(
    "--backends",
    "--backend",
    metavar="NAME,…",
    help="Backends to race.  [default: all but those far slower than hadamard; with --epoch, hadamard, sigma, fused]",
    shell_complete=complete_backends,
)
@click.option(
    "--against",
    metavar="NAME,…",
    help=f"Any of {', '.join(PEERS)}; with --epoch, any of {', '.join(EPOCH_PEERS)}; or none.  [default: all]",
    shell_complete=complete_names([*dict.fromkeys([*PEERS, *EPOCH_PEERS]), "none"]),
)
@click.option(
    "--budget",
    type=float,
    default=0.25,
    show_default=True,
    help="Seconds of measurement for each row; warm-up, and pauses between rows, add to it.",
)
@jobs_option
@click.option(
    "--cpu-time",
    is_flag=True,
    help="Measure CPU time, which leaves out what other programs take, instead of elapsed time; needs --threads 1.",
)
@measurement(draw_race)
def bench(
    epochs: bool,
    cells: str | None,
    dtypes: str | None,
    backends: str | None,
    against: str | None,
    budget: float,
    jobs: int,
    cpu_time: bool,
    threads: int | None,
    progress: Callable[[str], object],
) -> Any:
    """Race the formulations against each other, other packages, and the matrix products alone.

    \b
    Examples:
      formulations bench --cells digits
      formulations bench --cells book,medium --against torch,jax --plot race.png
      formulations bench --backends sigma:matrix=dense --against none --threads 1
      formulations bench --epoch --threads 1

    Every gradient is judged before it is timed, and all rows run in turn, round by round. With --epoch, all rows take
    the same steps, and the parameters after them are judged. Measure on an idle machine: another job on one core slows
    products that use several threads. With --jobs, gradients are judged in parallel before the first is timed; timing
    is the same as without it. Exit status 0 if no result is different, else 1.
    """
    chosen = (
        None if cells is None else split_names(cells),
        None if dtypes is None else split_names(dtypes),
        parse_backends(backends),
        parse_peers(against),
    )
    if epochs and jobs != 1:
        raise InvalidInput(f"--jobs must be left out with --epoch, which judges what it times, got {jobs}.")
    if epochs:
        return run_epochs(*chosen, threads=threads, budget=budget, cpu_time=cpu_time, progress=progress)
    with processes(jobs) as executor:
        return run_race(
            *chosen, threads=threads, budget=budget, cpu_time=cpu_time, executor=executor, progress=progress
        )
