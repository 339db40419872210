"""Explanations as plain text, for a terminal of 80 columns or more, of which 100 are used."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from formulations.display import terminal_width
from formulations.explanation.operands import DIGITS, Operand, Piece
from formulations.explanation.story import Stage, Story
from formulations.explanation.template import Step

__all__ = ["as_text", "dotted", "entry", "join", "scalar_lines", "shape"]

LEAST, WIDTH = 80, 100
"""Columns of text: what matrices of six columns need, and what is used at most."""
GAP = "  │  "
INDENT = "    "
TIGHT_AFTER = ("(", "‖", "σ", "½")
TIGHT_BEFORE = (")", "‖²")


def as_text(story: Story) -> str:
    """Return the whole story, a stage after the other, as wide as the terminal allows."""
    width = min(max(terminal_width(), LEAST), WIDTH)
    lines = [line for part in (story.title, *story.notes) for line in textwrap.wrap(part, width)] + [""]
    for stage in story.stages:
        lines += [stage.title, "─" * len(stage.title), *_stage(stage, story, width), ""]
    return "\n".join(line.rstrip() for line in lines).rstrip()


def _stage(stage: Stage, story: Story, width: int) -> list[str]:
    alone = stage.shared or len(stage.columns) == 1
    says = width - 10 if alone else width // 2 - 2
    columns = [
        [line for step in column for line in (*_step(step, story.numbers, width, says), "")][:-1]
        for column in stage.columns
    ]
    if alone:
        return columns[0]
    labelled = [[f"{name}:", *column] for name, column in zip(story.backends, columns, strict=True) if column]
    widths = [max(map(len, column)) for column in labelled]
    if len(labelled) == 2 and sum(widths) + len(GAP) <= width:
        left, right = labelled
        height = max(len(left), len(right))
        padded = zip(left + [""] * (height - len(left)), right + [""] * (height - len(right)), strict=True)
        return [f"{first:{widths[0]}}{GAP}{second}" for first, second in padded]
    return [line for column in labelled for line in (*column, "")][:-1]


def _step(step: Step, numbers: bool, width: int, says: int) -> list[str]:
    number = f"({step.equation})" if step.equation else ""
    lines = [f"{number:6} {join(step.symbols)}"]
    if len(lines[0]) > width:
        lines = textwrap.wrap(lines[0], width, subsequent_indent=" " * 7)
    if len(step.rows) != 1 or step.remarks or not step.equation:
        lines += [INDENT + line for line in textwrap.wrap(step.text, says)]
    if numbers:
        for row in step.rows:
            lines += [INDENT + line for line in _row(row, width)]
        return lines
    if len(step.rows) == 1:
        lines += [INDENT + line for line in _wrapped([shape(piece) for piece in step.rows[0][1:]], width)]
    elif step.rows:
        lines.append(f"{INDENT}{len(step.rows)} components")
    if step.multiplications:
        lines.append(f"{INDENT}{step.multiplications:,} multiplications")
    return lines


def join(pieces: Sequence[Piece]) -> str:
    """Write symbols and operators on one line."""
    line = ""
    before = "("
    for piece in pieces:
        text = piece.text if isinstance(piece, Operand) else piece
        tight = before in TIGHT_AFTER or text in TIGHT_BEFORE or text.startswith("/")
        line += text if tight else f" {text}"
        before = text
    return line


def dotted(row: Sequence[Piece]) -> list[Piece]:
    """Put a point between numbers that are multiplied."""
    found: list[Piece] = []
    for piece in row:
        number = isinstance(piece, Operand) and piece.is_scalar
        if found and (number or piece == "(" or piece == "ln"):
            before = found[-1]
            if before == ")" or (isinstance(before, Operand) and before.is_scalar):
                found.append("·")
        found.append(piece)
    return found


def entry(value: Any, digits: int = DIGITS) -> str:
    """Write a number with some digits.

    Examples
    --------
    >>> entry(0.123456), entry(0.0), entry(-1e-7)
    ('0.1235', '0', '-1e-07')
    """
    return f"{value:.{digits}g}" if value else "0"


def shape(piece: Piece) -> str:
    """Write a matrix as its shape, with its non-zeros where there are fewer than entries."""
    if isinstance(piece, str):
        return piece
    if piece.value is None or piece.is_scalar:
        return piece.text if piece.value is None else entry(piece.value[0, 0], piece.digits)
    rows, columns = piece.value.shape
    nonzeros = int((piece.value != 0).sum())
    full = columns == 1 or nonzeros == rows * columns
    return f"[{rows}×{columns}]" if full else f"[{rows}×{columns}, {nonzeros} non-zeros]"


def _row(row: Sequence[Piece], width: int) -> list[str]:
    """Write a row in numbers: on one line where all are scalars, else as matrices in brackets."""
    if all(isinstance(piece, str) or piece.is_scalar for piece in row):
        return scalar_lines(row, width)
    return _wrapped_blocks([_block(piece, width) for piece in row[1:]], row[1:], width)


def scalar_lines(row: Sequence[Piece], width: int = WIDTH) -> list[str]:
    """Write a row in which every operand is a single number."""
    pieces = dotted(row)
    first = row[0].text if isinstance(row[0], Operand) else str(row[0])
    return _wrapped([first, *(_scalar(piece, pieces[i]) for i, piece in enumerate(pieces[1:]))], width)


def _scalar(piece: Piece, before: Piece) -> str:
    if isinstance(piece, str) or piece.value is None:
        return str(piece)
    text = entry(piece.value[0, 0], piece.digits)
    return f"({text})" if text.startswith("-") and before in ("+", "−", "·", "ln") else text


def _wrapped(words: Sequence[str], width: int) -> list[str]:
    """Join words, and begin a line anew before a sign where the part up to the next one would not fit."""
    limit = width - 2 * len(INDENT)
    parts: list[list[str]] = [[]]
    before = "("
    for word in words:
        close = before in (*TIGHT_AFTER, "·") or word in (*TIGHT_BEFORE, "·")
        if word in ("=", "+", "≈"):
            parts.append([])
        if close and parts[-1]:
            parts[-1][-1] += word
        else:
            parts[-1].append(word)
        before = word
    lines = [""]
    for part in parts:
        whole = " ".join(part)
        for piece in [whole] if len(INDENT) + len(whole) <= limit else part:
            if lines[-1] and len(lines[-1]) + 1 + len(piece) > limit:
                lines.append(f"{INDENT}{piece}")
            else:
                lines[-1] += f" {piece}" if lines[-1] else piece
    return lines


def _block(piece: Piece, width: int) -> list[str]:
    """Draw one piece as lines of equal length; a matrix that is too wide as its shape."""
    if isinstance(piece, str):
        return [piece]
    if piece.value is None:
        return [piece.text]
    if piece.is_scalar:
        return [entry(piece.value[0, 0], piece.digits)]
    cells = [[entry(number, piece.digits) for number in line] for line in piece.value]
    widths = [max(len(line[k]) for line in cells) for k in range(len(cells[0]))]
    lines = ["  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True)) for line in cells]
    if len(lines[0]) > width - 2 * len(INDENT):
        return [shape(piece)]
    if len(lines) == 1:
        return [f"[{lines[0]}]"]
    ends = [("⎡", "⎤"), *[("⎢", "⎥")] * (len(lines) - 2), ("⎣", "⎦")]
    return [left + line + right for line, (left, right) in zip(lines, ends, strict=True)]


TALL = {"(": ("⎛", "⎜", "⎝"), ")": ("⎞", "⎟", "⎠")}


def _wrapped_blocks(blocks: list[list[str]], pieces: Sequence[Piece], width: int) -> list[str]:
    """Set blocks beside each other, centred, and begin anew where they are too wide, first at equals signs."""
    limit, height = width - 2 * len(INDENT), max(map(len, blocks))
    lines, part = [], [""] * height
    before = "("
    for i, (block, piece) in enumerate(zip(blocks, pieces, strict=True)):
        drawn = _tall(str(piece), height) if isinstance(piece, str) and piece in TALL else _centred(block, height)
        tight = before in TIGHT_AFTER or piece in TIGHT_BEFORE
        if i and not tight and len(part[0]) + _until_next(blocks, pieces, i) > limit:
            lines += part
            part, tight = [""] * height, True
        part = [line + ("" if tight or not line else " ") + more for line, more in zip(part, drawn, strict=True)]
        before = piece if isinstance(piece, str) else ""
    return [line.rstrip() for line in lines + part]


def _until_next(blocks: list[list[str]], pieces: Sequence[Piece], i: int) -> int:
    """Return the width up to where a line may end next: before an equals sign, or after an operand."""
    rest = pieces[i + 1 :]
    if pieces[i] == "=":
        end = next((k for k, piece in enumerate(rest) if piece == "="), len(rest))
    else:
        end = next((k + 1 for k, piece in enumerate(rest) if not isinstance(piece, str)), len(rest))
        end = end if isinstance(pieces[i], str) else 0
    return sum(len(block[0]) + 1 for block in blocks[i : i + 1 + end])


def _centred(block: list[str], height: int) -> list[str]:
    above = (height - len(block)) // 2
    blank = " " * len(block[0])
    return [*[blank] * above, *block, *[blank] * (height - len(block) - above)]


def _tall(sign: str, height: int) -> list[str]:
    if height == 1:
        return [sign]
    top, middle, bottom = TALL[sign]
    return [top, *[middle] * (height - 2), bottom]
