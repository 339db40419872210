"""The number of multiplications of an expression, from its shapes and non-zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from formulations.explanation.operands import Operand, Piece

__all__ = ["multiplications"]

CLOSING = {"(": ")", "‖": "‖²"}


class _Size(NamedTuple):
    """The multiplications so far, and the size of their result."""

    multiplications: int
    shape: tuple[int, int]
    nonzeros: int


def multiplications(rows: Sequence[Sequence[Piece]], examples: int = 1) -> int:
    """Count the multiplications of rows, whose products are taken from the right.

    Parameters
    ----------
    rows : sequence of sequences of Operand and str
        The left side, an equals sign, the right side and, after a second equals sign, the result.
    examples : int
        How many examples have such rows.

    Returns
    -------
    int
    """
    total = 0
    for row in rows:
        right = row[2:]
        end = right.index("=") if "=" in right else len(right)
        total += _sum(right[:end]).multiplications
    return total * examples


def _sum(pieces: Sequence[Piece]) -> _Size:
    """Add up the terms of a sum, or the factors of a Hadamard product."""
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
    """Multiply from the right: each factor costs its non-zeros times the columns of the product behind it."""
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
    """Return the pieces, with the contents of each parenthesis as a nested list."""
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
