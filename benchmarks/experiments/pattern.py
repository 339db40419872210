"""The pattern that every experiment follows: a sweep returns records; they become tables, a figure and JSON.

A module of this package holds one experiment: the dataclasses of its records, the columns of its tables, its figure,
the function that measures, and a command, ``python -m benchmarks.experiments.NAME``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

import click

from formulations.cli.bench import measurement
from formulations.cli.options import bad_usage
from formulations.display import Ratio, format_table

__all__ = ["Column", "experiment", "plain", "table"]

T = TypeVar("T")


@dataclass(frozen=True)
class Column(Generic[T]):
    """One column of a table of records.

    Attributes
    ----------
    header : str
        Its title.
    text : callable (record) -> str
        What it shows of a record.
    left : bool
        Whether it is aligned at the left, as words are.
    """

    header: str
    text: Callable[[T], str]
    left: bool = False


def table(records: Iterable[T], columns: Sequence[Column[T]]) -> str:
    """Return the records as text, one a row."""
    rows = [[column.text(record) for column in columns] for record in records]
    right = [i for i, column in enumerate(columns) if not column.left]
    return format_table([column.header for column in columns], rows, right=right)


def plain(record: Any) -> dict[str, Any]:
    """Return a record's fields as plain Python values, a ratio as its median and ``spread``, the quartiles."""
    values: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        values.update(value.to_dict(field.name) if isinstance(value, Ratio) else {field.name: value})
    return values


class _Command(click.Command):
    """A command that reports the library's exceptions as bad usage."""

    def invoke(self, ctx: click.Context) -> Any:
        with bad_usage():
            return super().invoke(ctx)


def experiment(
    draw: Callable[[Any], Any], *options: Callable[[Any], Any]
) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a command of a function that measures.

    Parameters
    ----------
    draw : callable (result) -> Figure
        Draws what was measured.
    *options : click options
        Those of this experiment; all have those of :func:`formulations.cli.bench.measurement`.
    """
    settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

    def decorate(measure: Callable[..., Any]) -> click.Command:
        command: Callable[..., Any] = measurement(draw)(measure)
        for option in reversed(options):
            command = option(command)
        return click.command(cls=_Command, context_settings=settings)(command)

    return decorate
