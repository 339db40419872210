"""Templates: one equation's operands and operators, written out for one layer in symbols and in numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from formulations.equations import Equation
from formulations.explanation.operands import NAMES, Operand, Piece, Quantities

__all__ = ["Step", "write"]

OPERAND = re.compile(r"(?P<name>[A-Za-z]+)(?::(?P<layer>[lL]|\d+)(?P<shift>[+-]1)?)?(?:_(?P<index>[a-z]+))?(?P<T>\.T)?")
SUM = re.compile(r"Σ_([a-z])")


@dataclass(frozen=True)
class Step:
    """One equation of one layer.

    Attributes
    ----------
    equation : str
        Its number.
    says : str
        What it says, and what it stands for here.
    symbols : tuple of Operand and str
        The equation with the layer's number put in.
    rows : tuple of tuples of Operand and str
        The same with numbers, the result last; one for each component where it is an equation of components.
    examples : int
        How many examples have such rows; those of the first are shown.
    """

    equation: str
    says: str
    symbols: tuple[Piece, ...]
    rows: tuple[tuple[Piece, ...], ...] = ()
    examples: int = 1

    @property
    def left(self) -> Operand | None:
        """What the equation computes."""
        first = self.symbols[0] if self.symbols else None
        return first if isinstance(first, Operand) else None


def write(equation: Equation, quantities: Quantities, l: int, says: str = "") -> Step:
    """Write an equation for layer l, first in symbols, then in the numbers of each row.

    Parameters
    ----------
    equation : Equation
        One that has a template.
    quantities : Quantities
        Where the numbers are.
    l : int
        The layer.
    says : str
        What to say about it, if not what the equation says.

    Returns
    -------
    Step
    """
    tokens = _tokens(equation.template, quantities, l)
    symbols = tuple(_piece(token, quantities, l, {}) for token in tokens)
    left = OPERAND.fullmatch(tokens[0])
    component = (left["index"] if left else None) or ""
    says = says or equation.says
    if not _computed(symbols, tokens, quantities, l):
        return Step(equation.number, says, symbols)
    count = len(quantities.tape.weighted_inputs[l - 2][0]) if component else 1
    # The mean over several examples is no row of one example's components.
    summed = any(SUM.fullmatch(token) for token in tokens) and not component and quantities.m > 1
    rows = []
    for j in range(1, count + 1):
        at = dict.fromkeys(component, j)
        computed = _piece(tokens[0], quantities, l, at)
        right = () if summed else tuple(_expanded(tokens[2:], quantities, l, at))
        if len(right) == 1 and isinstance(right[0], Operand):
            # What is named anew is not computed, and would stand there twice.
            right = ()
        right = tuple(f"/ {quantities.m}" if piece == "/m" else piece for piece in right)
        rows.append((computed, "=", *right, *(("=",) if right else ()), _result(computed)))
    if component and quantities.m > 1:
        says += f" The numbers are those of example 1 of {quantities.m}."
        return Step(equation.number, says, symbols, tuple(rows), quantities.m)
    return Step(equation.number, says, symbols, tuple(rows))


def _result(computed: Piece) -> Operand:
    return computed if isinstance(computed, Operand) else Operand(computed)


def _tokens(template: str, quantities: Quantities, l: int) -> list[str]:
    """Repeat what stands in braces, and leave out what several examples alone need."""
    found: list[str] = []
    repeated: list[str] | None = None
    for token in template.split():
        if token == "{":
            repeated = []
        elif token == "}":
            for k in range(l, quantities.last):
                found += [each.replace(":k+1", f":{k + 1}").replace(":k", f":{k}") for each in repeated or ()]
            repeated = None
        elif repeated is not None:
            repeated.append(token)
        elif not token.startswith("?"):
            found.append(token)
        elif quantities.m > 1:
            found.append(token[1:])
    return found


def _piece(token: str, quantities: Quantities, l: int, at: dict[str, int]) -> Piece:
    parsed = OPERAND.fullmatch(token)
    if parsed is None or parsed["name"] not in NAMES:
        return token
    layer = parsed["layer"]
    number = None
    if layer is not None:
        base = {"l": l, "L": quantities.last}.get(layer) or int(layer)
        number = base + int(parsed["shift"] or 0)
    index = [at.get(letter, letter) for letter in parsed["index"] or ""]
    return quantities.operand(parsed["name"], number, index, transposed=parsed["T"] is not None)


def _computed(symbols: Sequence[Piece], tokens: Sequence[str], quantities: Quantities, l: int) -> bool:
    """Whether every operand has numbers; a component has them where its whole vector has."""
    first = {letter: 1 for token in tokens if (parsed := OPERAND.fullmatch(token)) for letter in parsed["index"] or ""}
    pieces = [_piece(token, quantities, l, first) for token in tokens]
    return all(isinstance(symbol, str) or (isinstance(piece, Operand) and piece.value is not None)
               for symbol, piece in zip(symbols, pieces, strict=True))  # fmt: skip


def _expanded(tokens: Sequence[str], quantities: Quantities, l: int, at: dict[str, int]) -> Iterator[Piece]:
    """Yield the pieces of one row, sums over an index written out."""
    i = 0
    while i < len(tokens):
        summed = SUM.fullmatch(tokens[i])
        if summed is None:
            yield _piece(tokens[i], quantities, l, at)
            i += 1
            continue
        k = summed[1]
        end = _group_end(tokens, i + 1, k)
        group, count = tokens[i + 1 : end], _range(tokens[i + 1 : end], k, quantities, l)
        yield "("
        for term in range(1, count + 1):
            if term > 1:
                yield "+"
            yield from (_piece(token, quantities, l, {**at, k: term}) for token in group)
        yield ")"
        i = end


def _group_end(tokens: Sequence[str], start: int, k: str) -> int:
    """Return where the terms of a sum over k end: at a parenthesis closed, or before what has no index k."""
    if tokens[start] == "(":
        depth = 0
        for i in range(start, len(tokens)):
            depth += {"(": 1, ")": -1}.get(tokens[i], 0)
            if depth == 0:
                return i + 1
    for i in range(start, len(tokens)):
        parsed = OPERAND.fullmatch(tokens[i])
        operand = parsed is not None and parsed["name"] in NAMES
        if tokens[i] != "ln" and not (operand and parsed is not None and k in (parsed["index"] or "")):
            return i
    return len(tokens)


def _range(group: Sequence[str], k: str, quantities: Quantities, l: int) -> int:
    """Return how many values the index k has: the length of the operand's dimension where it stands."""
    for token in group:
        parsed = OPERAND.fullmatch(token)
        if parsed is not None and parsed["name"] in NAMES and k in (parsed["index"] or ""):
            whole = _piece(token.replace(f"_{parsed['index']}", ""), quantities, l, {})
            if isinstance(whole, Operand) and whole.value is not None:
                return int(whole.value.shape[parsed["index"].index(k)])
    return 0
