"""Explanations as plain text that fits the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from formulations.display import terminal_width
from formulations.explanation.operands import DIGITS, Operand, Piece
from formulations.explanation.story import Stage, Story
from formulations.explanation.template import Step

__all__ = ["as_text", "dotted", "entry", "join", "parenthesized"]

WIDTH = 100
"""The most columns of text."""
GAP = "  │  "
INDENT = "    "
TIGHT_AFTER = ("(", "‖", "σ", "½")
TIGHT_BEFORE = (")", "‖²")


def as_text(story: Story) -> str:
    """Return all stages as text, at most as wide as the terminal."""
    width = min(terminal_width(), WIDTH)
    lines = [line for part in (story.title, *story.notes) for line in textwrap.wrap(part, width)] + [""]
    for stage in story.stages:
        title = textwrap.wrap(stage.title, width)
        lines += [*title, "─" * max(map(len, title)), *_stage(stage, story, width), ""]
    return "\n".join(line.rstrip() for line in lines).rstrip()


def _stage(stage: Stage, story: Story, width: int) -> list[str]:
    if stage.shared or len(stage.columns) == 1:
        return _column(stage.columns[0], story.numbers, width, width - 10)
    labelled = [pair for pair in zip(story.backends, stage.columns, strict=True) if pair[1]]
    if len(labelled) == 2:
        left, right = (
            [f"{name}:", *_column(column, story.numbers, width, width // 2 - 6)] for name, column in labelled
        )
        widest = max(map(len, left))
        if widest + len(GAP) + max(map(len, right)) <= width:
            return [f"{first:{widest}}{GAP}{second}" for first, second in zip_longest(left, right, fillvalue="")]
    lines = []
    for name, column in labelled:
        lines += [*textwrap.wrap(f"{name}:", width), *_column(column, story.numbers, width, width - 10), ""]
    return lines[:-1]


def _column(steps: Sequence[Step], numbers: bool, width: int, says: int) -> list[str]:
    """Return the lines of some steps, whose sentences are at most as wide as ``says``."""
    return [line for step in steps for line in (*_step(step, numbers, width, says), "")][:-1]


def _step(step: Step, numbers: bool, width: int, says: int) -> list[str]:
    number = f"({step.equation})" if step.equation else ""
    lines = [f"{number:6} {join(step.symbols)}"]
    if len(lines[0]) > width:
        lines = textwrap.wrap(lines[0], width, subsequent_indent=" " * 7)
    if len(step.rows) != 1 or step.remarks or not step.equation:
        lines += [INDENT + line for line in textwrap.wrap(step.text, says)]
    if numbers:
        for row in step.rows:
            lines += [INDENT + line for line in _row(row, width - 2 * len(INDENT))]
        return lines
    if len(step.rows) == 1:
        lines += [INDENT + line for line in _wrapped(list(map(_shape, step.rows[0][1:])), width - 2 * len(INDENT))]
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
    """Put a dot between numbers that are multiplied."""
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
    """Write a number with a number of significant digits.

    Examples
    --------
    >>> entry(0.123456), entry(0.0), entry(-1e-7)
    ('0.1235', '0', '-1e-07')
    """
    return f"{value:.{digits}g}" if value else "0"


def _shape(piece: Piece) -> str:
    """Write a matrix as its shape, and its non-zeros if some entries are 0."""
    if isinstance(piece, str):
        return piece
    if piece.value is None or piece.is_scalar:
        return piece.text if piece.value is None else entry(piece.value[0, 0], piece.digits)
    rows, columns = piece.value.shape
    nonzeros = int((piece.value != 0).sum())
    full = columns == 1 or nonzeros == rows * columns
    return f"[{rows}×{columns}]" if full else f"[{rows}×{columns}, {nonzeros} non-zeros]"


def parenthesized(number: str, before: Piece) -> str:
    """Put a negative number behind an operator or a factor in parentheses."""
    return f"({number})" if number.startswith("-") and before not in ("=", "≈", "(", "‖") else number


def _row(row: Sequence[Piece], limit: int) -> list[str]:
    """Write a row in numbers: scalars on one line, matrices in brackets."""
    if all(isinstance(piece, str) or piece.is_scalar for piece in row):
        pieces = dotted(row)
        first = row[0].text if isinstance(row[0], Operand) else str(row[0])
        return _wrapped([first, *(_scalar(piece, pieces[i]) for i, piece in enumerate(pieces[1:]))], limit)
    return _wrapped_blocks([_block(piece, row[i], limit) for i, piece in enumerate(row[1:])], row[1:], limit)


def _scalar(piece: Piece, before: Piece) -> str:
    if isinstance(piece, str) or piece.value is None:
        return str(piece)
    return parenthesized(entry(piece.value[0, 0], piece.digits), before)


def _wrapped(words: Sequence[str], limit: int) -> list[str]:
    """Join words, and begin a new line before a sign if the part up to the next one would not fit."""
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
        # A part that is too long may end after any word, and a product after any dot.
        for piece in [whole] if len(INDENT) + len(whole) <= limit else whole.replace("·", "· ").split(" "):
            gap = "" if not lines[-1] or lines[-1].endswith("·") else " "
            if lines[-1] and len(lines[-1] + gap + piece) > limit:
                lines.append(INDENT + piece)
            else:
                lines[-1] += gap + piece
    return lines


def _block(piece: Piece, before: Piece, limit: int) -> list[str]:
    """Draw one piece as lines of equal length; the columns of a matrix that is too wide continue below."""
    if isinstance(piece, str):
        return [piece]
    if piece.value is None:
        return [piece.text]
    if piece.is_scalar:
        return [_scalar(piece, before)]
    cells = [[entry(number, piece.digits) for number in line] for line in piece.value]
    columns = [[f"{cell:>{max(map(len, column))}}" for cell in column] for column in zip(*cells, strict=True)]
    # An equals sign, σ and parentheses may stand on the same line.
    limit -= 3
    if sum(len(column[0]) + 2 for column in columns) - 2 > limit:
        limit -= len("⋯  ⋯")
    parts: list[list[list[str]]] = [[]]
    for column in columns:
        if parts[-1] and sum(len(each[0]) + 2 for each in parts[-1]) + len(column[0]) > limit:
            parts.append([])
        parts[-1].append(column)
    drawn = [
        [
            f"{'⋯ ' if i else ''}{'  '.join(line)}{' ⋯' if i < len(parts) - 1 else ''}"
            for line in zip(*part, strict=True)
        ]
        for i, part in enumerate(parts)
    ]
    widest = max(len(part[0]) for part in drawn)
    return [line for part in drawn for line in _bracketed([line.ljust(widest) for line in part])]


def _bracketed(lines: list[str]) -> list[str]:
    if len(lines) == 1:
        return [f"[{lines[0]}]"]
    ends = [("⎡", "⎤"), *[("⎢", "⎥")] * (len(lines) - 2), ("⎣", "⎦")]
    return [left + line + right for line, (left, right) in zip(lines, ends, strict=True)]


TALL = {"(": ("⎛", "⎜", "⎝"), ")": ("⎞", "⎟", "⎠")}


def _wrapped_blocks(blocks: list[list[str]], pieces: Sequence[Piece], limit: int) -> list[str]:
    """Set blocks side by side, and begin a new line if they are too wide, first at equals signs."""
    lines: list[list[int]] = [[]]
    width, before = 0, "="
    for i, piece in enumerate(pieces):
        fixed = _tight(before, piece) or before == "="
        if not fixed and width + _until_next(blocks, pieces, i) > limit:
            lines.append([])
            width = 0
        lines[-1].append(i)
        width += len(blocks[i][0]) + 1
        before = piece if isinstance(piece, str) else ""
    return [line for part in lines for line in _side_by_side([blocks[i] for i in part], [pieces[i] for i in part])]


def _side_by_side(blocks: list[list[str]], pieces: list[Piece]) -> list[str]:
    """Draw blocks on one line, centred, with parentheses as tall as the line."""
    height = max(map(len, blocks))
    lines, before = [""] * height, "("
    for block, piece in zip(blocks, pieces, strict=True):
        drawn = _tall(piece, height) if isinstance(piece, str) and piece in TALL else _centred(block, height)
        gap = "" if _tight(before, piece) else " "
        lines = [line + gap + more for line, more in zip(lines, drawn, strict=True)]
        before = piece if isinstance(piece, str) else ""
    return [line.rstrip() for line in lines]


def _tight(before: str, piece: Piece) -> bool:
    return before in TIGHT_AFTER or (isinstance(piece, str) and piece in TIGHT_BEFORE)


def _until_next(blocks: list[list[str]], pieces: Sequence[Piece], i: int) -> int:
    """Return the width up to the next possible end of a line: before an equals sign, or after an operand."""
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
