"""``formulations explain``."""

from __future__ import annotations

import click

from formulations.arrays import positive_integer, replaced, size_of_batch
from formulations.cli.completion import complete_backends, complete_file
from formulations.cli.options import (
    activations_option,
    cost_option,
    network_option,
    parse_backends,
    read_problem,
)
from formulations.cli.output import print_json
from formulations.data import read_examples
from formulations.exceptions import InvalidInput
from formulations.explanation import DIGITS
from formulations.explanation import explain as run_explanation

__all__ = ["explain"]


@click.command()
@click.option(
    "--backends",
    "--backend",
    default="hadamard",
    show_default=True,
    metavar="NAME,NAME",
    help="One or two backends.",
    shell_complete=complete_backends,
)
@click.option("--sizes", metavar="N,N,…", help="Neurons of each layer.  [default: 2,3,2, or those that --data needs]")
@activations_option
@cost_option
@network_option
@click.option(
    "--data",
    metavar="FILE.npz",
    help="Arrays X (m, n₁) and Y (m, n_L); the first examples are used.",
    shell_complete=complete_file,
)
@click.option("--seed", type=int, default=0, show_default=True, help="For weights, biases and examples.")
@click.option("--examples", type=int, default=1, show_default=True, help="Number of examples, each a column.")
@click.option("--equation", metavar="NUMBER", help="Show one equation alone, such as BP2.")
@click.option("--digits", type=int, default=DIGITS, show_default=True, help="Digits of each number.")
@click.option("--latex", "as_latex", is_flag=True, help="Print a LaTeX document.")
@click.option(
    "--html",
    metavar="FILE",
    help="Write one self-contained HTML page.",
    shell_complete=complete_file,
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the numbers in full.")
def explain(
    backends: str,
    sizes: str | None,
    activations: str,
    cost: str,
    network: str | None,
    data: str | None,
    seed: int,
    examples: int,
    equation: str | None,
    digits: int,
    as_latex: bool,
    html: str | None,
    as_json: bool,
) -> None:
    """Show each equation with its number, in symbols and in numbers, and its result.

    \b
    Examples:
      formulations explain
      formulations explain --backends hadamard,sigma
      formulations explain --backends product --sizes 2,3,3,2 --activations tanh
      formulations explain --network trained.npz --data mine.npz --equation BP2
      formulations explain --cost binary_cross_entropy --html page.html
      formulations explain --latex > explained.tex

    Layers of more than 6 neurons are shown by shapes, non-zeros and multiplications.
    """
    if as_latex + as_json + (html is not None) > 1:
        raise InvalidInput("--latex, --html and --json exclude each other; give at most one.")
    count = positive_integer(examples, "--examples")
    given = None if data is None else read_examples(data)
    if sizes is None and network is None and given is None:
        sizes = "2,3,2"
    problem = read_problem(sizes, activations, cost, network=network, data=given, count=count, seed=seed, init="book")
    problem = problem.first(size_of_batch(count, len(problem.X), "--examples"))
    chosen = parse_backends(backends)
    if chosen is None:
        raise InvalidInput("--backends must name one or two backends to explain, got all; try hadamard,sigma.")
    found = run_explanation(
        problem.network,
        problem.X,
        problem.Y,
        backends=chosen,
        cost=problem.cost,
        equation=equation,
        digits=positive_integer(digits, "--digits"),
    )
    if html is not None:
        with replaced(html) as file:
            file.write(found.html().encode())
        click.echo(f"wrote {html}")
    elif as_json:
        print_json(found.to_dict())
    else:
        click.echo(found.latex() if as_latex else str(found))
