"""Explanations as LaTeX; the formulas also serve the HTML page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from formulations.explanation.equations import escape_latex
from formulations.explanation.operands import DIGITS, Operand, Piece
from formulations.explanation.story import Story
from formulations.explanation.template import Step
from formulations.explanation.text import dotted, entry, parenthesized

__all__ = ["as_latex", "number", "row_formula", "symbol_formula"]

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
    "Σ": r"$\Sigma$",
    "δ": r"$\delta$",
    "∂": r"$\partial$",
    "∇": r"$\nabla$",
    "→": r"$\to$",
    "x̃": r"$\tilde x$",
    "⊙": r"$\odot$",
    "⊗": r"$\otimes$",
    "−": "$-$",
    "×": r"$\times$",
}
SCRIPTS = {"^": "⁰¹²³⁴⁵⁶⁷⁸⁹", "_": "₀₁₂₃₄₅₆₇₈₉"}
PLAIN_DIGITS = str.maketrans("".join(SCRIPTS.values()), 2 * "0123456789")


def as_latex(story: Story) -> str:
    """Return a LaTeX document, which needs amsmath alone."""
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


def _step(step: Step, numbers: bool) -> Iterator[str]:
    rows = step.rows if numbers or len(step.rows) == 1 else ()
    tag = rf"\tag{{{_prose(step.equation)}}}" if step.equation else r"\notag"
    lines = [rf"&{symbol_formula(step.symbols)} {tag}"]
    lines += [rf"&\quad {' '.join(row_formula(row, numbers=numbers))} \notag" for row in rows]
    if step.multiplications and not numbers:
        lines[-1] += rf"\text{{ ({step.multiplications} multiplications)}}"
    yield from (_prose(step.text), r"\begin{align}", " \\\\\n".join(lines), r"\end{align}")


def symbol_formula(pieces: Sequence[Piece]) -> str:
    """Return the LaTeX of operands and operators."""
    return " ".join(map(_symbol, pieces))


def row_formula(row: Sequence[Piece], *, numbers: bool) -> list[str]:
    """Return the LaTeX of a row in numbers, in parts that begin at its equals signs, but for the first.

    Parameters
    ----------
    row : sequence of Operand and str
        The row.
    numbers : bool
        Whether matrices are written in numbers, or else as shapes.

    Returns
    -------
    list of str
    """
    pieces = dotted(row)
    parts = [[_symbol(row[0])]]
    for before, piece in pairwise(pieces):
        if piece in ("=", "≈") and len(parts[-1]) > 1:
            parts.append([])
        parts[-1].append(_value(piece, before, numbers))
    return [" ".join(part) for part in parts]


def _symbol(piece: Piece) -> str:
    if isinstance(piece, Operand):
        return piece.latex
    return OPERATORS.get(piece, piece.replace("Σ_", r"\sum_"))


def _value(piece: Piece, before: Piece, numbers: bool) -> str:
    if isinstance(piece, str) or piece.value is None:
        return _symbol(piece)
    if piece.is_scalar:
        return parenthesized(number(piece.value[0, 0], piece.digits), before)
    if not numbers:
        return _shape(piece.value)
    lines = r" \\ ".join(" & ".join(number(cell, piece.digits) for cell in line) for line in piece.value)
    return rf"\begin{{bmatrix}} {lines} \end{{bmatrix}}"


def _shape(matrix: Any) -> str:
    rows, columns = matrix.shape
    nonzeros = int((matrix != 0).sum())
    if columns == 1 or nonzeros == matrix.size:
        return rf"[{rows} \times {columns}]"
    return rf"[{rows} \times {columns},\ {nonzeros} \text{{ non-zeros}}]"


def number(value: Any, digits: int = DIGITS) -> str:
    r"""Write a number with a number of digits, and a power of ten as such.

    Examples
    --------
    >>> number(0.25), number(-1e-7)
    ('0.25', '-1 \\cdot 10^{-7}')
    """
    mantissa, e, exponent = entry(value, digits).partition("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if e else mantissa


def _prose(text: str) -> str:
    escaped = escape_latex(text)
    for script, digits in SCRIPTS.items():
        escaped = re.sub(f"[{digits}]+", rf"${script}{{\g<0>}}$", escaped)
    escaped = escaped.translate(PLAIN_DIGITS)
    for sign, command in PROSE.items():
        escaped = escaped.replace(sign, command)
    return escaped
