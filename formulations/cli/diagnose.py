"""``formulations diagnose``."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from formulations.arrays import size_of_batch
from formulations.cli.completion import complete_file
from formulations.cli.options import Task, json_option, refuse_overwriting, task_options
from formulations.cli.output import as_options, print_problem, print_text
from formulations.data import Problem
from formulations.display import check_plot, save_figure
from formulations.operators import SATURATION, SLOW
from formulations.operators import diagnose as run_diagnosis

__all__ = ["diagnose"]

EXAMPLES = 500
"""Enough examples for steady figures."""


@click.command()
@task_options
@click.option(
    "--examples", type=int, metavar="N", help=f"Use the first N training examples.  [default: {EXAMPLES}, or all]"
)
@click.option(
    "--saturation",
    type=float,
    default=SATURATION,
    show_default=True,
    metavar="SHARE",
    help="A slope below this share of its supremum is saturated.",
)
@click.option(
    "--slow",
    type=float,
    default=SLOW,
    show_default=True,
    metavar="SHARE",
    help="A layer below this share of the fastest layer's speed does not learn; none does if the slopes of the outputs "
    "are below this share of their supremum.",
)
@click.option(
    "--plot",
    metavar="FILE",
    help="Draw speed, errors, activations and singular values by layer: .png, .svg, .pdf, …",
    shell_complete=complete_file,
)
@json_option
def diagnose(
    read_task: Callable[[], Task],
    data: str | None,
    network: str | None,
    seed: int,
    examples: int | None,
    saturation: float,
    slow: float,
    plot: str | None,
    as_json: bool,
) -> None:
    """Say which layers of a network do not learn, and why.

    \b
    Examples:
      formulations diagnose --hidden 30,30,30,30,30,30,30,30
      formulations diagnose --hidden 30,30,30 --activations tanh --init orthogonal
      formulations diagnose --data iris.csv --label species
      formulations diagnose --network iris.npz --data iris.csv --plot layers.png

    For each layer: the shares of saturated slopes and of dead neurons; the root mean squares of activations, errors and
    gradient; the factors by which weights and slopes scale the error; the speed of the biases; singular values of the
    Jacobian; the conditioning of the gradient, and the precision that suffices. Each figure names its equation in the
    book.

    The options describe a network and its examples like those of formulations train: without --network it is the
    network from which training would start, and the examples are the training examples. Exit status 0 if every layer
    learns, 1 if one does not.
    """
    refuse_overwriting({"--plot": plot}, {"--network": network, "--data": data})
    if plot is not None:
        check_plot(plot)
    task = read_task()
    net, cost = task.model.network, task.problem.cost
    X, Y, *_ = task.model.examples(task.split.X_train, task.split.Y_train, cost)
    count = min(EXAMPLES, len(X)) if examples is None else size_of_batch(examples, len(X), "--examples")
    problem = Problem(net, X[:count], Y[:count], cost)
    found = run_diagnosis(net, problem.X, problem.Y, cost, saturation=saturation, slow=slow)
    if as_json:
        print_problem(problem, {"seed": seed}, found.to_dict())
    else:
        print_text(as_options(str(found)))
    if plot is not None:
        save_figure(found.plot(), plot)
    sys.exit(0 if found else 1)
