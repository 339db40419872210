"""The group of commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

# Its classes complete in Bash and fish.
from formulations.cli import completion as completion
from formulations.cli.output import bad_usage

__all__ = ["formulations"]

COMMANDS = {
    "bench": "Race the formulations against each other, other packages, and the matrix products alone.",
    "check": "Check that backends keep every law of the contract, or judge a gradient from a file.",
    "compare": "Compute the same gradient or operator by every formulation, judge and time each.",
    "diagnose": "Say which layers of a network do not learn, and why.",
    "explain": "Show each equation with its number, in symbols and in numbers, and its result.",
    "grade": "Mark an assignment on backpropagation: points for each equation, and a hint where one is wrong.",
    "list": "List every backend: the equations that it computes, what it does, and what a gradient costs.",
    "predict": "Predict the labels, or the numbers, of examples by a trained network.",
    "train": "Train a network on a table, an .npz file or the embedded digits, and report how well it does.",
    "walk": "Walk through a gradient in the browser: drag its numbers, plant a mistake, and see what follows.",
}
"""The first sentence of each command's help, by the name of the command and of its file."""


class _Commands(Mapping[str, click.Command]):
    """The commands, each loaded when it is first used, with the packages that it needs."""

    def __getitem__(self, name: str) -> click.Command:
        if name not in COMMANDS:
            raise KeyError(name)
        held = vars(import_module(f"formulations.cli.{name}")).values()
        return next(command for command in held if isinstance(command, click.Command) and command.name == name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Group(click.Group):
    """A group that reports the library's exceptions as bad usage, and lists its commands without loading them."""

    def invoke(self, ctx: click.Context) -> Any:
        with bad_usage():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        commands = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        # The options alone; click's own group would load the commands.
        return commands + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=_Group,
    commands=_Commands(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="backprop-formulations", prog_name="formulations")
def formulations() -> None:
    """Compute the gradient of a feed-forward network in every formulation.

    \b
    formulations compare                # every formulation on handwritten digits
    formulations check --gradient g.npz # judge the gradient in a file
    formulations bench --cells digits   # race them, and other packages
    formulations train --data iris.csv  # train on a table, or on the digits
    formulations predict net.npz --data new.csv
    formulations diagnose               # which layers do not learn, and why
    formulations explain                # each equation with its numbers
    formulations walk                   # the same in a browser, to play with
    formulations grade submission.py    # mark an assignment, equation by equation
    formulations list                   # the backends and the equations

    \b
    For completion with the Tab key, add a line to your shell's start-up file:
      bash  eval "$(_FORMULATIONS_COMPLETE=bash_source formulations)"
      zsh   eval "$(_FORMULATIONS_COMPLETE=zsh_source formulations)"
      fish  _FORMULATIONS_COMPLETE=fish_source formulations | source

    Exit status: 0 success; 1 a check failed, gradients differ, training failed, a layer does not learn or a submission
    lacks points; 2 bad usage.
    """
