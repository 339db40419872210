"""The report: which laws a backend keeps, and where it breaks one."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from formulations.tables import format_table

__all__ = ["Outcome", "Report", "Result"]

SHOWN = 3
"""Complaints that are shown of each law."""


class Outcome(StrEnum):
    """What came of asking."""

    HELD = "held"
    BROKEN = "broken"
    REFUSED = "refused"
    """The backend cannot serve the problem, and says why."""


@dataclass(frozen=True)
class Result:
    """One law asked on one problem.

    Attributes
    ----------
    law, scenario, dtype : str
        What was asked, and where.
    outcome : Outcome
        What came of it.
    complaint : str
        How it is broken, or why it was refused.
    """

    law: str
    scenario: str
    dtype: str
    outcome: Outcome
    complaint: str = ""


@dataclass(frozen=True)
class Report:
    """What :func:`formulations.check_backend` found; printed, it is a table with the complaints below.

    Attributes
    ----------
    backend : str
        Its flag.
    results : tuple of Result
        One for each law, problem and dtype.
    expected_failures : dict of str to str
        Laws that are known to be broken, and why. One that is kept all the same counts as broken.
    """

    backend: str
    results: tuple[Result, ...]
    expected_failures: dict[str, str] = field(default_factory=dict)

    @property
    def broken(self) -> dict[str, list[Result]]:
        """The laws that are broken though they were not expected to be, and where."""
        found: dict[str, list[Result]] = {}
        for result in self.results:
            if result.outcome is Outcome.BROKEN and result.law not in self.expected_failures:
                found.setdefault(result.law, []).append(result)
        return found

    @property
    def kept_unexpectedly(self) -> list[str]:
        """The laws that were expected to be broken, and are not."""
        broken = {result.law for result in self.results if result.outcome is Outcome.BROKEN}
        return [law for law in self.expected_failures if law not in broken]

    @property
    def served(self) -> bool:
        """Whether anything was served at all."""
        return any(result.outcome is not Outcome.REFUSED for result in self.results)

    @property
    def passed(self) -> bool:
        """Whether every law is kept that was not expected to be broken, and none that was, on something at least."""
        return self.served and not self.broken and not self.kept_unexpectedly

    def __bool__(self) -> bool:
        return self.passed

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        results = [{**asdict(result), "outcome": str(result.outcome)} for result in self.results]
        return {
            "backend": self.backend,
            "passed": self.passed,
            "broken": list(self.broken),
            "kept_unexpectedly": self.kept_unexpectedly,
            "expected_failures": dict(self.expected_failures),
            "results": results,
        }

    def __str__(self) -> str:
        counts: dict[str, Counter[Outcome]] = {}
        for result in self.results:
            counts.setdefault(result.law, Counter())[result.outcome] += 1
        rows = [[law, *(str(count[outcome]) for outcome in Outcome)] for law, count in counts.items()]
        parts = [
            f"{self.backend}: {'every law is kept' if self.passed else 'not every law is kept'}.",
            format_table(["law", *Outcome], rows, right=[1, 2, 3]),
        ]
        for law, results in self.broken.items():
            shown = [f"  {result.scenario}, {result.dtype}: {result.complaint}" for result in results[:SHOWN]]
            more = [f"  … and {len(results) - SHOWN} more."] if len(results) > SHOWN else []
            parts.append("\n".join([f"{law} is broken:", *shown, *more]))
        parts += [f"{law} was expected to be broken, and is kept." for law in self.kept_unexpectedly]
        parts += [
            f"{law} is broken as expected: {reason}"
            for law, reason in self.expected_failures.items()
            if law not in self.kept_unexpectedly
        ]
        if not self.served:
            parts.append("It refuses every problem.")
        return "\n\n".join(parts)

    def __repr__(self) -> str:
        return f"<Report on {self.backend}: {'passed' if self.passed else 'failed'}, {len(self.results)} results>"
