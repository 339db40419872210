"""``formulations grade``."""

from __future__ import annotations

import sys

import click

from formulations.cli.completion import complete_file, complete_names
from formulations.cli.options import json_option, split_names
from formulations.cli.output import print_json, print_text
from formulations.exceptions import InvalidInput
from formulations.verification import EXERCISES
from formulations.verification import grade as mark
from formulations.verification import template as assignment

__all__ = ["grade"]


@click.command()
@click.argument("file", metavar="FILE.py", required=False, shell_complete=complete_file)
@click.option(
    "--exercise",
    "--exercises",
    metavar="NAME,…",
    help=f"Exercises to mark: {', '.join(EXERCISES)}.  [default: all]",
    shell_complete=complete_names(EXERCISES),
)
@click.option(
    "--seconds",
    type=float,
    default=10.0,
    show_default=True,
    metavar="S",
    help="Time limit for importing the file, and for each call.",
)
@click.option("--memory", default="1GB", show_default=True, metavar="SIZE", help="Memory limit of its process.")
@click.option(
    "--packages",
    default="numpy",
    show_default=True,
    metavar="NAME,…",
    help="Packages that it may import besides the standard library.",
)
@click.option("--seed", type=int, help="Seed of the networks.  [default: new networks each time]")
@click.option("--template", is_flag=True, help="Print the file that students complete, with these exercises.")
@json_option
def grade(
    file: str | None,
    exercise: str | None,
    seconds: float,
    memory: str,
    packages: str,
    seed: int | None,
    template: bool,
    as_json: bool,
) -> None:
    """Mark an assignment on backpropagation: points for each equation, and a hint where one is wrong.

    \b
    Examples:
      formulations grade --template > assignment.py
      formulations grade submission.py
      formulations grade submission.py --exercise backprop
      formulations grade submission.py --exercise bp1,bp2 --seconds 2 --json

    Each exercise is a function of that name, which is called on four networks in a process of its own. An equation
    gives a point for each network on which it is right. The file may import NumPy and the standard library alone. The
    limits end code that loops or allocates without end, but this is no sandbox: run what you do not trust in a
    container. Exit status 0 if the file has all points, else 1.
    """
    chosen = None if exercise is None else split_names(exercise)
    if template and file is None:
        click.echo(assignment(chosen), nl=False)
        return
    if template or file is None:
        raise InvalidInput("grade takes a file to mark, or --template, which prints one to complete; give one of them.")
    found = mark(file, chosen, seconds=seconds, memory=memory, packages=split_names(packages), seed=seed)
    if as_json:
        from formulations import __version__

        print_json({"version": __version__, "file": file, **found.to_dict()})
    else:
        print_text(found)
    sys.exit(0 if found else 1)
