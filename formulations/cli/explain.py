"""``formulations explain``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from formulations.arrays import positive_integer, replaced
from formulations.cli.completion import complete_file
from formulations.cli.options import explained_options
from formulations.cli.output import print_json
from formulations.cli.walk import walk
from formulations.exceptions import InvalidInput
from formulations.explanation import DIGITS, static_page
from formulations.explanation import explain as run_explanation

if TYPE_CHECKING:
    from formulations.data import Problem

__all__ = ["explain"]


@click.command()
@explained_options("hadamard")
@click.option("--equation", metavar="NUMBER", help="Show one equation alone, such as BP2.")
@click.option("--digits", type=int, default=DIGITS, show_default=True, help="Digits of each number.")
@click.option("--latex", "as_latex", is_flag=True, help="Print a LaTeX document.")
@click.option(
    "--html",
    metavar="FILE",
    help="Write a page to walk through, in one file that loads nothing.",
    shell_complete=complete_file,
)
@click.option("--json", "as_json", is_flag=True, help="Print the steps as JSON, with the numbers in full.")
def explain(
    problem: Problem,
    backends: list[str],
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
    found = run_explanation(
        problem.network,
        problem.X,
        problem.Y,
        backends=backends,
        cost=problem.cost,
        equation=equation,
        digits=positive_integer(digits, "--digits"),
    )
    if html is not None:
        with replaced(html) as file:
            file.write(static_page(found.to_dict(), found.html(fragment=True), _walk_command()).encode())
        click.echo(f"wrote {html}")
    elif as_json:
        print_json(found.to_dict())
    else:
        click.echo(found.latex() if as_latex else str(found))


def _walk_command() -> str:
    """Return the command that serves the page that is written."""
    context = click.get_current_context()
    words = ["formulations", "walk"]
    options = {option.name: option.opts[0] for option in walk.params}
    for name, value in context.params.items():
        # The commands have other default backends.
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE or name == "backends"
        if given and name in options:
            words += [options[name], str(value)]
    return shlex.join(words)
