"""Explanations as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from formulations.explanation.counts import step_multiplications
from formulations.explanation.operands import DIGITS, Operand, Piece
from formulations.explanation.story import Story
from formulations.explanation.template import Step
from formulations.explanation.text import dotted, entry, shape

__all__ = ["as_latex", "number"]

OPERATORS = {
    "⊙": r"\odot",
    "−": "-",
    "·": r"\cdot",
    "σ": r"\sigma",
    "(": r"\left(",
    ")": r"\right)",
    "‖": r"\left\lVert",
    "‖²": r"\right\rVert^2",
    "½": r"\tfrac12",
    "ln": r"\ln",
    "≈": r"\approx",
}
PROSE = {
    "σ′": r"$\sigma'$",
    "Σ′": r"$\Sigma'$",
    "σ": r"$\sigma$",
    "δ": r"$\delta$",
    "∂": r"$\partial$",
    "→": r"$\to$",
    "x̃": r"$\tilde x$",
    "⊗": r"$\otimes$",
    "−": "$-$",
}
RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


def as_latex(story: Story) -> str:
    """Return a document that needs amsmath alone."""
    lines = [
        r"\documentclass{article}",
        r"\usepackage{amsmath}",
        r"\allowdisplaybreaks",
        r"\begin{document}",
        rf"\section*{{{_prose(story.title)}}}",
        *(_prose(note) for note in story.notes),
    ]
    for stage in story.stages:
        lines += ["", rf"\subsection*{{{_prose(stage.title)}}}"]
        columns = stage.columns[:1] if stage.shared else stage.columns
        for label, column in zip(story.backends, columns, strict=False):
            if len(columns) > 1 and column:
                lines.append(rf"\paragraph{{{_prose(label)}}}")
            for step in column:
                lines += _step(step, story.numbers)
    return "\n".join([*lines, r"\end{document}"])


def _step(step: Step, numbers: bool) -> list[str]:
    symbols = " ".join(map(_symbol, step.symbols))
    rows = [symbols]
    if numbers or len(step.rows) == 1:
        rows += [_row(row, numbers) for row in step.rows]
    count = None if numbers else step_multiplications(step)
    after = rf"\text{{ ({count} multiplications)}}" if count else ""
    tag = rf"\tag{{{step.equation}}}" if step.equation else r"\notag"
    body = " \\\\\n".join([f"&{rows[0]} {tag}", *(f"&\\quad {row} \\notag" for row in rows[1:])])
    return [_prose(step.says), r"\begin{align}", body + after, r"\end{align}"]


def _row(row: Sequence[Piece], numbers: bool) -> str:
    first = _symbol(row[0])
    return " ".join([first, *(_value(piece, numbers) for piece in dotted(row)[1:])])


def _symbol(piece: Piece) -> str:
    if isinstance(piece, Operand):
        return piece.latex
    return OPERATORS.get(piece, piece.replace("Σ_", r"\sum_"))


def _value(piece: Piece, numbers: bool) -> str:
    if isinstance(piece, str) or piece.value is None:
        return _symbol(piece)
    if piece.is_scalar:
        text = number(piece.value[0, 0], piece.digits)
        return rf"({text})" if text.startswith("-") else text
    if not numbers:
        return rf"\text{{{_prose(shape(piece))}}}"
    lines = r" \\ ".join(" & ".join(number(cell, piece.digits) for cell in line) for line in piece.value)
    return rf"\begin{{bmatrix}} {lines} \end{{bmatrix}}"


def number(value: Any, digits: int = DIGITS) -> str:
    r"""Write a number with some digits, a power of ten as such.

    Examples
    --------
    >>> number(0.25), number(-1e-7)
    ('0.25', '-1 \\cdot 10^{-7}')
    """
    mantissa, e, exponent = entry(value, digits).partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else mantissa


def _prose(text: str) -> str:
    escaped = re.sub(r"([_#%&])", r"\\\1", text)
    escaped = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda found: f"$^{{{found[0].translate(RAISED)}}}$", escaped)
    for sign, command in PROSE.items():
        escaped = escaped.replace(sign, command)
    return escaped.replace("×", r"$\times$")
