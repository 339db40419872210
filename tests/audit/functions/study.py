"""The study: every checker judges right gradients and wrong ones, and its false alarms and misses are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np

from formulations.display import format_table
from tests.audit.command import markdown_table
from tests.audit.functions.checkers import CERTIFY, CHECKERS, Case, Verdict, judge
from tests.audit.functions.faults import FAULTS, faults
from tests.audit.functions.function import FUNCTIONS

__all__ = ["Outcome", "Study", "claims", "outcomes", "study"]

RIGHT = ("equal", "false alarm", "undecided")
WRONG = ("told apart", "missed", "within its tolerance", "undecided or refused")


@dataclass(frozen=True)
class Outcome:
    """What one checker said of one gradient.

    Attributes
    ----------
    function, checker : str
        Their names.
    point : int
        The number of the point.
    fault : str or None
        The name of the planted fault; None for a right gradient.
    verdict : Verdict
        The answer.
    size : float
        The largest error of an entry, in units of the checker's own tolerance there; infinite if it has none.
    """

    function: str
    checker: str
    point: int
    fault: str | None
    verdict: Verdict
    size: float = float("inf")

    @property
    def alarm(self) -> bool:
        """Whether a right gradient was called different."""
        return self.fault is None and self.verdict is Verdict.DIFFERENT

    @property
    def missed(self) -> bool:
        """Whether a fault was not seen that is above the checker's own tolerance."""
        return self.fault is not None and self.verdict is Verdict.EQUAL and self.size > 1

    @property
    def passed(self) -> bool:
        """Whether a fault was not seen that is within the checker's own tolerance."""
        return self.fault is not None and self.verdict is Verdict.EQUAL and self.size <= 1


def claims(name: str) -> Iterator[tuple[Case, str | None, np.ndarray]]:
    """Yield the gradients of one function that are judged.

    Parameters
    ----------
    name : str
        A name in ``FUNCTIONS``.

    Yields
    ------
    (Case, str or None, ndarray)
        The point, the name of the planted fault, and the claimed gradient: the right one at every point, without the
        name of a fault; every fault at the first point, and where the gradient vanishes.
    """
    function = FUNCTIONS[name]
    cases = [Case(function, x) for x in function.points]
    size = float(np.max(np.abs(cases[0].gradient)))
    for case in cases:
        yield case, None, case.gradient
        if case is cases[0] or not np.any(case.gradient):
            for fault in faults(case.gradient, name, size):
                yield case, fault.name, fault.gradient


def outcomes(name: str, checkers: Sequence[str] = tuple(CHECKERS)) -> list[Outcome]:
    """Return the answers of checkers on one function."""
    found = []
    points: list[Case] = []
    for case, fault, claimed in claims(name):
        if fault is None:
            points.append(case)
        for checker in checkers:
            answer = judge(checker, case, claimed)
            size = float("inf")
            if answer.detectable is not None:
                error = np.abs(claimed.astype(np.float64) - case.gradient)
                with np.errstate(divide="ignore", invalid="ignore"):
                    size = float(np.max(np.where(error == 0, 0, error / answer.detectable)))
            found.append(Outcome(name, checker, len(points) - 1, fault, answer.verdict, size))
    return found


@dataclass(frozen=True)
class Study:
    """Every answer; true if ``certify_function`` raised no false alarm and missed no fault that it says it sees.

    Attributes
    ----------
    outcomes : tuple of Outcome
        One for each gradient and checker.
    """

    outcomes: tuple[Outcome, ...]

    @property
    def wrong(self) -> list[Outcome]:
        """The false alarms and misses of ``certify_function``."""
        return [each for each in self.outcomes if each.checker == CERTIFY and (each.alarm or each.missed)]

    def __bool__(self) -> bool:
        return bool(self.outcomes) and not self.wrong

    def of(self, checker: str, *, right: bool) -> list[Outcome]:
        """Return a checker's answers on the right or on the wrong gradients, where it can be applied."""
        return [
            each
            for each in self.outcomes
            if each.checker == checker and (each.fault is None) == right and each.verdict is not Verdict.NOT_APPLIED
        ]

    def apart(self, checker: str) -> list[Outcome]:
        """Return the faults that a checker calls different, where it accepts the right gradient."""
        accepts = {(e.function, e.point) for e in self.of(checker, right=True) if e.verdict is Verdict.EQUAL}
        return [
            each
            for each in self.of(checker, right=False)
            if each.verdict is Verdict.DIFFERENT and (each.function, each.point) in accepts
        ]

    def _rows(self) -> list[list[str]]:
        rows = []
        for checker in CHECKERS:
            right, faulty = (self.of(checker, right=r) for r in (True, False))
            alarms = sum(each.alarm for each in right)
            equal = sum(each.verdict is Verdict.EQUAL for each in right)
            apart, missed = len(self.apart(checker)), sum(each.missed for each in faulty)
            passed = sum(each.passed for each in faulty)
            counts = [equal, alarms, len(right) - equal - alarms]
            counts += [apart, missed, passed, len(faulty) - apart - missed - passed]
            rows.append([checker, *(f"{count:,}" for count in counts)])
        return rows

    def _faults(self) -> list[list[str]]:
        """For each fault, the share that each checker tells apart."""
        rows = []
        for fault in FAULTS:
            shares = []
            for checker in CHECKERS:
                planted = sum(each.fault == fault for each in self.of(checker, right=False))
                found = sum(each.fault == fault for each in self.apart(checker))
                shares.append(f"{100 * found / planted:.0f} %" if planted else "–")
            rows.append([fault, *shares])
        return rows

    def _sentences(self) -> str:
        functions = {each.function for each in self.outcomes}
        right, faulty = (len(self.of(CERTIFY, right=r)) for r in (True, False))
        said = [f"{len(functions)} functions, {right:,} right gradients, {faulty:,} wrong ones."]
        for each in self.wrong:
            what = f"missed {each.fault}" if each.missed else "called a right gradient different"
            said.append(f"{each.checker} {what}: {each.function}, point {each.point}.")
        return "\n".join(said)

    def _tables(self) -> list[tuple[list[str], list[list[str]]]]:
        counts = ["checker", *(f"right: {word}" for word in RIGHT), *(f"wrong: {word}" for word in WRONG)]
        return [(counts, self._rows()), (["told apart", *CHECKERS], self._faults())]

    def __str__(self) -> str:
        shown = [format_table(header, rows, right=range(1, len(header))) for header, rows in self._tables()]
        return "\n\n".join([*shown, self._sentences()])

    def to_markdown(self) -> str:
        """Return the counts and the tables in Markdown."""
        return "\n\n".join([self._sentences(), *(markdown_table(*table) for table in self._tables())])


def study(
    names: Iterable[str] | None = None,
    checkers: Sequence[str] = tuple(CHECKERS),
    *,
    executor: Executor | None = None,
    progress: Callable[[str], object] | None = None,
) -> Study:
    """Let checkers judge right and wrong gradients.

    Parameters
    ----------
    names : iterable of str, optional
        Names in ``FUNCTIONS``; by default all.
    checkers : sequence of str
        Names in ``CHECKERS``.
    executor : concurrent.futures.Executor, optional
        Runs the functions.
    progress : callable, optional
        Called with each function's name when it is done.

    Returns
    -------
    Study
    """
    found: list[Outcome] = []
    work = partial(outcomes, checkers=tuple(checkers))
    for each in (map if executor is None else executor.map)(work, list(FUNCTIONS) if names is None else list(names)):
        found += each
        if progress is not None:
            progress(each[0].function)
    return Study(tuple(found))
