"""Operation counts: the multiplications of a step, from its shapes and its non-zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from formulations.explanation.operands import Operand, Piece
from formulations.explanation.template import Step

__all__ = ["step_multiplications"]

CLOSING = {"(": ")", "‖": "‖²"}


class _Size(NamedTuple):
    """What has been multiplied so far, and the size of the result."""

    multiplications: int
    shape: tuple[int, int]
    nonzeros: int


def step_multiplications(step: Step) -> int | None:
    """Count the multiplications of a step, products taken from the right; None where it has no product picture."""
    if not step.rows or any("≈" in row for row in step.rows):
        return None
    total = 0
    for row in step.rows:
        right = row[2:]
        end = right.index("=") if "=" in right else len(right)
        total += _sum(right[:end]).multiplications
    return total * step.examples


def _sum(pieces: Sequence[Piece]) -> _Size:
    """Add the counts of terms between + and −, and of factors between ⊙."""
    terms: list[list[Piece]] = [[]]
    signs: list[str] = []
    for part in _grouped(pieces):
        if isinstance(part, str) and part in ("+", "−", "⊙"):
            signs.append(part)
            terms.append([])
        else:
            terms[-1].append(part)  # type: ignore[arg-type]
    sizes = [_product(term) for term in terms if term]
    largest = max(sizes, key=lambda size: size.shape[0] * size.shape[1])
    entrywise = signs.count("⊙") * largest.shape[0] * largest.shape[1]
    return _Size(sum(size.multiplications for size in sizes) + entrywise, largest.shape, largest.nonzeros)


def _product(factors: Sequence[object]) -> _Size:
    """Multiply from the right: a factor's non-zeros, times the columns of what stands behind it."""
    found: _Size | None = None
    for factor in reversed(factors):
        if isinstance(factor, str):
            continue
        size = _sum(factor) if isinstance(factor, list) else _size_of(factor)
        if found is None:
            found = size
        else:
            count = found.multiplications + size.multiplications + size.nonzeros * found.shape[1]
            shape = (size.shape[0], found.shape[1])
            found = _Size(count, shape, shape[0] * shape[1])
    return found or _Size(0, (1, 1), 1)


def _size_of(piece: object) -> _Size:
    if isinstance(piece, Operand) and piece.value is not None:
        rows, columns = piece.value.shape
        return _Size(0, (rows, columns), int(np.count_nonzero(piece.value)))
    return _Size(0, (1, 1), 1)


def _grouped(pieces: Sequence[Piece]) -> list[object]:
    """Return the pieces with each parenthesis as a list of its own."""
    stack: list[list[object]] = [[]]
    for piece in pieces:
        if isinstance(piece, str) and piece in CLOSING:
            stack.append([])
        elif isinstance(piece, str) and piece in CLOSING.values():
            inner = stack.pop()
            stack[-1].append(inner)
        else:
            stack[-1].append(piece)
    return stack[0]
