"""Output of the commands: results go to standard output, progress only to a terminal."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import Any

import click
import numpy as np
from rich.console import Console

from formulations import __version__
from formulations.arrays import replaced
from formulations.data import Problem
from formulations.display import fitted

__all__ = ["print_json", "print_problem", "print_text", "progress_console", "save_json"]


def print_problem(problem: Problem, settings: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Print the result for a problem as JSON, with all that is needed to reproduce it."""
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
    """Return the console for progress: standard error, silent unless it is a terminal."""
    # By default rich treats a file as a terminal if FORCE_COLOR or TTY_COMPATIBLE is set.
    terminal = sys.stderr.isatty()
    return Console(stderr=True, force_terminal=terminal, quiet=not terminal)


def _as_json(result: Any) -> str:
    return json.dumps(_finite(result), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(held) for held in value]
    if isinstance(value, np.floating):
        value = float(value)  # JSON has no extended precision.
    return None if isinstance(value, float) and not math.isfinite(value) else value
