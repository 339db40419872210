"""How an exception ends a command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import click

from formulations.exceptions import FormulationsException

__all__ = ["as_options", "bad_usage"]

PHRASES = (
    (r"pass label=None if it holds a feature, or the delimiter if", "name the delimiter by --delimiter if"),
    (r"pass label= if it holds", "name it by --label if it holds"),
    (r"header=True(?: \(--header\))?", "--header"),
    (r"header=False(?: \(--no-header\))?", "--no-header"),
    (r" unless index=False", ""),
    (r"such as 0, None or a numpy\.random\.Generator", "such as 0"),
    (r"(?:call|use) (?:predict|outputs|score)\b", "leave --proba out"),
    (r"one_hot\((\w+), classes=(\d+)\)", r"one_hot(\1, \2)"),
    (r"(?:allow (?:it|more) with|raise it with|prepare the plan within) formulations\.use_budget\([^)]*\)",
     "take fewer examples"),
    (r"leave them out, or set them in the optimizer", "leave them out, or choose sgd"),
    (r"momentum and nesterov are settings", "--momentum and --nesterov are settings"),
)  # fmt: skip
"""What messages say in terms of Python that has no option of the same name, and what the command line says."""
OPTIONS = (
    "batch_size", "cost", "delimiter", "dtype", "early_stopping", "epochs", "init", "l1", "l2",
    "label", "learning_rate", "momentum", "nesterov", "optimizer", "schedule", "seed",
)  # fmt: skip
"""The parameters that have an option of the same name."""
NAMES, LONG = "|".join(OPTIONS), "|".join(name for name in OPTIONS if "_" in name)


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
