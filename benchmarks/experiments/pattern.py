"""The pattern that every experiment follows: a sweep returns records; they become tables, a figure and JSON.

A module of this package holds one experiment: the dataclasses of its records, the columns of its tables, its figure,
the function that measures, and a command, ``python -m benchmarks.experiments.NAME``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import wraps
from itertools import count
from time import perf_counter
from typing import Any, Generic, TypeVar

import click

from formulations.cli.bench import measurement
from formulations.cli.output import bad_usage
from formulations.display import Colour, Ratio, StatusLine, arms, format_seconds, format_table, new_figure, tidy, titled

__all__ = ["PLACE", "Column", "Rows", "budget_option", "draw_ratios", "experiment", "plain", "table"]

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


PLACE = (
    Column[Any]("cell", lambda row: row.cell, left=True),
    Column[Any]("dtype", lambda row: row.dtype, left=True),
)
"""The columns that say where a row was measured."""


@dataclass(frozen=True)
class Rows(Generic[T]):
    """The result of an experiment whose rows may be refused.

    Attributes
    ----------
    rows : tuple
        Cell by cell.
    refused : tuple of str
        The rows that could not be measured, with the reason.
    """

    rows: tuple[T, ...]
    refused: tuple[str, ...]

    @property
    def not_measured(self) -> str:
        """A line for each row that was refused."""
        return "".join(f"\nNot measured: {each}" for each in self.refused)


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


def draw_ratios(
    rows: Sequence[Any], ratio: Callable[[Any], Ratio], *, ours: Container[str], label: str, title: str
) -> Any:
    """Return a figure of the rows' ratios, by cell and dtype, with a mark for each name.

    Parameters
    ----------
    rows : sequence of records
        With the attributes ``cell``, ``dtype`` and ``name``.
    ratio : callable (record) -> Ratio
        What is shown of one.
    ours : container of str
        The names in blue.
    label, title : str
        Of the axis, and of the figure.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    places = list(dict.fromkeys((row.cell, row.dtype) for row in rows))
    figure = new_figure(8, 1.4 + 0.5 * len(places))
    axes = figure.subplots()
    for i, name in enumerate(dict.fromkeys(row.name for row in rows)):
        shown = [row for row in rows if row.name == name]
        positions = [-places.index((row.cell, row.dtype)) - 0.1 * i for row in shown]
        ratios = [ratio(row) for row in shown]
        axes.errorbar(
            [each.median for each in ratios], positions, xerr=arms(ratios), fmt="os^vDx+"[i % 7],
            color=Colour.BLUE if name in ours else None, capsize=2, label=name,
        )  # fmt: skip
    axes.set_yticks([-i for i in range(len(places))], [", ".join(place) for place in places], fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel(label)
    titled(axes, title)
    tidy(axes, "x")
    axes.legend(frameon=False, fontsize=8)
    return figure


def budget_option(seconds: float) -> Callable[[Any], Any]:
    """Return the option ``--budget`` with this default."""
    return click.option(
        "--budget", type=float, default=seconds, show_default=True, help="Seconds of measurement for each row."
    )


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
        @wraps(measure)
        def logged(progress: Callable[[str], object], **given: Any) -> Any:
            with _logged(progress) as tell:
                return measure(progress=tell, **given)

        command: Callable[..., Any] = measurement(draw)(logged)
        for option in reversed(options):
            command = option(command)
        return click.command(cls=_Command, context_settings=settings)(command)

    return decorate


@contextmanager
def _logged(progress: Callable[[str], object]) -> Iterator[Callable[[str], object]]:
    """Yield a function for ``progress`` that also writes a step a minute to standard error, unless it is a terminal.

    A terminal shows every step; an experiment that takes minutes should say in a file how far it is.
    """
    if sys.stderr.isatty():
        yield progress
        return
    line, begun, steps = StatusLine(), perf_counter(), count()

    def tell(label: str) -> None:
        progress(label)
        seconds = perf_counter() - begun
        line.show(next(steps), None, seconds, lambda: f"{format_seconds(seconds)}: {label} …")

    try:
        yield tell
    finally:
        line.close()
