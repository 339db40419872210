"""The result of a race: rows by cell and dtype, and their tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from formulations.comparison.race.contestant import Kind, Prepares, VerdictLike
from formulations.comparison.race.floor import FLOOR
from formulations.comparison.timing import Timing
from formulations.display import (
    Ratio,
    counted,
    format_ratio,
    format_seconds,
    format_table,
    html_mark,
    html_table,
    html_text,
    html_view,
)

__all__ = ["GRADIENTS", "Heat", "Race", "RaceRow", "RaceStatus", "RacedCell", "Wording"]

T = TypeVar("T", covariant=True)


class RacedCell(Prepares[T], Protocol[T]):
    """A cell by name."""

    @property
    def name(self) -> str:
        """Its name in flags."""

    @property
    def title(self) -> str:
        """Its name and its sizes."""

    @property
    def steps(self) -> int | None:
        """The number of gradients in a call; None if a training ends when enough is learnt."""

    def to_dict(self) -> dict[str, Any]:
        """Return its name and its sizes as plain Python values."""


class RaceStatus(StrEnum):
    """The verdict on a contestant's result, or why there is none."""

    EQUAL = "equal"
    DIFFERENT = "different"
    INCONCLUSIVE = "inconclusive"
    NO_GRADIENT = "–"
    NOT_RACED = "not raced"


MARKS = {RaceStatus.EQUAL: "good", RaceStatus.DIFFERENT: "bad", RaceStatus.INCONCLUSIVE: "unsure"}
"""The marks of verdicts; a status without a gradient has none."""


@dataclass(frozen=True)
class RaceRow:
    """One contestant's row in a cell.

    Attributes
    ----------
    name : str
        The contestant.
    kind : Kind
        What it represents.
    status : RaceStatus
        The verdict on its result, or why there is none.
    number : float or None
        The verdict's: the residual in units of its bound, or what was counted.
    rule : str
        The rule of that bound, or what is counted.
    reason : str
        Why it is not timed, or not equal.
    first : float or None
        Seconds of preparation and first call, including any compilation.
    again : float or None
        Seconds of the fastest call after the first.
    timing : Timing or None
        Its times round by round.
    """

    name: str
    kind: Kind
    status: RaceStatus = RaceStatus.NO_GRADIENT
    number: float | None = None
    rule: str = ""
    reason: str = ""
    first: float | None = None
    again: float | None = None
    timing: Timing | None = None

    @property
    def judged_by(self) -> str:
        """The verdict's number and its rule; empty if there is no verdict."""
        return "" if self.number is None else f"{self.number:.2g} {self.rule}"

    def judged(self, verdict: VerdictLike) -> RaceRow:
        """Return the row with the verdict on its result."""
        status = RaceStatus(verdict.status)
        return replace(self, status=status, number=verdict.ratio, rule=verdict.rule, reason=verdict.reason)

    def entered(self, *, first: float, again: float) -> RaceRow:
        """Return the row with the times of its first calls."""
        return replace(self, first=first, again=again)

    def refused(self, reason: str) -> RaceRow:
        """Return the row of a contestant that is not timed."""
        return replace(self, status=RaceStatus.NOT_RACED, reason=reason)

    def with_timing(self, timing: Timing | None) -> RaceRow:
        """Return the row with its times."""
        return replace(self, timing=timing)


@dataclass(frozen=True)
class Wording:
    """The headers of the columns that differ from race to race.

    Attributes
    ----------
    judged, first, time : str
        Of the verdict's number, the first call, and the later ones.
    counted : str
        What the verdict's number counts, such as ``"epochs"``; empty if it is a residual in units of a bound.
    spare : tuple of int
        The columns that a narrow terminal does without.
    """

    judged: str = "of its bound"
    first: str = "first call"
    time: str = "time"
    counted: str = ""
    spare: tuple[int, ...] = ()


GRADIENTS = Wording()


@dataclass(frozen=True)
class Heat:
    """All rows of one cell in one dtype.

    Attributes
    ----------
    cell : Cell
        Name and sizes.
    dtype : str
        float32 or float64.
    rows : tuple of RaceRow
        In the order in which they are printed.
    wording : Wording
        The headers of the table.
    """

    cell: RacedCell[Any]
    dtype: str
    rows: tuple[RaceRow, ...]
    wording: Wording = GRADIENTS

    def timing(self, name: str) -> Timing | None:
        """Return the times of a row; None if it was not timed."""
        return next((row.timing for row in self.rows if row.name == name), None)

    @property
    def best_peer(self) -> str | None:
        """The name of the fastest peer; None if none was timed."""
        peers = [row for row in self.rows if row.kind is Kind.PEER and row.timing is not None]
        return min(peers, key=lambda row: row.timing.seconds if row.timing else 0).name if peers else None

    @property
    def base(self) -> str | None:
        """The row that figures compare with: the floor, or the fastest if there is no floor; None if none was timed."""
        times = {row.name: row.timing.seconds for row in self.rows if row.timing is not None}
        return FLOOR.name if FLOOR.name in times else min(times, key=times.__getitem__, default=None)

    def ratio(self, name: str, other: str | None) -> Ratio | None:
        """Return the time of one row over that of another, round by round; None if one of them was not timed."""
        first, second = self.timing(name), None if other is None else self.timing(other)
        return None if first is None or second is None else first.over(second)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return the header and the rows of the table."""
        best, words = self.best_peer, self.wording
        floor = [] if self.timing(FLOOR.name) is None else ["over the floor"]
        header = ["", "verdict", words.judged, words.first, words.time, *floor]
        lines = [
            [
                row.name,
                row.status,
                row.judged_by or "–",
                "–" if row.first is None else format_seconds(row.first),
                "–" if row.timing is None else format_seconds(row.timing.seconds / (self.cell.steps or 1)),
                *([format_ratio(self.ratio(row.name, FLOOR.name))] if floor else []),
                *([format_ratio(self.ratio(row.name, best))] if best else []),
            ]
            for row in self.rows
        ]
        return [*header, *([f"over {best}"] if best else [])], lines

    @property
    def title(self) -> str:
        """The cell and the dtype."""
        return f"{self.cell.title}, {self.dtype}"

    def _reasons(self) -> str:
        return "\n".join(f"{row.name}: {row.reason}" for row in self.rows if row.reason)

    def __str__(self) -> str:
        table = format_table(*self._table(), right=[2, 3, 4, 5, 6], spare=self.wording.spare)
        return "\n\n".join(filter(None, [self.title, table, self._reasons()]))

    def html_parts(self) -> list[str]:
        """Return the heat as parts of a view."""
        header, lines = self._table()
        marks = [html_mark(row.status, MARKS.get(row.status, "none")) for row in self.rows]
        marked = [[line[0], mark, *line[2:]] for line, mark in zip(lines, marks, strict=True)]
        table = html_table(header, marked, right=[2, 3, 4, 5, 6])
        return [html_text(self.title, "title"), table, html_text(self._reasons(), "small")]

    def _judgement(self, row: RaceRow) -> dict[str, Any]:
        if not self.wording.counted:
            return {"judged_by": row.judged_by}
        return {"judged_by": "", self.wording.counted: row.number}

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        steps = self.cell.steps
        return {
            **self.cell.to_dict(),
            "dtype": self.dtype,
            "steps": steps,
            "best_peer": self.best_peer,
            "rows": [
                {
                    "name": row.name,
                    "kind": str(row.kind),
                    "status": str(row.status),
                    **self._judgement(row),
                    "reason": row.reason,
                    "first_seconds": row.first,
                    "seconds": None if row.timing is None else row.timing.seconds,
                    "seconds_per_step": row.timing.seconds / self.cell.steps
                    if row.timing and self.cell.steps
                    else None,
                    "rounds": 0 if row.timing is None else row.timing.rounds,
                    "over_floor": _plain(self.ratio(row.name, FLOOR.name)),
                    "over_best_peer": _plain(self.ratio(row.name, self.best_peer)),
                }
                for row in self.rows
            ],
        }


@dataclass(frozen=True)
class Race:
    """All heats, and the machine.

    Attributes
    ----------
    heats : tuple of Heat
        Cell by cell, dtype by dtype.
    machine : mapping
        Processor, threads, versions, date.
    legend : str
        What the columns mean.
    """

    heats: tuple[Heat, ...]
    machine: Mapping[str, Any]
    legend: str

    def __bool__(self) -> bool:
        return not any(row.status is RaceStatus.DIFFERENT for heat in self.heats for row in heat.rows)

    def heat(self, cell: str, dtype: str) -> Heat | None:
        """Return the heat of a cell in a dtype; None if it was not run."""
        return next((heat for heat in self.heats if (heat.cell.name, heat.dtype) == (cell, dtype)), None)

    @property
    def where(self) -> str:
        """The machine, its BLAS and the date, and what computes the products."""
        facts = self.machine
        blas = "; ".join(facts["blas"]) or "BLAS not known"
        clock = "; CPU time" if facts.get("clock") == "cpu" else ""
        products = f"\n{facts['products']}" if "products" in facts else ""
        return f"{facts['processor']}, {facts['cores']} cores, {blas}; {facts['date']}{clock}{products}"

    def __str__(self) -> str:
        return "\n\n".join([self.where, *map(str, self.heats), self.legend])

    def __repr__(self) -> str:
        return f"<Race of {counted(len(self.heats), 'heat')}: {', '.join(heat.title for heat in self.heats)}>"

    def _repr_html_(self) -> str:
        parts = [part for heat in self.heats for part in heat.html_parts()]
        return html_view(*parts, html_text(f"{self.where}\n{self.legend}", "small"))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {"machine": dict(self.machine), "heats": [heat.to_dict() for heat in self.heats]}


def _plain(ratio: Ratio | None) -> dict[str, float] | None:
    return None if ratio is None else asdict(ratio)
