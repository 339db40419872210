"""The crossover's result: cells, ties, and the tables of who is fastest where."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from formulations.backends import DEFAULT
from formulations.comparison.experiments.grid import GridPoint
from formulations.display import Ratio, counted, format_seconds, format_table

__all__ = ["Crossover", "Standings", "Timed"]


@dataclass(frozen=True)
class Timed:
    """One backend in one cell.

    Attributes
    ----------
    backend : str
        The flag, with options.
    seconds : float
        Time for one gradient by a prepared plan: the median of interleaved rounds.
    ratio : Ratio
        Its time over ``hadamard``'s in the same round.
    rounds : int
        Rounds measured.
    """

    backend: str
    seconds: float
    ratio: Ratio
    rounds: int

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {"backend": self.backend, "seconds": self.seconds, **self.ratio.to_dict(), "rounds": self.rounds}


@dataclass(frozen=True)
class Standings:
    """Who came how far in one cell: a network, batch and dtype.

    Attributes
    ----------
    place : GridPoint
        Which.
    timed : tuple of Timed
        Those that were timed, the smallest ratio first; empty where none was near or right.
    left_out : dict of str to str
        Why each of the others was not timed.
    different : tuple of str
        Those among them whose gradient is different from the reference.
    """

    place: GridPoint
    timed: tuple[Timed, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    different: tuple[str, ...] = ()

    @property
    def fastest(self) -> Timed | None:
        """The smallest ratio; None where nothing was timed."""
        return self.timed[0] if self.timed else None

    @property
    def tied(self) -> tuple[str, ...]:
        """The fastest, and all whose lower quartile lies within its upper one, the smallest ratio first."""
        return tuple(row.backend for row in self.timed if row.ratio.lower <= self.timed[0].ratio.upper)

    @property
    def winner(self) -> str | None:
        """The fastest, where it is alone; None in a tie."""
        tied = self.tied
        return tied[0] if len(tied) == 1 else None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        verdict = {"parameters": self.place.parameters, "winner": self.winner, "tied": list(self.tied)}
        return {
            **asdict(self.place),
            **verdict,
            "timed": [row.to_dict() for row in self.timed],
            "left_out": dict(self.left_out),
            "different": list(self.different),
        }

    def __str__(self) -> str:
        if self.fastest is None:
            return "–"
        mark = "" if self.winner else "≈ "
        return f"{mark}{self.fastest.backend} {self.fastest.ratio.median:.2f}× {format_seconds(self.fastest.seconds)}"


@dataclass(frozen=True)
class Crossover:
    """What :func:`~formulations.comparison.experiments.crossover.measure_crossover` found; printed, one table a dtype.

    Attributes
    ----------
    cells : tuple of Standings
        Those that were measured.
    too_large : int
        Cells of the grid that were skipped for their size.
    """

    cells: tuple[Standings, ...]
    too_large: int = 0

    def __bool__(self) -> bool:
        return not any(cell.different for cell in self.cells)

    def axis(self, name: str) -> list[Any]:
        """Return the values of a place's attribute that occur, in order of size or of appearance."""
        found = dict.fromkeys(getattr(cell.place, name) for cell in self.cells)
        return list(found) if name == "dtype" else sorted(found)

    def wins(self) -> dict[tuple[str, ...], int]:
        """Count the cells that each backend wins, or that several tie for, the most frequent first."""
        # Those who tie are one outcome, whichever median happens to be the smallest.
        counts = Counter(tuple(sorted(cell.tied)) for cell in self.cells if cell.timed)
        return dict(counts.most_common())

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        wins = [{"backends": list(names), "cells": count} for names, count in self.wins().items()]
        cells = [cell.to_dict() for cell in self.cells]
        return {"baseline": DEFAULT, "too_large": self.too_large, "wins": wins, "cells": cells}

    def __str__(self) -> str:
        tables = [self._table(dtype) for dtype in self.axis("dtype")]
        return "\n\n".join([*tables, self._legend(), self._summary()])

    def _table(self, dtype: str) -> str:
        depths = self.axis("depth")
        found = {cell.place: str(cell) for cell in self.cells}
        lines = [
            [str(m), str(width), *(found.get(GridPoint(dtype, m, width, depth), "·") for depth in depths)]
            for m in self.axis("batch_size")
            for width in self.axis("width")
        ]
        header = ["examples", "width", *(counted(depth, "layer") for depth in depths)]
        return f"{dtype}: the fastest gradient\n" + format_table(header, lines, right=[0, 1])

    def _legend(self) -> str:
        return (
            "Networks of sigmoid layers, all equally wide, with the quadratic cost; layers are those of weights.\n"
            f"×: the median over interleaved rounds of the time over {DEFAULT}'s in the same round.\n"
            "≈: a tie: the upper quartile of the smallest ratio reaches the lower quartile of another.\n"
            f"·: not measured, too large ({self.too_large}). –: no backend was near and right."
        )

    def _summary(self) -> str:
        alone, tied = Counter[str](), Counter[str]()
        for names, count in self.wins().items():
            for name in names:
                (alone if len(names) == 1 else tied)[name] += count
        lines = [
            f"{name}: alone in {alone[name]}, tied in {tied[name]} of {len(self.cells)} cells."
            for name, _ in (alone + tied).most_common()
        ]
        wrong = {name for cell in self.cells for name in cell.different}
        if wrong:
            lines.append(f"Different from the reference somewhere, and not timed there: {', '.join(sorted(wrong))}.")
        return "\n".join(lines)
