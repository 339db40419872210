"""``formulations check``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing import get_context
from typing import Any

import click

from formulations.certify import certify
from formulations.certify.files import read_gradient
from formulations.cli.options import batch_size_for, parse_backends, problem_options
from formulations.cli.output import print_json, print_problem, progress_console
from formulations.conformance import Report, check_backend
from formulations.conformance.false_alarms import count_false_alarms
from formulations.conformance.kills import kill_table
from formulations.digits_lost import measure
from formulations.exceptions import InvalidInput
from formulations.inputs import positive_integer
from formulations.problem import Problem
from formulations.registry import list_backends

__all__ = ["check"]


@click.command()
@problem_options
@click.option("--backends", "--backend", metavar="NAME,…", help="Which to check, or package:Class.  [default: all]")
@click.option("--gradient", metavar="FILE.npz", help="Judge a gradient from elsewhere: weights_2, biases_2, …")
@click.option("--accuracy", is_flag=True, help="Measure each backend's relative error against 50 digits.")
@click.option("--mutants", is_flag=True, help="Print which check kills which planted fault.")
@click.option("--random", "networks", type=int, metavar="N", help="Look for false alarms on N random networks.")
@click.option("--markdown", is_flag=True, help="With --mutants, --random, --accuracy: the page's table.")
@click.option("--jobs", type=int, default=1, show_default=True, help="Processes to run in.")
def check(
    problem: Problem,
    batch_size: int | None,
    data: str | None,
    seed: int,
    backends: str | None,
    gradient: str | None,
    accuracy: bool,
    mutants: bool,
    networks: int | None,
    markdown: bool,
    jobs: int,
    as_json: bool,
) -> None:
    """Check that backends keep every law of the contract, or judge a gradient from elsewhere.

    \b
    Examples:
      formulations check
      formulations check --backend my_package:MyBackend
      formulations check --gradient gradient.npz --network trained.npz --data examples.npz
      formulations check --accuracy
      formulations check --mutants --jobs 2
      formulations check --random 1000

    A gradient is judged over all examples of --data, or over the first --batch-size of them; its file holds weights_2,
    biases_2, weights_3, … counted as the book's layers are, or the flat vector as one array, vector. The options that
    describe a network and its data go with --gradient alone. Exit status 0 if everything holds (the gradient is equal,
    no law is broken, every planted fault is found, no right gradient is called different), else 1.
    """
    modes = {"--gradient": gradient, "--accuracy": accuracy, "--mutants": mutants, "--random": networks}
    chosen = [name for name, value in modes.items() if value not in (None, False)]
    if len(chosen) > 1:
        raise InvalidInput(f"one thing is checked at a time, got {' and '.join(chosen)}; give one of them.")
    if markdown and chosen not in (["--mutants"], ["--random"], ["--accuracy"]):
        raise InvalidInput("--markdown goes with --mutants, --random or --accuracy; leave it out.")
    flags = parse_backends(backends)
    with _progress() as progress, _processes(jobs) as executor:
        if gradient is not None:
            whole = data is not None and batch_size is None
            batch = problem.first(len(problem.X) if whole else batch_size_for(batch_size, len(problem.X)))
            candidate = read_gradient(gradient, batch.network.layout)
            found: Any = certify(batch.network, batch.X, batch.Y, candidate, batch.cost)
        elif accuracy:
            found = measure(flags, progress=progress)
        elif mutants:
            found = kill_table(executor=executor, progress=progress)
        elif networks is not None:
            count = positive_integer(networks, "--random")
            found = count_false_alarms(count, flags, seed=seed, executor=executor, progress=progress)
        else:
            subjects = flags or list_backends()
            found = Reports([check_backend(each, executor=executor, progress=progress) for each in subjects])
    if as_json and gradient is not None:
        print_problem(batch, {"batch_size": len(batch.X), "seed": seed}, found.to_dict())
    elif as_json:
        print_json(found.to_dict())
    else:
        click.echo(found.to_markdown() if markdown else str(found))
    sys.exit(0 if found else 1)


class Reports(list[Report]):
    """Reports on several backends, which hold where each of them holds."""

    def __bool__(self) -> bool:
        return all(self)

    def to_dict(self) -> dict[str, Any]:
        """Return all of them as plain Python values."""
        return {"passed": bool(self), "reports": [report.to_dict() for report in self]}

    def __str__(self) -> str:
        return "\n\n".join(map(str, self))


@contextmanager
def _progress() -> Iterator[Callable[[str], object]]:
    """Yield what shows a line of progress on a terminal."""
    with progress_console().status("preparing …") as status:
        yield lambda label: status.update(f"{label} …")


def _processes(jobs: int) -> AbstractContextManager[ProcessPoolExecutor | None]:
    """Return a context with an executor of so many processes; with None where one is enough."""
    jobs = positive_integer(jobs, "--jobs")
    # A process that is forked inherits the locks of threads that it does not have.
    return nullcontext() if jobs == 1 else ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
