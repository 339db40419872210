"""Explanations as plain text, for a terminal of 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from formulations.explain.counts import step_multiplications
from formulations.explain.operands import Operand, Piece
from formulations.explain.story import Stage, Story
from formulations.explain.template import Step

__all__ = ["as_text", "dotted", "entry", "join", "scalar_lines", "shape"]

WIDTH = 100
GAP = "  │  "
INDENT = "    "
TIGHT_AFTER = ("(", "‖", "σ", "½")
TIGHT_BEFORE = (")", "‖²")


def as_text(story: Story) -> str:
    """Return the whole story, a stage after the other."""
    lines = [story.title, *(line for note in story.notes for line in textwrap.wrap(note, WIDTH)), ""]
    for stage in story.stages:
        lines += [stage.title, "─" * len(stage.title), *_stage(stage, story), ""]
    return "\n".join(line.rstrip() for line in lines).rstrip()


def _stage(stage: Stage, story: Story) -> list[str]:
    alone = stage.shared or len(stage.columns) == 1
    columns = [
        [line for step in column for line in (*_step(step, story.numbers, 90 if alone else 48), "")][:-1]
        for column in stage.columns
    ]
    if alone:
        return columns[0]
    labelled = [[f"{name}:", *column] for name, column in zip(story.backends, columns, strict=True) if column]
    widths = [max(map(len, column)) for column in labelled]
    if len(labelled) == 2 and sum(widths) + len(GAP) <= WIDTH:
        left, right = labelled
        height = max(len(left), len(right))
        padded = zip(left + [""] * (height - len(left)), right + [""] * (height - len(right)), strict=True)
        return [f"{first:{widths[0]}}{GAP}{second}" for first, second in padded]
    return [line for column in labelled for line in (*column, "")][:-1]


def _step(step: Step, numbers: bool, width: int) -> list[str]:
    number = f"({step.equation})" if step.equation else ""
    lines = [f"{number:6} {join(step.symbols)}"]
    if len(lines[0]) > WIDTH:
        lines = textwrap.wrap(lines[0], WIDTH, subsequent_indent=" " * 7)
    if len(step.rows) > 1 or _stands_in(step) or not step.rows or not step.equation:
        lines += [INDENT + line for line in textwrap.wrap(step.says, width)]
    if numbers:
        for row in step.rows:
            lines += [INDENT + line for line in _row(row)]
        return lines
    if len(step.rows) == 1:
        lines += [INDENT + line for line in _wrapped([shape(piece) for piece in step.rows[0][1:]])]
    elif step.rows:
        lines.append(f"{INDENT}{len(step.rows)} components")
    count = step_multiplications(step)
    if count:
        lines.append(f"{INDENT}{count:,} multiplications")
    return lines


def _stands_in(step: Step) -> bool:
    return "stands here" in step.says or "example 1" in step.says


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


def entry(value: Any, digits: int = 4) -> str:
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
        return piece.text if piece.value is None else entry(piece.value[0, 0])
    rows, columns = piece.value.shape
    nonzeros = int((piece.value != 0).sum())
    full = columns == 1 or nonzeros == rows * columns
    return f"[{rows}×{columns}]" if full else f"[{rows}×{columns}, {nonzeros} non-zeros]"


def _row(row: Sequence[Piece]) -> list[str]:
    """Write a row in numbers: on one line where all are scalars, else as matrices in brackets."""
    if all(isinstance(piece, str) or piece.is_scalar for piece in row):
        return scalar_lines(row)
    return _wrapped_blocks([_block(piece) for piece in row[1:]], row[1:])


def scalar_lines(row: Sequence[Piece]) -> list[str]:
    """Write a row in which every operand is a single number."""
    pieces = dotted(row)
    first = row[0].text if isinstance(row[0], Operand) else str(row[0])
    return _wrapped([first, *(_scalar(piece, pieces[i]) for i, piece in enumerate(pieces[1:]))])


def _scalar(piece: Piece, before: Piece) -> str:
    if isinstance(piece, str) or piece.value is None:
        return str(piece)
    text = entry(piece.value[0, 0], piece.digits)
    return f"({text})" if text.startswith("-") and before in ("+", "−", "·", "ln") else text


def _wrapped(words: Sequence[str]) -> list[str]:
    """Join words, and begin a line anew before a sign where the part up to the next one would not fit."""
    parts = [""]
    before = "("
    for word in words:
        close = before in (*TIGHT_AFTER, "·") or word in (*TIGHT_BEFORE, "·")
        if word in ("=", "+", "≈"):
            parts.append("")
        parts[-1] += word if close or not parts[-1] else f" {word}"
        before = word
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + 1 + len(part) > WIDTH - 2 * len(INDENT):
            lines.append(f"{INDENT}{part}")
        else:
            lines[-1] += f" {part}"
    return lines


def _block(piece: Piece) -> list[str]:
    """Draw one piece as lines of equal length."""
    if isinstance(piece, str):
        return [piece]
    if piece.value is None:
        return [piece.text]
    if piece.is_scalar:
        return [entry(piece.value[0, 0])]
    cells = [[entry(number) for number in line] for line in piece.value]
    widths = [max(len(line[k]) for line in cells) for k in range(len(cells[0]))]
    lines = ["  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True)) for line in cells]
    if len(lines) == 1:
        return [f"[{lines[0]}]"]
    ends = [("⎡", "⎤"), *[("⎢", "⎥")] * (len(lines) - 2), ("⎣", "⎦")]
    return [left + line + right for line, (left, right) in zip(lines, ends, strict=True)]


TALL = {"(": ("⎛", "⎜", "⎝"), ")": ("⎞", "⎟", "⎠")}


def _wrapped_blocks(blocks: list[list[str]], pieces: Sequence[Piece]) -> list[str]:
    """Set blocks beside each other, centred, and begin anew at an equals sign where they are too wide."""
    height = max(map(len, blocks))
    lines, part = [], [""] * height
    before = "("
    for i, (block, piece) in enumerate(zip(blocks, pieces, strict=True)):
        drawn = _tall(str(piece), height) if isinstance(piece, str) and piece in TALL else _centred(block, height)
        tight = before in TIGHT_AFTER or piece in TIGHT_BEFORE
        if piece == "=" and i and len(part[0]) + _until_next(blocks, pieces, i) > WIDTH - 2 * len(INDENT):
            lines += part
            part, tight = [""] * height, True
        part = [line + ("" if tight or not line else " ") + more for line, more in zip(part, drawn, strict=True)]
        before = piece if isinstance(piece, str) else ""
    return [line.rstrip() for line in lines + part]


def _until_next(blocks: list[list[str]], pieces: Sequence[Piece], i: int) -> int:
    rest = list(pieces[i + 1 :])
    end = i + 1 + (rest.index("=") if "=" in rest else len(rest))
    return sum(len(block[0]) + 1 for block in blocks[i:end])


def _centred(block: list[str], height: int) -> list[str]:
    above = (height - len(block)) // 2
    blank = " " * len(block[0])
    return [*[blank] * above, *block, *[blank] * (height - len(block) - above)]


def _tall(sign: str, height: int) -> list[str]:
    if height == 1:
        return [sign]
    top, middle, bottom = TALL[sign]
    return [top, *[middle] * (height - 2), bottom]
