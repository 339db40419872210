"""What the commands of the audit share: options, processes and progress."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from multiprocessing import get_context
from typing import Protocol

__all__ = ["Table", "markdown_table", "parser", "positive", "print_table", "processes", "show"]


class Table(Protocol):
    """A result that can be printed for a terminal or for a page, and is true if the audit finds nothing."""

    def __bool__(self) -> bool: ...

    def to_markdown(self) -> str: ...


def positive(text: str) -> int:
    """Read a positive integer."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, got {number}")
    return number


def parser(module: str, description: str, example: str) -> argparse.ArgumentParser:
    """Return a parser with the options of every command of the audit."""
    made = argparse.ArgumentParser(
        f"python -m tests.audit.{module}",
        description=description,
        epilog=f"example: python -m tests.audit.{module} {example}",
    )
    made.add_argument("--jobs", type=positive, default=1, metavar="N", help="number of processes (default: 1)")
    made.add_argument("--markdown", action="store_true", help="print the table of the documentation page")
    return made


def processes(jobs: int) -> AbstractContextManager[Executor | None]:
    """Return an executor of that many processes as a context, or None for a single one."""
    # A forked process inherits locks whose threads it does not have.
    return nullcontext() if jobs == 1 else ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))


def show(progress: str) -> None:
    """Print one line of progress to standard error."""
    print(progress, file=sys.stderr, flush=True)


def print_table(table: Table, markdown: bool) -> int:
    """Print the result, and return the exit status: 0 if the audit finds nothing, else 1."""
    print(table.to_markdown() if markdown else table)
    return 0 if table else 1


def markdown_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    header = list(header)
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))
