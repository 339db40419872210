"""The book's program: an epoch by its own loop, by ``formulations.nielsen``, and by the products alone.

The network is the book's, 784-30-10 with mini-batches of 10, and the data are random. A training is timed as a program
sees it: the call of ``SGD`` with a list of pairs of columns, so that the shuffle, the gathering of the columns and the
copies of the parameters count. The ceiling has the five matrix products of a mini-batch and the update of the
parameters, and nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from functools import partial
from io import StringIO
from types import ModuleType
from typing import Any

import click
import numpy as np

from benchmarks import book_network
from benchmarks.experiments.pattern import Column, budget_option, experiment, plain, table
from formulations import nielsen
from formulations.arrays import Array, positive_integer, positive_number
from formulations.backends import DEFAULT
from formulations.comparison.race.floor import products_of
from formulations.comparison.timing import interleave
from formulations.data import Problem
from formulations.display import Colour, Ratio, format_ratio, format_seconds, new_figure, tidy, titled
from formulations.network import Network

__all__ = ["BACKENDS", "BookProgram", "Row", "draw_book_program", "measure_book_program"]

SIZES, BATCH, ETA = [784, 30, 10], 10, 3.0
BACKENDS = (DEFAULT, "fused")
CEILING, BOOK = "products and update", "book's loop"
SPEED, SHARE = 5.0, 0.6
"""The targets: the speed of every backend over the book's, and the best one's share of the ceiling's speed."""
TESTS = 1000


@dataclass(frozen=True)
class Row:
    """One way to take an epoch's steps.

    Attributes
    ----------
    name : str
        The book's loop, the ceiling, or a backend of ``formulations.nielsen``.
    seconds : float
        Time for one mini-batch: the median of interleaved rounds, over the number of mini-batches.
    speed : Ratio
        The book's time over this one, in the same round.
    share : Ratio
        The ceiling's time over this one.
    same_lines : bool or None
        Whether it prints the lines that the book's program prints; None if it prints none.
    """

    name: str
    seconds: float
    speed: Ratio
    share: Ratio
    same_lines: bool | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {**asdict(self), "speed": self.speed.to_dict(), "share": self.share.to_dict()}


COLUMNS = (
    Column[Row]("an epoch by", lambda row: row.name, left=True),
    Column[Row]("a mini-batch", lambda row: format_seconds(row.seconds)),
    Column[Row]("speed over the book's", lambda row: format_ratio(row.speed, "×")),
    Column[Row]("of the ceiling", lambda row: format_ratio(row.share)),
    Column[Row]("lines", lambda row: {None: "–", True: "the book's", False: "others"}[row.same_lines], left=True),
)


@dataclass(frozen=True)
class BookProgram:
    """The result of :func:`measure_book_program`.

    Attributes
    ----------
    examples : int
        In an epoch.
    rows : tuple of Row
        The ceiling, the backends, and the book's loop.
    """

    examples: int
    rows: tuple[Row, ...]

    @property
    def backends(self) -> tuple[Row, ...]:
        """The rows of ``formulations.nielsen``."""
        return tuple(row for row in self.rows if row.name not in (CEILING, BOOK))

    def __bool__(self) -> bool:
        best = max(row.share.median for row in self.backends)
        return best >= SHARE and all(row.same_lines and row.speed.median >= SPEED for row in self.backends)

    def __str__(self) -> str:
        sizes = "-".join(map(str, SIZES))
        return (
            f"{sizes}, mini-batches of {BATCH}, one epoch of {self.examples:,} pairs of columns\n\n"
            f"{table(self.rows, COLUMNS)}\n\n"
            f"Targets: every backend at least {SPEED:g}× as fast as the book's loop and with its lines, the best at "
            f"least {SHARE:g} of the ceiling: {'met' if self else 'missed'}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {**plain(self), "rows": [row.to_dict() for row in self.rows]}


def _train(module: ModuleType, data: Sequence[Any], tests: Sequence[Any] | None = None, **backend: str) -> str:
    """Train a new network for one epoch, always with the same random numbers, and return the lines."""
    np.random.seed(0)  # noqa: NPY002 - the book's generator
    random.seed(0)
    printed = StringIO()
    with redirect_stdout(printed):
        module.Network(SIZES, **backend).SGD(list(data), 1, BATCH, ETA, test_data=tests)
    return printed.getvalue()


def _ceiling(batches: int) -> Callable[[], None]:
    """Return a function that multiplies and updates as often as an epoch does, in buffers like a plan's."""
    network = Network.random(SIZES, seed=0)
    X, Y = np.zeros((BATCH, SIZES[0])), np.zeros((BATCH, SIZES[-1]))
    products = products_of(Problem(network, X, Y))
    parameters, rate = network.vector, np.array(1.0)
    # Small enough that the parameters stay finite however often they are updated.
    gradient: Array = np.full_like(parameters, 1e-12)

    def call() -> None:
        for _ in range(batches):
            for left, right, out in products:
                np.dot(left, right, out)
            np.multiply(gradient, rate, gradient)
            np.subtract(parameters, gradient, parameters)

    return call


def measure_book_program(
    backends: Sequence[str] = BACKENDS,
    *,
    examples: int = 10_000,
    budget: float = 3.0,
    progress: Callable[[str], object] = lambda _: None,
) -> BookProgram:
    """Time an epoch by each backend beside the book's loop and the ceiling, in interleaved rounds.

    Parameters
    ----------
    backends : sequence of str
        Flags.
    examples : int
        Pairs of columns in an epoch.
    budget : float
        Seconds of measurement for each row.
    progress : callable
        Called with each step before it begins.

    Returns
    -------
    BookProgram
        True if the targets are met.
    """
    examples, budget = positive_integer(examples, "examples"), positive_number(budget, "budget")
    generator = np.random.default_rng(0)
    classes = generator.integers(0, SIZES[-1], examples)
    data = [(generator.random((SIZES[0], 1)), np.eye(SIZES[-1])[:, [j]]) for j in classes]
    tests = [(x, int(j)) for (x, _), j in zip(data[:TESTS], classes, strict=False)]
    batches = -(-examples // BATCH)
    progress("the lines")
    expected = _train(book_network, data, tests)
    lines = {name: _train(nielsen, data, tests, backend=name) == expected for name in backends}
    calls: dict[str, Callable[[], object]] = {CEILING: _ceiling(batches)}
    calls |= {name: partial(_train, nielsen, data, backend=name) for name in backends}
    calls[BOOK] = partial(_train, book_network, data)
    progress("an epoch by each")
    timings = interleave(calls, baseline=BOOK, budget=budget)
    return BookProgram(
        examples,
        tuple(
            Row(
                name,
                timing.seconds / batches,
                timings[BOOK].over(timing),
                timings[CEILING].over(timing),
                True if name == BOOK else lines.get(name),
            )
            for name, timing in timings.items()
        ),
    )


def draw_book_program(found: BookProgram) -> Any:
    """Return a figure of the time of a mini-batch in each row."""
    figure = new_figure(7, 0.9 + 0.45 * len(found.rows))
    axes = figure.subplots()
    names, times = [row.name for row in found.rows], [row.seconds * 1e6 for row in found.rows]
    colours = [Colour.INK if name in (CEILING, BOOK) else Colour.BLUE for name in names]
    axes.margins(x=0.1)
    bars = axes.barh(names[::-1], times[::-1], color=colours[::-1])
    axes.bar_label(bars, [f" {row.speed.median:.1f}×" for row in found.rows[::-1]])
    axes.set_xlabel("µs for a mini-batch; its speed over the book's loop")
    titled(axes, f"{'-'.join(map(str, SIZES))}, mini-batches of {BATCH}")
    tidy(axes, "x")
    return figure


@experiment(
    draw_book_program,
    click.option("--examples", type=int, default=10_000, show_default=True, help="Pairs of columns in an epoch."),
    budget_option(3.0),
)
def main(examples: int, budget: float, progress: Callable[[str], object]) -> BookProgram:
    """Time the book's program by formulations.nielsen, beside its own loop and the products alone.

    \b
    Examples:
      python -m benchmarks.experiments.book_program
      python -m benchmarks.experiments.book_program --threads 1 --examples 50000 --plot book.png

    Exit status 0 if the targets are met, else 1.
    """
    return measure_book_program(examples=examples, budget=budget, progress=progress)


if __name__ == "__main__":
    main()
