"""The report: which laws a backend keeps, and on which problems it breaks one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
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
    NOT_ASKED = "not asked"
    """The law says nothing about the problem, or a plain function does not serve it."""


class Standing(StrEnum):
    """The overall result of a report."""

    KEPT = "kept"
    NOT_KEPT = "not kept"
    NOT_CHECKED = "not checked"
    """The backend refuses every problem, for example because a package is missing, or a function serves none."""


CHECKED = Outcome.HELD, Outcome.BROKEN

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
        How the law is broken, or why the problem was refused or not asked.
    """

    law: str
    scenario: str
    dtype: str
    outcome: Outcome
    complaint: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """The problem and its dtype."""
        return self.scenario, self.dtype


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
    notes : tuple of str
        What a first probe of a plain function has found.
    """

    backend: str
    results: tuple[Result, ...]
    expected_failures: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

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
        """The laws that were not checked: on every problem, the backend refuses or the law says nothing."""
        checked = self._laws_with(*CHECKED)
        return [law for law in dict.fromkeys(result.law for result in self.results) if law not in checked]

    @property
    def served(self) -> bool:
        """Whether a law was checked on any problem."""
        return bool(self._with(*CHECKED))

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
        return self._reasons(self._with(Outcome.REFUSED))

    @property
    def not_asked(self) -> dict[str, int]:
        """Why a plain function was not asked for problems, with their number, the most frequent reason first."""
        asked = {result.place for result in self.results if result.outcome is not Outcome.NOT_ASKED}
        return self._reasons(result for result in self.results if result.place not in asked)

    @staticmethod
    def _reasons(results: Iterable[Result]) -> dict[str, int]:
        places = {(result.complaint, result.place) for result in results}
        return dict(Counter(reason for reason, _ in sorted(places)).most_common())

    def __bool__(self) -> bool:
        return self.passed

    def _with(self, *outcomes: Outcome) -> list[Result]:
        return [result for result in self.results if result.outcome in outcomes]

    def _laws_with(self, *outcomes: Outcome) -> set[str]:
        return {result.law for result in self._with(*outcomes)}

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        results = [{**asdict(result), "outcome": str(result.outcome)} for result in self.results]
        return {
            "backend": self.backend,
            "passed": self.passed,
            "standing": str(self.standing),
            "broken": list(self.broken),
            "not_checked": self.not_checked,
            "not_asked": self.not_asked,
            "kept_unexpectedly": self.kept_unexpectedly,
            "expected_failures": dict(self.expected_failures),
            "notes": list(self.notes),
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
        """The findings besides the counts, one paragraph each: what is broken, or was not checked or asked, and why."""
        parts = [*self.notes]
        for laws, complaints in self._causes().items():
            named = ", ".join(laws[:SHOWN]) + (", …" if len(laws) > SHOWN else "")
            head = f"{named} is broken:" if len(laws) == 1 else f"{len(laws)} laws ({named}) are broken:"
            parts.append("\n".join([head, *_first(complaints)]))
        parts += [f"{law} was expected to be broken, but is kept." for law in self.kept_unexpectedly]
        broken = self._laws_with(Outcome.BROKEN)
        parts += [
            f"{law} is broken as expected: {reason}" for law, reason in self.expected_failures.items() if law in broken
        ]
        if self.served:
            silent = self._silent_laws()
            refused = [law for law in self.not_checked if law not in silent]
            parts += [f"Not checked, because every problem is refused: {', '.join(refused)}."] if refused else []
            parts += [self._laws_not_asked(silent)] if silent else []
        if self.not_asked:
            parts.append("\n".join(["Problems left out:", *_indented(_counted(self.not_asked))]))
        return parts

    def _silent_laws(self) -> list[str]:
        """Return the laws that say nothing about the backend on any problem."""
        spoken = self._laws_with(*CHECKED, Outcome.REFUSED)
        return [law for law in self.not_checked if law not in spoken]

    def _laws_not_asked(self, laws: list[str]) -> str:
        """Return the laws that were never asked, with the reasons on the problems that others were asked on."""
        asked = {result.place for result in self._with(*CHECKED)}
        by_reason: dict[str, list[str]] = {}
        for law in laws:
            given = [each for each in self.results if each.law == law]
            reason = next((each.complaint for each in given if each.place in asked), given[0].complaint)
            by_reason.setdefault(reason, []).append(law)
        return "Laws that do not apply: " + "; ".join(f"{', '.join(of)} ({why})" for why, of in by_reason.items()) + "."

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
            Standing.NOT_CHECKED: "not checked, because "
            + ("it refuses every problem" if self.refusals else "nothing could be asked"),
        }[self.standing]

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return the header and the rows of the table, without laws and outcomes that did not occur."""
        silent = self._silent_laws()
        counts = {law: count for law, count in self.counts.items() if law not in silent}
        outcomes = [
            each for each in Outcome if each is not Outcome.NOT_ASKED or any(count[each] for count in counts.values())
        ]
        return ["law", *outcomes], [[law, *(str(count[each]) for each in outcomes)] for law, count in counts.items()]

    def _paragraphs(self) -> list[str]:
        """Return the findings, and the reasons for refusals."""
        return [*self.findings, *(["\n".join(["Refused:", *_first(_counted(self.refusals))])] if self.refusals else [])]

    def __str__(self) -> str:
        header, rows = self._table()
        table = [format_table(header, rows, right=range(1, len(header)))] if self.served else []
        return fitted("\n\n".join([f"{self.backend}: {self._head()}.", *table, *self._paragraphs()]))

    def _repr_html_(self) -> str:
        header, rows = self._table()
        counts = self.counts
        standings = [
            Outcome.BROKEN if count[Outcome.BROKEN] else Standing.KEPT if count[Outcome.HELD] else Standing.NOT_CHECKED
            for count in (counts[law] for law, *_ in rows)
        ]
        marked = [
            [row[0], html_mark(standing, MARKS[standing]), *row[1:]]
            for row, standing in zip(rows, standings, strict=True)
        ]
        return html_view(
            html_text(Html(f"{escape(self.backend)}: {html_mark(self.standing, MARKS[self.standing])}"), "title"),
            html_text("\n".join(self._paragraphs())),
            html_table([header[0], "", *header[1:]], marked, right=range(2, len(header) + 1)) if self.served else "",
        )

    def __repr__(self) -> str:
        laws = ", ".join([*self.broken][:SHOWN]) + (", …" if len(self.broken) > SHOWN else "")
        found = f"; broken: {laws}" if laws else ""
        return f"<ConformanceReport on {self.backend}: {self.standing}, {counted(len(self.counts), 'law')}{found}>"


def _counted(reasons: dict[str, int]) -> list[str]:
    return [f"{counted(count, 'problem')}: {reason.rstrip('.')}." for reason, count in reasons.items()]


def _first(lines: list[str]) -> list[str]:
    """Return the first lines, indented, and the number of lines left out."""
    more = [f"… and {len(lines) - SHOWN} more."] if len(lines) > SHOWN else []
    return _indented([*lines[:SHOWN], *more])


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
