"""Plain-text tables, for terminals, logs and docstrings alike."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

__all__ = ["counted", "format_numbers", "format_seconds", "format_table"]


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Lay out rows of text in columns.

    Parameters
    ----------
    header : sequence of str
        The columns' titles.
    rows : sequence of sequences of str
        As many cells each as there are titles.
    right : sequence of int
        Columns that are aligned at the right.

    Returns
    -------
    str
        Lines without trailing blanks, joined by line feeds.

    Examples
    --------
    >>> print(format_table(["backend", "time"], [["hadamard", "31 µs"], ["sigma", "108 µs"]], right=[1]))
    backend     time
    ────────  ──────
    hadamard   31 µs
    sigma     108 µs
    """
    lines = [list(header), *map(list, rows)]
    widths = [max(_width(line[i]) for line in lines) for i in range(len(header))]

    def laid_out(cells: Sequence[str]) -> str:
        padded = []
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True)):
            room = " " * (width - _width(cell))
            padded.append(room + cell if i in right else cell + room)
        return "  ".join(padded).rstrip()

    rule = "  ".join("─" * width for width in widths)
    return "\n".join([laid_out(header), rule, *map(laid_out, lines[1:])])


def _width(text: str) -> int:
    """Count the columns that a text takes: a combining mark stands on the letter before it."""
    return sum(not unicodedata.combining(letter) for letter in text)


def counted(number: int, thing: str) -> str:
    """Write how many of something there are.

    Examples
    --------
    >>> counted(1, "example"), counted(10, "example")
    ('1 example', '10 examples')
    """
    return f"{number} {thing}{'' if number == 1 else 's'}"


def format_numbers(names: Sequence[str]) -> str:
    """Write equations' numbers in a row, three or more consecutive ones by the first and the last.

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
    """Write a duration with three digits and a unit that fits.

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
