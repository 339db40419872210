"""``formulations check``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from formulations.backends import list_backends
from formulations.cli.completion import complete_backends, complete_file
from formulations.cli.options import (
    batch_size_for,
    jobs_option,
    parse_backends,
    problem_options,
    processes,
    split_names,
)
from formulations.cli.output import as_options, print_json, print_problem, print_text, progress_console
from formulations.comparison import measure_relative_errors
from formulations.data import Problem
from formulations.display import format_table
from formulations.exceptions import InvalidInput
from formulations.verification import (
    LAWS,
    ConformanceReport,
    Outcome,
    Standing,
    certify,
    check_backend,
)

__all__ = ["check"]

LAWS_MODE = "the check of the laws"
GOES_WITH = {
    **dict.fromkeys(
        ("sizes", "activations", "cost", "init", "dtype", "network", "data", "batch_size", "seed", "layout", "l2"),
        ("--gradient",),
    ),
    "backends": (LAWS_MODE, "--relative-errors"),
    "jobs": (LAWS_MODE,),
    "markdown": ("--relative-errors",),
    "serves": (LAWS_MODE,),
    "verbose": (LAWS_MODE,),
}
"""The modes in which each option has an effect; with any other it is refused."""


@click.command()
@problem_options
@click.option(
    "--backends",
    "--backend",
    metavar="NAME,…",
    help="Backends to check, package:Class, or file.py:function.  [default: all]",
    shell_complete=complete_backends,
)
@click.option(
    "--serves",
    multiple=True,
    metavar="KEY=VALUE,…",
    help="What a function serves: activations, outputs, costs, sizes (64-30-10), sparse, coupled; can be repeated.",
)
@click.option(
    "--gradient",
    metavar="FILE.npz",
    help="Judge the gradient in a file: weights_2, biases_2, … or 0.weight, 0.bias, …",
    shell_complete=complete_file,
)
@click.option(
    "--layout",
    type=click.Choice(["out_in", "in_out"]),
    default="out_in",
    show_default=True,
    help="With --gradient: what the rows and columns of its weights are; in is the layer below.",
)
@click.option(
    "--l2",
    type=float,
    default=0.0,
    metavar="λ",
    help="With --gradient: the weight decay that belongs in it, as the gradient of ½·λ·Σw².",
)
@click.option("--relative-errors", is_flag=True, help="Measure each backend's relative error against 50 digits.")
@click.option("--verbose", is_flag=True, help="Show each law of each backend, and the problems refused.")
@click.option("--markdown", is_flag=True, help="With --relative-errors: print the table in Markdown.")
@jobs_option
def check(
    problem: Problem,
    batch_size: int | None,
    data: str | None,
    seed: int,
    backends: str | None,
    serves: tuple[str, ...],
    gradient: str | None,
    layout: str,
    l2: float,
    relative_errors: bool,
    verbose: bool,
    markdown: bool,
    jobs: int,
    as_json: bool,
) -> None:
    """Check that backends keep every law of the contract, or judge a gradient from a file.

    \b
    Examples:
      formulations check
      formulations check --backend my_package:MyBackend --verbose
      formulations check --backend mine.py:backprop --serves activations=sigmoid
      formulations check --gradient g.npz --network trained.npz --data mine.npz
      formulations check --relative-errors

    Checking all backends takes some minutes. A gradient is judged over all examples of --data, or over the first
    --batch-size of them. Its file holds weights_2, biases_2, weights_3, …, numbered by layer as in the book, or
    0.weight, 0.bias, 2.weight, … as PyTorch names them, or one array, vector, with all of them; what it lacks is not
    judged. The options that describe a network and its data go with --gradient only. Exit status 0 if the gradient is
    equal or no law is broken, else 1. A backend that cannot be checked because its package is missing counts as a
    failure only if --backends names it.
    """
    modes = {"--gradient": gradient, "--relative-errors": relative_errors}
    chosen = [name for name, value in modes.items() if value not in (None, False)]
    if len(chosen) > 1:
        raise InvalidInput(f"one thing is checked at a time, got {' and '.join(chosen)}; give one of them.")
    _refuse_without_effect(chosen[0] if chosen else LAWS_MODE)
    flags = parse_backends(backends)
    checked = flags or list_backends()
    steps = None if chosen else len(checked) * len(LAWS)
    with _progress(steps) as progress, processes(jobs) as executor:
        if gradient is not None:
            whole = data is not None and batch_size is None
            batch = problem.first(len(problem.X) if whole else batch_size_for(batch_size, len(problem.X)))
            found: Any = certify(batch.network, batch.X, batch.Y, Path(gradient), batch.cost, layout=layout, l2=l2)
        elif relative_errors:
            found = measure_relative_errors(flags, progress=progress)
        else:
            reports = [
                check_backend(each, serves=_read_serves(serves), executor=executor, progress=progress)
                for each in checked
            ]
            found = Reports(reports, named=flags is not None, verbose=verbose)
    if as_json and gradient is not None:
        document = found.to_dict()
        # "cost" is the name of the problem's cost.
        document["cost_value"] = document.pop("cost")
        settings = {"batch_size": len(batch.X), "seed": seed, "layout": layout, "l2": l2}
        print_problem(batch, settings, document)
    elif as_json:
        print_json(found.to_dict())
    elif markdown:
        click.echo(found.to_markdown())
    else:
        print_text(found if gradient is None else as_options(str(found)))
    sys.exit(0 if found else 1)


def _read_serves(given: tuple[str, ...]) -> dict[str, Any] | None:
    """Read ``--serves``, each a key with its values or a flag; what the keys may be is checked with the function."""
    serves: dict[str, Any] = {}
    for each in given:
        key, equals, text = each.partition("=")
        if key in serves:
            raise InvalidInput(f"--serves must name {key} once, got it twice; separate its values by commas.")
        values = split_names(text) if equals else []
        if key == "sizes":
            serves[key] = [[_integer(n, each) for n in sizes.split("-")] for sizes in values]
        elif not equals or text in ("true", "false"):
            serves[key] = text != "false"
        else:
            serves[key] = values
    return serves or None


def _integer(text: str, given: str) -> int:
    if not text.strip().isdecimal():
        raise InvalidInput(
            f"--serves sizes must be such as sizes=64-30-10, got {given!r}; give the neurons of each layer."
        )
    return int(text)


@dataclass(frozen=True)
class Reports:
    """Reports on several backends.

    Attributes
    ----------
    reports : list of ConformanceReport
        One for each backend.
    named : bool
        Whether --backends names them: then each must keep the laws. Otherwise those that cannot be checked here do not
        count, provided that one can.
    verbose : bool
        Whether to print each law of each backend instead of one line per backend.
    """

    reports: list[ConformanceReport]
    named: bool
    verbose: bool

    def __bool__(self) -> bool:
        counted = [each for each in self.reports if self.named or each.standing is not Standing.NOT_CHECKED]
        return bool(counted) and all(counted)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {"passed": bool(self), "reports": [report.to_dict() for report in self.reports]}

    def __str__(self) -> str:
        shown = list(map(str, self.reports)) if self.verbose else self._overview()
        checked = {law: None for each in self.reports for law in each.counts if law not in each.not_checked}
        return "\n\n".join([*shown, *([_meanings(checked)] if checked else [])])

    def _overview(self) -> list[str]:
        rows = []
        for each in self.reports:
            counts = list(each.counts.values())
            kept = sum(bool(count[Outcome.HELD] and not count[Outcome.BROKEN]) for count in counts)
            served = max(count[Outcome.HELD] + count[Outcome.BROKEN] for count in counts)
            problems = max(count.total() for count in counts)
            rows.append([each.backend, str(each.standing), f"{kept} of {len(counts)}", f"{served} of {problems}"])
        parts = [format_table(["backend", "laws", "kept", "problems served"], rows, right=[2, 3])]
        for each in self.reports:
            found = each.findings
            if each.standing is Standing.NOT_CHECKED:
                found = [f"not checked: {next(iter({**each.refusals, **each.not_asked})).rstrip('.')}."]
            parts += [f"{each.backend}: {paragraph}" for paragraph in found]
        return parts


def _meanings(laws: Iterable[str]) -> str:
    """Return each law with its meaning, in lines that fit the terminal."""
    formatter = click.HelpFormatter()
    formatter.write_dl([(law, LAWS[law].summary) for law in laws])
    return "The laws:\n" + formatter.getvalue().rstrip()


def _refuse_without_effect(mode: str) -> None:
    """Refuse an option that has no effect in this mode."""
    context = click.get_current_context()
    for name, modes in GOES_WITH.items():
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT and mode not in modes:
            option = f"--{name.replace('_', '-')}"
            remedy = f"leave {option} out" if mode != LAWS_MODE else f"give {' or '.join(modes)} too, or leave it out"
            raise InvalidInput(f"{option} goes with {' or '.join(modes)}, and has no effect on {mode}; {remedy}.")


@contextmanager
def _progress(steps: int | None) -> Iterator[Callable[[str], object]]:
    """Yield a function to call at the start of each step, which shows a bar on a terminal."""
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}")
    started = count()
    with Progress(*columns, console=progress_console(), transient=True) as bar:
        task = bar.add_task("preparing …", total=steps)
        yield lambda label: bar.update(task, completed=next(started), description=f"{label} …")
