"""Plain-text tables that fit the terminal."""

from __future__ import annotations

import math
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import zip_longest
from shutil import get_terminal_size
from typing import Any

__all__ = [
    "counted",
    "fitted",
    "fixed_width",
    "format_brief",
    "format_numbers",
    "format_seconds",
    "format_share",
    "format_table",
    "listed",
    "terminal_width",
]


WORDS = 24
"""A column of words is not broken to less than this width, in characters."""

_columns: ContextVar[int | None] = ContextVar("columns", default=None)


@contextmanager
def fixed_width(columns: int) -> Iterator[None]:
    """Write texts for a page of so many columns, whatever the terminal is.

    Examples
    --------
    >>> with fixed_width(30):
    ...     print(fitted("However wide the terminal is, 30 columns."))
    However wide the terminal is,
      30 columns.
    """
    before = _columns.set(columns)
    try:
        yield
    finally:
        _columns.reset(before)


def terminal_width() -> int:
    """Return the width of the terminal: that of COLUMNS if it is set, else its own, or 80 without a terminal."""
    return _columns.get() or max(get_terminal_size().columns, 20)


def fitted(text: str) -> str:
    """Wrap the lines of a text that are wider than the terminal.

    Parameters
    ----------
    text : str
        Sentences, and tables that already fit.

    Returns
    -------
    str
        The wrapped text; continuation lines are indented by two more characters.
    """
    width, lines = terminal_width(), []
    for line in text.split("\n"):
        if _width(line) <= width:
            lines.append(line)
        else:
            indent = " " * (len(line) - len(line.lstrip()) + 2)
            lines += textwrap.wrap(
                line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )
    return "\n".join(lines)


def format_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[int] = (),
    *,
    spare: Sequence[int] = (),
    keys: int = 1,
) -> str:
    """Format rows of text as a table that is not wider than the terminal.

    If the table is too wide, it drops the spare columns, then wraps cells between words, and finally sets groups of
    columns below each other. A no-break space keeps two words on one line, and is printed as a space.

    Parameters
    ----------
    header : sequence of str
        The titles of the columns.
    rows : sequence of sequences of str
        The rows, with one cell per title.
    right : sequence of int
        Right-aligned columns; their cells are not wrapped.
    spare : sequence of int
        Columns that may be dropped, the most dispensable first.
    keys : int
        The number of leading columns that name a row; each group of columns repeats them.

    Returns
    -------
    str
        The lines, without trailing spaces.

    Examples
    --------
    >>> print(format_table(["backend", "time"], [["hadamard", "31 µs"], ["sigma", "108 µs"]], right=[1]))
    backend     time
    ────────  ──────
    hadamard   31 µs
    sigma     108 µs
    """
    width = terminal_width()
    columns = [_Column(cells, i in right, width // 3) for i, cells in enumerate(zip(header, *rows, strict=True))]
    kept = dict(enumerate(columns))
    for i in spare:
        if _total(column.natural for column in kept.values()) > width:
            del kept[i]
    columns = list(kept.values())
    blocks, block = [], columns[:keys]
    for column in columns[keys:]:
        if len(block) > keys and _total(each.least for each in [*block, column]) > width:
            blocks.append(block)
            block = columns[:keys]
        block = [*block, column]
    return "\n\n".join(_laid_out(each, width) for each in [*blocks, block])


class _Column:
    """The cells of a column, including its title, with its natural and its smallest width."""

    def __init__(self, cells: Sequence[str], right: bool, limit: int) -> None:
        self.cells, self.right = cells, right
        self.natural = max(map(_width, cells))
        words = max((_width(word) for cell in cells for word in cell.split(" ")), default=0)
        body = max(map(_width, cells[1:]), default=0) if right else min(self.natural, WORDS)
        # A word wider than a third of the terminal may be broken.
        self.least = min(self.natural, max(min(words, limit), body if right else min(body, limit)))

    def lines(self, row: int, width: int) -> list[str]:
        """Return the cell of a row as lines of this width."""
        cell = self.cells[row]
        pieces = [cell] if _width(cell) <= width else textwrap.wrap(cell, width, break_on_hyphens=False)
        blanks = [" " * (width - _width(piece)) for piece in pieces]
        return [blank + piece if self.right else piece + blank for piece, blank in zip(pieces, blanks, strict=True)]


def _total(widths: Iterable[int]) -> int:
    """Return the width of the columns, including the gaps between them."""
    found = list(widths)
    return sum(found) + 2 * (len(found) - 1)


def _laid_out(columns: Sequence[_Column], width: int) -> str:
    """Format columns side by side, narrowing the widest until they fit."""
    widths = [column.natural for column in columns]
    while _total(widths) > width and max(widths) > 1:
        # Columns that can be wrapped between words come first, then the widest of the others.
        widest = max(range(len(columns)), key=lambda i: (widths[i] > columns[i].least, widths[i]))
        widths[widest] -= 1
    lines = []
    for row in range(len(columns[0].cells)):
        cells = [column.lines(row, each) for column, each in zip(columns, widths, strict=True)]
        for parts in zip_longest(*cells):
            padded = (part or " " * each for part, each in zip(parts, widths, strict=True))
            lines.append("  ".join(padded).rstrip().replace("\N{NO-BREAK SPACE}", " "))
        if row == 0:
            lines.append("  ".join("─" * each for each in widths))
    return "\n".join(lines)


def _width(text: str) -> int:
    """Return the width of a text; combining marks take no column of their own."""
    return sum(not unicodedata.combining(letter) for letter in text)


def counted(number: int, thing: str) -> str:
    """Format a count with its noun.

    Examples
    --------
    >>> counted(1, "example"), counted(10, "example"), counted(3, "class")
    ('1 example', '10 examples', '3 classes')
    """
    return f"{number} {thing}{'' if number == 1 else 'es' if thing.endswith('s') else 's'}"


def listed(values: Sequence[Any], most: int = 10) -> str:
    """Format values as Python writes them, at most so many.

    Examples
    --------
    >>> listed(["no", "yes"]), listed([7, 8, 9], most=2)
    ("'no', 'yes'", '7, 8, … (3 in total)')
    """
    more = f", … ({len(values)} in total)" if len(values) > most else ""
    return ", ".join(map(repr, values[:most])) + more


def format_brief(number: float) -> str:
    """Format a number of any size with one or two digits, in few characters.

    Examples
    --------
    >>> format_brief(0.0), format_brief(0.2345), format_brief(712.3), format_brief(3.4e-10), format_brief(63000.0)
    ('0', '0.23', '712', '3e-10', '6e4')
    """
    if number == 0 or 0.00995 <= abs(number) < 999.5:
        return f"{number:.0f}" if abs(number) >= 9.95 else f"{number:.2g}"
    digit, exponent = f"{number:.0e}".split("e") if math.isfinite(number) else (str(number), "")
    return f"{digit}e{int(exponent)}" if exponent else digit


def format_numbers(names: Sequence[str]) -> str:
    """Format the numbers of equations, three or more consecutive ones as a range.

    Examples
    --------
    >>> format_numbers(["47", "48", "49", "50", "BP3", "BP4"]), format_numbers(["33", "34", "BP3", "35"])
    ('47–50 BP3 BP4', '33 34 BP3 35')
    """
    runs: list[list[str]] = []
    for name in names:
        follows = bool(runs) and name.isdecimal() and runs[-1][-1].isdecimal() and int(name) == int(runs[-1][-1]) + 1
        if follows:
            runs[-1].append(name)
        else:
            runs.append([name])
    return " ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else " ".join(run) for run in runs)


def format_seconds(seconds: float) -> str:
    """Format a duration with three digits and a suitable unit.

    Examples
    --------
    >>> format_seconds(3.14159e-5), format_seconds(0.0852), format_seconds(75.2), format_seconds(1788227)
    ('31.4 µs', '85.2 ms', '75.2 s', '20.7 days')
    """
    if seconds >= 7200:
        return f"{seconds / 86400:.3g} days" if seconds >= 172800 else f"{seconds / 3600:.3g} hours"
    unit, size = next(scale for scale in (("s", 1.0), ("ms", 1e-3), ("µs", 0.0)) if seconds >= scale[1])
    number = seconds / (size or 1e-6)
    return f"{number:.0f} {unit}" if number >= 99.95 else f"{number:.3g} {unit}"


def format_share(share: float | None) -> str:
    """Format a share as a percentage; a dash for None and NaN.

    Examples
    --------
    >>> format_share(0.9722), format_share(None)
    ('97.22 %', '–')
    """
    return "–" if share is None or math.isnan(share) else f"{100 * share:.2f} %"
