"""The group of commands."""

from __future__ import annotations

from typing import Any

import click

from formulations import __version__
from formulations.cli.bench import bench
from formulations.cli.check import check
from formulations.cli.compare import compare
from formulations.cli.diagnose import diagnose
from formulations.cli.explain import explain
from formulations.cli.list import list_command
from formulations.cli.options import bad_usage
from formulations.cli.predict import predict
from formulations.cli.train import train

__all__ = ["formulations"]


class _Group(click.Group):
    """A group that reports the library's exceptions as bad usage."""

    def invoke(self, ctx: click.Context) -> Any:
        with bad_usage():
            return super().invoke(ctx)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="formulations")
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
    formulations list                   # the backends and the equations

    \b
    For completion with the Tab key, add a line to your shell's start-up file:
      bash  eval "$(_FORMULATIONS_COMPLETE=bash_source formulations)"
      zsh   eval "$(_FORMULATIONS_COMPLETE=zsh_source formulations)"
      fish  _FORMULATIONS_COMPLETE=fish_source formulations | source

    Exit status: 0 success; 1 a check failed, gradients differ, training failed or a layer does not learn; 2 bad usage.
    """


formulations.add_command(compare)
formulations.add_command(bench)
formulations.add_command(check)
formulations.add_command(train)
formulations.add_command(predict)
formulations.add_command(diagnose)
formulations.add_command(explain)
formulations.add_command(list_command)
