"""The certificate: the verdict on a gradient, and where and why it is wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from formulations.display import Html, fitted, format_table, html_mark, html_table, html_text, html_view
from formulations.verification.certification.causes import Cause
from formulations.verification.tolerances import MARKS, RULES, EquationVerdict, Status

__all__ = ["Certificate"]

WORDS = {
    Status.EQUAL: "equal: this is the gradient, within roundoff.",
    Status.DIFFERENT: "different: this is not the gradient of this cost.",
    Status.INCONCLUSIVE: "inconclusive: roundoff hides whether this is the gradient.",
}

COUNTED = "Neurons, inputs and examples are counted from 0, layers from 1."

EQUAL_IN_PART = "equal: the parts given are those of this gradient, within roundoff."

WRONG_COST = "different: the cost is wrong, but the gradient is not different."


@dataclass(frozen=True)
class Certificate:
    """The result of :func:`formulations.certify`; printed, it shows where a mistake is.

    Neurons, inputs and examples are counted from 0, as Python's indices; layers from 1, as in the book.

    Attributes
    ----------
    title : str
        The network, the cost, the number of examples and the dtype in which the gradient was judged.
    status : Status
        ``equal``, ``different`` or ``inconclusive``.
    rule : str
        The bound that decided: ``"T1"``, ``"T2"``, ``"T3"``, ``"T4"`` or ``"P"``.
    ratio : float
        The largest residual in units of its bound; the gradient is different if it exceeds 1.
    difference : float
        The largest difference from the reference, over all weights and biases.
    layers : tuple of EquationVerdict
        The verdict on each equation in each layer, from the output backwards.
    reason : str
        One sentence unless equal.
    layer, equation : int and str, or None
        The place of the mistake: the first one, from the output backwards, that is different; ``"C"`` if only the cost
        is wrong.
    cause : Cause or None
        The likely mistake, if a known one explains the gradient.
    detectable : float
        The largest bound on an entry, relative to the largest entry of its layer; any fault above twice this is
        detected, whatever its entry.
    notes : tuple of str
        Other findings.
    cost : EquationVerdict or None
        The verdict on C, if the candidate includes it.
    not_judged : tuple of str
        The parts that the candidate lacks: ``"weights[0]"``, ``"biases[0]"``, …; the verdict is on the others.
    """

    title: str
    status: Status
    rule: str
    ratio: float
    difference: float
    layers: tuple[EquationVerdict, ...]
    reason: str
    layer: int | None
    equation: str | None
    cause: Cause | None
    detectable: float
    notes: tuple[str, ...] = ()
    cost: EquationVerdict | None = None
    not_judged: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether this is the gradient, within roundoff; the same as ``bool`` of the certificate."""
        return self.status is Status.EQUAL

    def __bool__(self) -> bool:
        return self.equal

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        plain = {**asdict(self), "equal": self.equal}
        claimed = [] if self.cost is None else [plain["cost"]]
        for entry in (plain, *plain["layers"], *claimed):
            entry["status"] = str(entry["status"])
        return plain

    def __str__(self) -> str:
        table = format_table(*self._table(), right=[0, 3, 6, 7], keys=2)
        return fitted("\n\n".join([self._words(), self._judged(), f"{table}\n\n{COUNTED}", *self._findings()]))

    def _repr_html_(self) -> str:
        header, rows = self._table()
        marks = [html_mark(line.status, MARKS[line.status]) for line in self._lines()]
        marked = [[*row[:2], mark, *row[3:]] for row, mark in zip(rows, marks, strict=True)]
        verdict, _, words = self._words().partition(":")
        return html_view(
            html_text(Html(f"{html_mark(verdict, MARKS[Status(verdict)])}:{escape(words)}"), "title"),
            html_text("\n".join(self._findings())),
            html_table(header, marked, right=[0, 3, 6, 7]),
            html_text(f"{self._judged()}\n{COUNTED}", "small"),
        )

    def _words(self) -> str:
        if self.equal and self.not_judged:
            return EQUAL_IN_PART
        return WRONG_COST if self.equation == "C" else WORDS[self.status]

    def _judged(self) -> str:
        rule = RULES[self.rule]
        tape = "on its own tape, " if rule.on_tape else ""
        return f"{self.title}; judged {tape}{rule.judges} ({rule.name})."

    def _findings(self) -> tuple[str, ...]:
        """Say where the mistake is, or which would have been found, what is not judged, and what else was found."""
        if self.status is Status.DIFFERENT:
            finding = self._place()
        elif self.status is Status.INCONCLUSIVE:
            finding = self.reason
        else:
            finding = (
                f"Any fault above {2 * self.detectable:.0e} of the largest entry of its layer would have been detected."
            )
        absent = f"Not given, and so not judged: {', '.join(self.not_judged)}."
        return finding, *([absent] if self.not_judged else []), *self.notes

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return the header and the rows of the table."""
        header = ["layer", "equation", "verdict", "of its bound", "worst entry", "where", "candidate", "expected"]
        return header, [
            [
                str(line.layer),
                line.equation,
                line.status,
                f"{line.ratio:.2g}",
                line.entry,
                line.where,
                f"{line.found:.9g}",
                f"{line.expected:.9g}",
            ]
            for line in self._lines()
        ]

    def _lines(self) -> tuple[EquationVerdict, ...]:
        """Return the verdicts of the table, a line each."""
        return self.layers if self.cost is None else (*self.layers, self.cost)

    def _place(self) -> str:
        if self.cost is not None and self.equation == "C":
            return f"The mistake is in the cost: C is {self.cost.found:.17g}, expected {self.cost.expected:.17g}."
        first = next(line for line in self.layers if line.status is Status.DIFFERENT and line.layer == self.layer)
        lines = [
            f"The mistake is in layer {self.layer}, ({self.equation}): {first.entry} ({first.where}) is "
            f"{first.found:.17g}, expected {first.expected:.17g}."
        ]
        if self.cost is not None and self.cost.status is Status.DIFFERENT:
            lines.append(f"The cost is wrong too: C is {self.cost.found:.17g}, expected {self.cost.expected:.17g}.")
        if self.cause is not None:
            lines.append(f"Likely cause: {self.cause}")
        else:
            lines.append("No known mistake explains the difference; start with the first line above that is different.")
        return "\n".join(lines)

    def __repr__(self) -> str:
        if self.status is not Status.DIFFERENT:
            return f"<Certificate: {self.status}; {self.title}>"
        cause = "" if self.cause is None else f", cause {self.cause.name}"
        return f"<Certificate: {self.status} in layer {self.layer}, ({self.equation}){cause}; {self.title}>"
