"""Output of the commands: results to standard output, progress only to a terminal, messages in terms of options."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import click

from formulations.arrays import replaced
from formulations.display import fitted
from formulations.exceptions import FormulationsException

if TYPE_CHECKING:
    from rich.console import Console

    from formulations.data import Problem

__all__ = ["as_options", "bad_usage", "print_json", "print_problem", "print_text", "progress_console", "save_json"]


def print_problem(problem: Problem, settings: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Print the result for a problem as JSON, with all that is needed to reproduce it."""
    from formulations import __version__

    print_json({"version": __version__, **problem.to_dict(), **settings, **result})


def print_text(text: Any, *, err: bool = False) -> None:
    """Print an object's text, in lines that fit the terminal."""
    click.echo(fitted(str(text)), err=err)


def print_json(result: Any) -> None:
    """Print plain Python values as JSON; NaN and infinity, which JSON lacks, become null."""
    click.echo(_as_json(result))


def save_json(result: Any, path: str) -> None:
    """Write to a file what :func:`print_json` prints.

    Raises
    ------
    InvalidInput
        If it cannot be written.
    """
    with replaced(path) as file:
        file.write(f"{_as_json(result)}\n".encode())


def progress_console() -> Console:
    """Return the console for progress: standard error, silent unless it is a terminal.

    Until the command ends it shows the library's announcements, too.
    """
    from rich.console import Console

    from formulations.display import announcements_shown

    # By default rich treats a file as a terminal if FORCE_COLOR or TTY_COMPATIBLE is set.
    terminal = sys.stderr.isatty()
    console = Console(stderr=True, force_terminal=terminal, quiet=not terminal)
    click.get_current_context().with_resource(
        announcements_shown(partial(console.print, markup=False, highlight=False))
    )
    return console


def _as_json(result: Any) -> str:
    return json.dumps(_finite(result), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(held) for held in value]
    if isinstance(value, Real) and not isinstance(value, Integral):
        value = float(value)  # NumPy's numbers are registered as real; JSON has no extended precision.
    return None if isinstance(value, float) and not math.isfinite(value) else value


PHRASES = (
    (r"pass label=None if it holds a feature, or the delimiter if", "name the delimiter by --delimiter if"),
    (r"pass label= if it holds", "name it by --label if it holds"),
    (r"header=True(?: \(--header\))?", "--header"),
    (r"header=False(?: \(--no-header\))?", "--no-header"),
    (r" unless index=False", ""),
    (r"such as 0, None or a numpy\.random\.Generator", "such as 0"),
    (r"(?:call|use) (?:predict|outputs|score)\b", "leave --proba out"),
    (r"one_hot\((\w+), classes=(\d+)\)", r"one_hot(\1, \2)"),
    (r"(?:(?:allow (?:it|more)|limit both|raise it) with|prepare the plan within) formulations\.use_budget\([^)]*\)",
     "take fewer examples"),
    (r"leave them out, or set them in the optimizer", "leave them out, or choose sgd"),
    (r"momentum and nesterov are settings", "--momentum and --nesterov are settings"),
)  # fmt: skip
"""What messages say in terms of Python that has no option of the same name, and what the command line says."""
SAME = (
    "batch_size", "cost", "delimiter", "dtype", "early_stopping", "epochs", "init", "l1", "l2",
    "label", "layout", "learning_rate", "memory", "momentum", "nesterov", "optimizer", "saturation", "schedule",
    "seconds", "seed", "slow",
)  # fmt: skip
"""The parameters that have an option of the same name."""
NAMES, LONG = "|".join(SAME), "|".join(name for name in SAME if "_" in name)


def as_options(message: str) -> str:
    """Return a message of the library in the terms of the command line.

    Examples
    --------
    >>> as_options("nesterov needs a momentum above 0, got momentum 0; pass momentum=0.9.")
    '--nesterov needs a momentum above 0, got momentum 0; pass --momentum 0.9.'
    >>> as_options("training diverged; use a learning_rate below 0.1.")
    'training diverged; use a --learning-rate below 0.1.'
    """
    for pattern, words in PHRASES:
        message = re.sub(pattern, words, message)

    def option(found: re.Match[str]) -> str:
        name = f"--{found['name'].replace('_', '-')}"
        return f"{name} {found['value']}" if found["value"] else name

    # A value in Python's quotes needs none here.
    message = re.sub(rf"\b(?P<name>{NAMES})='?(?P<value>\w+(?:\.\d+)?|)'?", option, message)
    return re.sub(rf"(?<![\w'\"-])(?P<name>^(?:{NAMES})|{LONG})\b(?P<value>)(?= )", option, message)


@contextmanager
def bad_usage() -> Iterator[None]:
    """Report the library's exceptions as bad usage: one sentence, exit status 2."""
    try:
        yield
    except FormulationsException as caught:
        raise click.UsageError(as_options(str(caught))) from None
    except MemoryError:
        raise click.UsageError(
            "this needs more memory than is available; use smaller --sizes, a smaller --batch-size or fewer data."
        ) from None
