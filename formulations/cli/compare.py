"""``formulations compare``."""

from __future__ import annotations

import math
import sys

import click

from formulations.arrays import positive_integer
from formulations.cli.completion import complete_backends, complete_file
from formulations.cli.options import batch_size_for, jobs_option, parse_backends, problem_options, processes
from formulations.cli.output import print_problem, print_text, progress_console
from formulations.comparison import COMPARED, RowStatus
from formulations.comparison import compare as run_comparison
from formulations.data import Problem
from formulations.display import check_plot, save_figure

__all__ = ["compare"]


@click.command()
@problem_options
@click.option(
    "--backends",
    "--backend",
    metavar="NAME,…",
    help="Backends to compare, options after a colon.  [default: all]",
    shell_complete=complete_backends,
)
@click.option(
    "--operator",
    type=click.Choice(list(COMPARED)),
    default="gradient",
    show_default=True,
    help="What to compare: the gradient, the Jacobian ∂a/∂x of the outputs, or the product of the Hessian or the "
    "Gauss–Newton matrix with a random direction.",
)
@click.option("--matrix", is_flag=True, help="Also print the difference of every pair of results.")
@click.option(
    "--plot", metavar="FILE", help="Draw the pairwise differences: .png, .svg, .pdf, …", shell_complete=complete_file
)
@click.option(
    "--threads", type=int, metavar="N", help="Threads of BLAS, OpenMP and PyTorch.  [default: 1 for small products]"
)
@jobs_option
@click.option("--all", "run_all", is_flag=True, help="Also run the backends that would take more than 20 seconds.")
def compare(
    problem: Problem,
    batch_size: int | None,
    seed: int,
    backends: str | None,
    operator: str,
    matrix: bool,
    plot: str | None,
    threads: int | None,
    jobs: int,
    run_all: bool,
    as_json: bool,
) -> None:
    """Compute the same gradient or operator by every formulation, judge and time each.

    \b
    Examples:
      formulations compare
      formulations compare --activations identity
      formulations compare --operator hessian
      formulations compare --backends sigma:matrix=dense,hadamard:batch=example
      formulations compare --matrix --plot agreement.png
      formulations compare --sizes 3,4,3,2 --activations tanh --json

    The gradient is that of the first mini-batch: of --data, else of the embedded digits if the network has 64 inputs
    and 10 outputs, else of random examples. So are the operators, and the direction of a product is random. Exit status
    0 if at least one result is equal and none is different, else 1. The variable FORMULATIONS_BACKEND applies to train
    only: compare runs all backends, or those of --backends.
    """
    if plot is not None:
        # Fail before anything is measured.
        check_plot(plot)
    batch = problem.first(batch_size_for(batch_size, len(problem.X)))
    with progress_console().status("preparing …") as status, processes(jobs) as executor:
        comparison = run_comparison(
            batch.network,
            batch.X,
            batch.Y,
            cost=batch.cost,
            backends=parse_backends(backends),
            operator=operator,
            budget=math.inf if run_all else None,
            threads=None if threads is None else positive_integer(threads, "--threads"),
            executor=executor,
            progress=lambda label: status.update(f"{label} …"),
        )
    if as_json:
        print_problem(batch, {"batch_size": len(batch.X), "seed": seed}, comparison.to_dict())
    else:
        print_text(comparison)
        if any(row.status is RowStatus.SKIPPED for row in comparison.rows):
            print_text("The option --all runs the skipped backends too.")
        if matrix and comparison.agreement is not None:
            print_text(f"\n{comparison.agreement.table}")
    if plot is not None:
        save_figure(comparison.plot(), plot)
    sys.exit(0 if comparison.equal else 1)
