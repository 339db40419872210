"""The report: which laws a backend keeps, and on which problems it breaks one."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from html import escape
from typing import Any

from formulations.display import Html, counted, fitted, format_table, html_mark, html_table, html_text, html_view

__all__ = ["ConformanceReport", "Outcome", "Result", "Standing"]

SHOWN = 3
"""The number of complaints shown for each cause, and of reasons for refusals."""


class Outcome(StrEnum):
    """The result of checking a law."""

    HELD = "held"
    BROKEN = "broken"
    REFUSED = "refused"
    """The backend cannot serve the problem, and gives the reason."""


class Standing(StrEnum):
    """The overall result of a report."""

    KEPT = "kept"
    NOT_KEPT = "not kept"
    NOT_CHECKED = "not checked"
    """The backend refuses every problem, for example because a package is missing."""


MARKS = {Standing.KEPT: "good", Standing.NOT_KEPT: "bad", Outcome.BROKEN: "bad", Standing.NOT_CHECKED: "unsure"}


@dataclass(frozen=True)
class Result:
    """The result of one law on one problem.

    Attributes
    ----------
    law, scenario, dtype : str
        The law, the problem and its dtype.
    outcome : Outcome
        The result.
    complaint : str
        How the law is broken, or why the problem was refused.
    """

    law: str
    scenario: str
    dtype: str
    outcome: Outcome
    complaint: str = ""


@dataclass(frozen=True)
class ConformanceReport:
    """The result of :func:`formulations.check_backend`; printed, a table followed by the complaints.

    Attributes
    ----------
    backend : str
        The flag of the backend.
    results : tuple of Result
        One for each law, problem and dtype.
    expected_failures : dict of str to str
        The laws that are expected to be broken, and why. One that is kept makes the check fail.
    """

    backend: str
    results: tuple[Result, ...]
    expected_failures: dict[str, str] = field(default_factory=dict)

    @property
    def broken(self) -> dict[str, list[Result]]:
        """The laws that are broken unexpectedly, with the results."""
        found: dict[str, list[Result]] = {}
        for result in self.results:
            if result.outcome is Outcome.BROKEN and result.law not in self.expected_failures:
                found.setdefault(result.law, []).append(result)
        return found

    @property
    def kept_unexpectedly(self) -> list[str]:
        """The laws that were expected to be broken, but are kept on every problem served."""
        checked = self._laws_with(Outcome.HELD) - self._laws_with(Outcome.BROKEN)
        return [law for law in self.expected_failures if law in checked]

    @property
    def not_checked(self) -> list[str]:
        """The laws that were not checked, because the backend refuses every problem for them."""
        checked = self._laws_with(Outcome.HELD) | self._laws_with(Outcome.BROKEN)
        return [law for law in dict.fromkeys(result.law for result in self.results) if law not in checked]

    @property
    def served(self) -> bool:
        """Whether the backend served any problem."""
        return any(result.outcome is not Outcome.REFUSED for result in self.results)

    @property
    def standing(self) -> Standing:
        """Whether the laws are kept, not kept, or could not be checked."""
        if self.broken or self.kept_unexpectedly:
            return Standing.NOT_KEPT
        return Standing.KEPT if self.served else Standing.NOT_CHECKED

    @property
    def passed(self) -> bool:
        """Whether the backend served a problem, kept the laws it should and broke those it was expected to break."""
        return self.standing is Standing.KEPT

    @property
    def refusals(self) -> dict[str, int]:
        """Each reason for a refusal with the number of problems refused, the most frequent first."""
        places = {(result.complaint, result.scenario, result.dtype) for result in self._with(Outcome.REFUSED)}
        return dict(Counter(reason for reason, *_ in sorted(places)).most_common())

    def __bool__(self) -> bool:
        return self.passed

    def _with(self, outcome: Outcome) -> list[Result]:
        return [result for result in self.results if result.outcome is outcome]

    def _laws_with(self, outcome: Outcome) -> set[str]:
        return {result.law for result in self._with(outcome)}

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        results = [{**asdict(result), "outcome": str(result.outcome)} for result in self.results]
        return {
            "backend": self.backend,
            "passed": self.passed,
            "standing": str(self.standing),
            "broken": list(self.broken),
            "not_checked": self.not_checked,
            "kept_unexpectedly": self.kept_unexpectedly,
            "expected_failures": dict(self.expected_failures),
            "results": results,
        }

    @property
    def counts(self) -> dict[str, Counter[Outcome]]:
        """The number of outcomes of each kind for each law."""
        counts: dict[str, Counter[Outcome]] = {}
        for result in self.results:
            counts.setdefault(result.law, Counter())[result.outcome] += 1
        return counts

    @property
    def findings(self) -> list[str]:
        """The findings besides the counts, one paragraph each: what is broken, or was not checked, and why."""
        parts = []
        for laws, complaints in self._causes().items():
            named = ", ".join(laws[:SHOWN]) + (", …" if len(laws) > SHOWN else "")
            head = f"{named} is broken:" if len(laws) == 1 else f"{len(laws)} laws ({named}) are broken:"
            parts.append("\n".join([head, *_first(complaints)]))
        parts += [f"{law} was expected to be broken, but is kept." for law in self.kept_unexpectedly]
        broken = self._laws_with(Outcome.BROKEN)
        parts += [
            f"{law} is broken as expected: {reason}" for law, reason in self.expected_failures.items() if law in broken
        ]
        if self.not_checked and self.served:
            parts.append(f"Not checked, because every problem is refused: {', '.join(self.not_checked)}.")
        return parts

    def _causes(self) -> dict[tuple[str, ...], list[str]]:
        """Return the complaints by the laws they concern: a cause that breaks many laws is reported once."""
        alike: dict[str, list[Result]] = {}
        for result in (each for results in self.broken.values() for each in results):
            alike.setdefault(result.complaint, []).append(result)
        causes: dict[tuple[str, ...], list[str]] = {}
        for complaint, results in alike.items():
            places = list(dict.fromkeys(f"{result.scenario}, {result.dtype}" for result in results))
            others = f" (and {counted(len(places) - 1, 'other problem')})" if len(places) > 1 else ""
            laws = tuple(dict.fromkeys(result.law for result in results))
            causes.setdefault(laws, []).append(f"{places[0]}{others}: {complaint}")
        return causes

    def _head(self) -> str:
        return {
            Standing.KEPT: "every law is kept" if not self.not_checked else "every law that could be checked is kept",
            Standing.NOT_KEPT: "not every law is kept",
            Standing.NOT_CHECKED: "not checked, because it refuses every problem",
        }[self.standing]

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return the header and the rows of the table."""
        rows = [[law, *(str(count[outcome]) for outcome in Outcome)] for law, count in self.counts.items()]
        return ["law", *Outcome], rows

    def _paragraphs(self) -> list[str]:
        """Return the findings, and the reasons for refusals."""
        reasons = [f"{counted(count, 'problem')}: {reason}" for reason, count in self.refusals.items()]
        return [*self.findings, *(["\n".join(["Refused:", *_first(reasons)])] if reasons else [])]

    def __str__(self) -> str:
        table = [format_table(*self._table(), right=[1, 2, 3])] if self.served else []
        return fitted("\n\n".join([f"{self.backend}: {self._head()}.", *table, *self._paragraphs()]))

    def _repr_html_(self) -> str:
        header, rows = self._table()
        standings = [
            Outcome.BROKEN if count[Outcome.BROKEN] else Standing.KEPT if count[Outcome.HELD] else Standing.NOT_CHECKED
            for count in self.counts.values()
        ]
        marked = [
            [row[0], html_mark(standing, MARKS[standing]), *row[1:]]
            for row, standing in zip(rows, standings, strict=True)
        ]
        return html_view(
            html_text(Html(f"{escape(self.backend)}: {html_mark(self.standing, MARKS[self.standing])}"), "title"),
            html_text("\n".join(self._paragraphs())),
            html_table([header[0], "", *header[1:]], marked, right=[2, 3, 4]) if self.served else "",
        )

    def __repr__(self) -> str:
        laws = ", ".join([*self.broken][:SHOWN]) + (", …" if len(self.broken) > SHOWN else "")
        found = f"; broken: {laws}" if laws else ""
        return f"<ConformanceReport on {self.backend}: {self.standing}, {counted(len(self.counts), 'law')}{found}>"


def _first(lines: list[str]) -> list[str]:
    """Return the first lines, indented, and the number of lines left out."""
    more = [f"… and {len(lines) - SHOWN} more."] if len(lines) > SHOWN else []
    return [f"  {line}" for line in (*lines[:SHOWN], *more)]
