"""Starting: how long the command line takes before it computes, beside the import of NumPy and click.

Each row starts a Python of its own, in turn with the others. What is compared is the CPU time of that process,
which other programs hardly disturb; without work that waits, it is also how long one waits for the prompt.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import click

from benchmarks.experiments.pattern import Column, experiment, plain, table
from formulations.arrays import positive_integer
from formulations.display import Colour, Ratio, arms, format_ratio, format_seconds, new_figure, paired, tidy, titled

__all__ = ["STARTS", "Start", "Starts", "draw_starts", "measure_starts"]

IMPORTS = "import numpy, click"
GRADIENT = "import formulations as fm; fm.gradient(fm.Network.random([2, 3, 1], seed=0), [[0.0, 1.0]], [[1.0]])"
STARTS: Mapping[str, Sequence[str]] = {
    IMPORTS: ["-c", IMPORTS],
    "formulations --version": ["-m", "formulations", "--version"],
    "formulations --help": ["-m", "formulations", "--help"],
    "formulations list": ["-m", "formulations", "list"],
    "formulations compare --help": ["-m", "formulations", "compare", "--help"],
    "a gradient": ["-c", GRADIENT],
}
"""What Python is started with."""

MOST, LIMITED = 1.3, ("formulations --version", "formulations list")
"""The starts that may take at most so many times as long as the imports."""


@dataclass(frozen=True)
class Start:
    """One row.

    Attributes
    ----------
    name : str
        The command.
    seconds : float
        The CPU time of the process, the median.
    ratio : Ratio
        Over that of the imports, round by round.
    """

    name: str
    seconds: float
    ratio: Ratio


COLUMNS = (
    Column[Start]("start", lambda row: row.name, left=True),
    Column[Start]("CPU time", lambda row: format_seconds(row.seconds)),
    Column[Start]("over the imports", lambda row: format_ratio(row.ratio, "×")),
)


@dataclass(frozen=True)
class Starts:
    """The rows, the imports first; true if those that are limited keep their limit."""

    rows: tuple[Start, ...]

    @property
    def slow(self) -> list[Start]:
        """The rows above their limit."""
        return [row for row in self.rows if row.name in LIMITED and row.ratio.median > MOST]

    def __bool__(self) -> bool:
        return not self.slow

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {"rows": [plain(row) for row in self.rows]}

    def __str__(self) -> str:
        missed = "".join(f"\n{row.name} takes more than {MOST} times the imports." for row in self.slow)
        return table(self.rows, COLUMNS) + missed


def measure_starts(
    starts: Mapping[str, Sequence[str]] = STARTS,
    *,
    rounds: int = 15,
    progress: Callable[[str], object] = lambda _: None,
) -> Starts:
    """Time each start beside the first.

    Parameters
    ----------
    starts : mapping of str to sequence of str
        What Python is started with, by name.
    rounds : int
        How often each is started, after once that compiles its files and is not counted.
    progress : callable
        Called with each step before it begins.

    Returns
    -------
    Starts
    """
    rounds = positive_integer(rounds, "rounds")
    times: dict[str, list[float]] = {name: [] for name in starts}
    for i in range(rounds + 1):
        progress(f"round {i} of {rounds}")
        for name, arguments in starts.items():
            times[name].append(_cpu_time(arguments))
    first = next(iter(starts))
    rows = [Start(name, median(each[1:]), paired(each[1:], times[first][1:])) for name, each in times.items()]
    return Starts(tuple(rows))


def _cpu_time(arguments: Sequence[str]) -> float:
    """Return the CPU time of a Python process from its start to its end, in seconds."""
    from resource import RUSAGE_CHILDREN, getrusage  # Windows has none.

    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def draw_starts(found: Starts) -> Any:
    """Return a figure of the times over that of the imports."""
    figure = new_figure(7, 0.9 + 0.4 * len(found.rows))
    axes = figure.subplots()
    ratios = [row.ratio for row in found.rows]
    names = [row.name for row in found.rows]
    axes.errorbar([each.median for each in ratios], names, xerr=arms(ratios), fmt="o", color=Colour.BLUE, capsize=2)
    axes.axvline(MOST, color=Colour.INK, linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("CPU time over that of the imports")
    titled(axes, "starting")
    tidy(axes, "x")
    return figure


@experiment(draw_starts, click.option("--rounds", type=int, default=15, show_default=True, help="Starts of each row."))
def main(rounds: int, progress: Callable[[str], object]) -> Starts:
    """Time the start of the command line beside the import of NumPy and click.

    \b
    Examples:
      python -m benchmarks.experiments.starting
      python -m benchmarks.experiments.starting --rounds 40

    Exit status 0 if --version and list take at most 1.3 times as long as the imports, else 1.
    """
    return measure_starts(rounds=rounds, progress=progress)


if __name__ == "__main__":
    main()
