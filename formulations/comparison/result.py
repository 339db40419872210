"""The result of a comparison: one row for each backend."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from formulations.arrays import quiet
from formulations.backends import DEFAULT
from formulations.comparison.agreement import Agreement, short
from formulations.comparison.quantities import COMPARED
from formulations.comparison.threads import Threads
from formulations.display import (
    Ratio,
    counted,
    fitted,
    format_numbers,
    format_ratio,
    format_seconds,
    format_table,
    heat_map,
    html_mark,
    html_table,
    html_text,
    html_view,
)
from formulations.exceptions import InvalidInput
from formulations.network import remark_on_kinks
from formulations.verification import RULES

__all__ = ["Comparison", "Row", "RowStatus"]

NOISY = 1.25
"""Ratio of the baseline's time to itself from which the times are too noisy to compare."""


class RowStatus(StrEnum):
    """A verdict, or the reason why there is none."""

    EQUAL = "equal"
    DIFFERENT = "different"
    INCONCLUSIVE = "inconclusive"
    REFUSED = "refused"
    """It cannot serve this network and cost."""
    SKIPPED = "skipped"
    """It is estimated to exceed the budget."""
    FAILED = "failed"
    """It raised an exception that is not one of this library."""


MARKS = {
    RowStatus.EQUAL: "good",
    RowStatus.DIFFERENT: "bad",
    RowStatus.INCONCLUSIVE: "unsure",
    RowStatus.REFUSED: "none",
    RowStatus.SKIPPED: "none",
    RowStatus.FAILED: "bad",
}


@dataclass(frozen=True)
class Row:
    """One backend's line in a comparison.

    Attributes
    ----------
    backend : str
        The flag, with options.
    equations : tuple of str
        The equations by which it computes the gradient; empty for an operator.
    status : RowStatus
        Its verdict, or why there is none.
    difference : float or None
        Largest absolute difference from the reference, over all entries.
    bound : str
        The bound that judged it: T1, T2, T3, T4 or P.
    ratio : float or None
        Largest residual in units of that bound; above 1 the result is different.
    seconds : float or None
        Time for one result, prepared: the median of interleaved rounds.
    relative_time : float or None
        The median over the rounds of the ratio of its time to the baseline's in the same round.
    relative_spread : (float, float) or None
        Lower and upper quartile of that ratio.
    forward_passes : int or None
        Forward passes in one gradient; None for an operator.
    reason : str
        Why it is not equal.
    """

    backend: str
    equations: tuple[str, ...]
    status: RowStatus
    difference: float | None = None
    bound: str = ""
    ratio: float | None = None
    seconds: float | None = None
    relative_time: float | None = None
    relative_spread: tuple[float, float] | None = None
    forward_passes: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """The result of :func:`formulations.compare`; printed, it is a table.

    Attributes
    ----------
    title : str
        Network, cost, batch and dtype; a Jacobian has no cost.
    rows : tuple of Row
        One for each backend.
    baseline : str
        The backend that times are relative to: ``hadamard`` if it serves the network, else the first that does.
    agreement : Agreement or None
        The differences of all pairs of gradients; None if there are fewer than two.
    threads : Threads
        The threads used, and the load of the machine.
    control : Ratio or None
        The time of the baseline, prepared a second time, over that of the baseline: 1 except for the machine's noise.
        None if it was not measured.
    operator : str
        What is compared: ``"gradient"``, ``"jacobian"``, ``"hessian"`` or ``"gauss_newton"``.
    kinks : int
        How many weighted inputs lie on a kink of their activation, such as relu's 0, where all derivatives but
        difference quotients are the left ones.
    """

    title: str
    rows: tuple[Row, ...]
    baseline: str = DEFAULT
    agreement: Agreement | None = None
    threads: Threads = field(default_factory=Threads)
    control: Ratio | None = None
    operator: str = "gradient"
    kinks: int = 0

    @property
    def equal(self) -> bool:
        """Whether at least one result is equal to the reference, and none is different or failed."""
        found = {row.status for row in self.rows}
        return RowStatus.EQUAL in found and not found & {RowStatus.DIFFERENT, RowStatus.FAILED}

    @property
    def noise(self) -> tuple[str, ...]:
        """The signs that other work was running, so that the times are unreliable."""
        found = []
        if self.control is not None and not (1 / NOISY <= self.control.lower <= self.control.upper <= NOISY):
            found.append(f"{self.baseline} against itself is {format_ratio(self.control, '×')}")
        if self.threads.crowded:
            found.append(f"load {self.threads.load:.1f} on {counted(self.threads.cores, 'core')}")
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        rows = [{**asdict(row), "status": str(row.status)} for row in self.rows]
        verdict = {"title": self.title, "operator": self.operator, "equal": self.equal, "counts": self._counts()}
        verdict["kinks"] = self.kinks
        agreement = None if self.agreement is None else self.agreement.to_dict()
        measured = {
            "threads": self.threads.to_dict(),
            "control": None if self.control is None else self.control.to_dict(),
            "noise": list(self.noise),
        }
        return {**verdict, "baseline": self.baseline, **measured, "rows": rows, "agreement": agreement}

    @quiet
    def plot(self, ax: Any = None) -> Any:
        """Draw the pairwise differences as a heat map.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib Figure
            The new figure, or that of ``ax``.

        Raises
        ------
        InvalidInput
            If there are fewer than two results.
        MissingExtra
            If matplotlib is not installed.
        WrongType
            If ``ax`` is not a matplotlib Axes.
        """
        if self.agreement is None:
            raise InvalidInput(f"a plot of the agreement needs at least two {self._noun}s; compare more backends.")
        return heat_map(self.agreement.labels, self.agreement.ratios, self._title, ax, write=short)

    @property
    def _noun(self) -> str:
        return COMPARED[self.operator]

    @property
    def _title(self) -> str:
        return self.title if self.operator == "gradient" else f"{self._noun} of {self.title}"

    def _counts(self) -> dict[str, int]:
        """Count the rows of each status that occurs, those that are equal first."""
        found = Counter(row.status for row in self.rows)
        return {str(status): found[status] for status in RowStatus if found[status]}

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return the header and the rows of the table, whose last four columns are numbers."""
        header = ["backend", "equations", "verdict", "difference", "of its bound", "time", f"vs {self.baseline}"]
        rows = [
            [
                row.backend,
                format_numbers(row.equations),
                row.status,
                "–" if row.difference is None else f"{row.difference:.1e}",
                "–" if row.ratio is None else f"{row.ratio:.2g} {row.bound}",
                "–" if row.seconds is None else format_seconds(row.seconds),
                _relative(row),
            ]
            for row in self.rows
        ]
        if not any(row.equations for row in self.rows):
            for line in (header, *rows):
                del line[1]
        return header, rows

    def __str__(self) -> str:
        header, rows = self._table()
        table = format_table(header, rows, _numeric(header), spare=[1] if "equations" in header else [])
        parts = [self._head(), table, self._legend(), self._reasons(), remark_on_kinks(self.kinks), self._conclusion()]
        return fitted("\n\n".join(filter(None, parts)))

    def _repr_html_(self) -> str:
        header, rows = self._table()
        marks = [html_mark(row.status, MARKS[row.status]) for row in self.rows]
        at = header.index("verdict")
        marked = [[*row[:at], mark, *row[at + 1 :]] for row, mark in zip(rows, marks, strict=True)]
        title, *more = self._head().split("\n")
        return html_view(
            html_text(title, "title"),
            html_text("\n".join(more), "small"),
            html_table(header, marked, _numeric(header)),
            html_text(self._conclusion()),
            html_text(f"{self._reasons()}\n{remark_on_kinks(self.kinks)}", "small"),
            html_text(self._legend(), "small"),
        )

    def _reasons(self) -> str:
        reasons: dict[str, list[str]] = {}
        for row in self.rows:
            if row.reason:
                reasons.setdefault(row.reason, []).append(row.backend)
        return "\n".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())

    def _conclusion(self) -> str:
        return f"{self._summary()}." + ("" if self.agreement is None else f"\n{self.agreement.sentence}")

    def _summary(self) -> str:
        return ", ".join(f"{count} {status}" for status, count in self._counts().items())

    def _head(self) -> str:
        lines = [self._title]
        if any(row.seconds is not None for row in self.rows):
            lines.append(f"threads: {self.threads}")
        if self.noise:
            lines.append(f"warning: other work is running ({'; '.join(self.noise)}); measure again on an idle machine.")
        return "\n".join(lines)

    def _legend(self) -> str:
        """Explain the columns of the bounds and times, if there are any."""
        rules = [
            f"{rule.name} {rule.judges}" for rule in RULES.values() if any(row.bound == rule.name for row in self.rows)
        ]
        if not rules:
            return ""
        lines = [
            f"difference: the largest difference from the {self._noun} in a higher precision.",
            f"of its bound: the residual over what roundoff explains; above 1 the {self._noun} is different.",
            f"  {'; '.join(rules)}.",
        ]
        if self.control is not None:
            lines.append(
                f"vs {self.baseline}: the median over the rounds, and the quartiles; "
                f"{self.baseline} against itself is {format_ratio(self.control, '×')}."
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Comparison of {counted(len(self.rows), 'backend')} on {self._title}: {self._summary()}>"

    def __bool__(self) -> bool:
        return self.equal


def _numeric(header: list[str]) -> range:
    """Return the columns of numbers."""
    return range(len(header) - 4, len(header))


def _relative(row: Row) -> str:
    """Write the relative time with its quartiles, which the baseline itself does not have."""
    if row.relative_time is None or row.relative_spread is None:
        return "–"
    return format_ratio(Ratio(row.relative_time, *row.relative_spread), "×")
