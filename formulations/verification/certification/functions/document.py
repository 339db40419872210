"""The certificate of a function: the verdict on its claimed gradient, and the coordinates that decide it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from formulations.arrays import Array
from formulations.display import Html, counted, fitted, format_table, html_mark, html_table, html_text, html_view
from formulations.verification.tolerances import MARKS, Status

__all__ = ["CoordinateVerdict", "FunctionCertificate", "in_words"]

WORDS = {
    Status.EQUAL: "equal: at the steps taken, f has this {derivative}.",
    Status.DIFFERENT: "different: this is not the {derivative} of f.",
    Status.INCONCLUSIVE: "inconclusive: the values of f do not show whether this is its {derivative}.",
}


@dataclass(frozen=True)
class CoordinateVerdict:
    """The verdict on one partial derivative.

    Attributes
    ----------
    place : str
        The entry of x, such as ``"x['w'][0, 1]"``.
    output : int or None
        The value of f, counted from 0, if it returns several.
    status : Status
        ``different`` if claim and value differ by more than the bound, ``inconclusive`` if the bound is too wide.
    ratio : float
        Their difference in units of the bound.
    claimed, found : float
        The claimed derivative, and the one found from values of f.
    bound : float
        The bound of their difference.
    step : float
        The step h of the central quotients behind ``found``; NaN if no steps agree.
    reason : str
        One sentence unless equal.
    """

    place: str
    output: int | None
    status: Status
    ratio: float
    claimed: float
    found: float
    bound: float
    step: float
    reason: str


@dataclass(frozen=True, eq=False)
class FunctionCertificate:
    """The result of :func:`formulations.certify_function`; printed, it shows where a mistake is.

    Attributes
    ----------
    title : str
        The function's domain and dtype.
    status : Status
        ``equal``, ``different`` or ``inconclusive``.
    ratio : float
        The largest difference from a claimed derivative, in units of its bound.
    worst : tuple of CoordinateVerdict
        The coordinates or directions that decide, the worst first; at most five.
    reason : str
        One sentence unless equal.
    detectable : float
        The largest bound, relative to the largest one-sided quotient of its array, both multiplied by the scale of
        their coordinate, over all arrays that change f; any fault above twice this is detected in every coordinate of
        these. Infinite if f does not change. In each coordinate by itself, faults above ``2 * bounds`` are detected.
        Among many coordinates, the largest quotient of one is estimated from those along the directions.
    evaluations : int
        How often f was called.
    taylor : float
        The power of t with which f(x + tv) - f(x) - t ĝ·v falls along a random direction: 2 for most right gradients, 1
        for wrong ones. It is not judged; NaN if noise hides it.
    notes : tuple of str
        Other findings.
    claimed, found, bounds, steps : ndarray of shape (n,) or (k, n)
        The claimed derivatives, those found, the bounds of their differences and the steps h, for the entries of x in
        their order; NaN and infinity in entries that were not judged one by one.
    """

    title: str
    status: Status
    ratio: float
    worst: tuple[CoordinateVerdict, ...]
    reason: str
    detectable: float
    evaluations: int
    taylor: float
    notes: tuple[str, ...]
    claimed: Array
    found: Array
    bounds: Array
    steps: Array

    @property
    def equal(self) -> bool:
        """Whether this is the gradient at the steps taken; the same as ``bool`` of the certificate."""
        return self.status is Status.EQUAL

    def __bool__(self) -> bool:
        return self.equal

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        plain = {
            "title": self.title,
            "status": str(self.status),
            "equal": self.equal,
            "ratio": self.ratio,
            "worst": [{**asdict(line), "status": str(line.status)} for line in self.worst],
            "reason": self.reason,
            "detectable": self.detectable,
            "evaluations": self.evaluations,
            "taylor": self.taylor,
            "notes": list(self.notes),
        }
        arrays = ("claimed", "found", "bounds", "steps")
        return plain | {name: getattr(self, name).tolist() for name in arrays}

    def __str__(self) -> str:
        parts = [self._words(), self._judged()]
        if self.worst:
            header, rows = self._table()
            parts.append(format_table(header, rows, right=range(2, len(header)), keys=1))
        return fitted("\n\n".join([*parts, *self._findings()]))

    def _repr_html_(self) -> str:
        verdict, _, words = self._words().partition(":")
        header, rows = self._table()
        marks = [html_mark(line.status, MARKS[line.status]) for line in self.worst]
        marked = [[row[0], mark, *row[2:]] for row, mark in zip(rows, marks, strict=True)]
        return html_view(
            html_text(Html(f"{html_mark(verdict, MARKS[self.status])}:{escape(words)}"), "title"),
            html_text("\n".join(self._findings())),
            html_table(header, marked, right=range(2, len(header))) if rows else "",
            html_text(self._judged(), "small"),
        )

    def __repr__(self) -> str:
        where = f" in {_named(self.worst[0])}" if self.status is Status.DIFFERENT else ""
        return f"<FunctionCertificate: {self.status}{where}; {self.title}>"

    def _words(self) -> str:
        return WORDS[self.status].format(derivative="gradient" if self.claimed.ndim == 1 else "Jacobian")

    def _judged(self) -> str:
        return f"{self.title}; judged by {counted(self.evaluations, 'value')} of f."

    def _findings(self) -> tuple[str, ...]:
        """Say where the mistake is, or which would have been found, and what else was found."""
        finding = self.reason
        if self.status is Status.EQUAL:
            where = "f does not change at the steps taken;" if self.detectable == math.inf else "At the steps taken,"
            finding = f"{where} any fault above {2 * self.bounds.max():.1e} in a single derivative shows."
        slope = "" if math.isnan(self.taylor) else f"Taylor's remainder falls as t^{self.taylor:.2f} (not judged)."
        return finding, *self.notes, *([slope] if slope else [])

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return the header and the rows of the table."""
        header = ["where", "verdict", "of its bound", "claimed", "found", "bound", "step"]
        return header, [
            [
                _named(line),
                line.status,
                f"{line.ratio:.2g}",
                in_words(line.claimed, 9),
                in_words(line.found, 9),
                f"{line.bound:.1e}",
                f"{line.step:.1e}",
            ]
            for line in self.worst
        ]


def in_words(number: float, digits: int) -> str:
    """Return a number with so many significant digits, a minus sign instead of a hyphen, and zero without a sign.

    Examples
    --------
    >>> in_words(-302.5, 6), in_words(-0.0, 6)
    ('−302.5', '0')
    """
    return f"{'−' if number < 0 else ''}{abs(number):.{digits}g}"


def _named(line: CoordinateVerdict) -> str:
    return line.place if line.output is None else f"f[{line.output}], {line.place}"
