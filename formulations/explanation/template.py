"""Steps of a computation, written from the template of an equation in symbols and in numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from formulations.explanation.counts import multiplications
from formulations.explanation.equations import Equation
from formulations.explanation.operands import NAMES, Operand, Piece, Quantities

__all__ = ["Move", "Path", "Step", "Token", "first_example", "operand_names", "write"]

OPERAND = re.compile(
    rf"(?P<name>{'|'.join(NAMES)})(?::(?P<layer>[klL]|\d+)(?P<shift>[+-]1)?)?(?:_(?P<index>[a-z]+))?(?P<T>\.T)?"
)
SUM = re.compile(r"Σ_([a-z])")


class Path(NamedTuple):
    """A path through the network.

    Attributes
    ----------
    neurons : tuple of (int, int)
        The layer and the number of each neuron, from the input on.
    product : float
        The product of all rates along the path.
    """

    neurons: tuple[tuple[int, int], ...]
    product: float


@dataclass(frozen=True)
class Move:
    """A number that is moved to see how the cost changes.

    Attributes
    ----------
    name : str
        ``w``, ``b`` or ``z``.
    layer : int
        Its layer.
    index : tuple of int
        Its indices, from 1.
    costs : tuple of (float, float)
        By how much it is moved, and the cost there.
    quotient : float
        The estimate of the derivative.
    """

    name: str
    layer: int
    index: tuple[int, ...]
    costs: tuple[tuple[float, float], ...]
    quotient: float


@dataclass(frozen=True)
class Step:
    """One equation of one layer.

    Attributes
    ----------
    equation : str
        The equation's number; empty for a step that no equation of the table describes.
    says : str
        One sentence about the equation.
    symbols : tuple of Operand and str
        The equation with the layer's number put in.
    rows : tuple of tuples of Operand and str
        The equation in numbers, with the result last; an equation of components has a row for each.
    remarks : tuple of str
        Sentences about this step, such as which equation it replaces.
    multiplications : int or None
        The multiplications of all rows and examples; None if the step is not written as products.
    paths : tuple of Path
        The paths whose products the rows show.
    moves : tuple of Move
        The numbers that are moved for the quotients that the rows show.
    """

    equation: str
    says: str
    symbols: tuple[Piece, ...]
    rows: tuple[tuple[Piece, ...], ...] = ()
    remarks: tuple[str, ...] = ()
    multiplications: int | None = None
    paths: tuple[Path, ...] = ()
    moves: tuple[Move, ...] = ()

    @property
    def left(self) -> Operand | None:
        """The left side of the equation."""
        first = self.symbols[0] if self.symbols else None
        return first if isinstance(first, Operand) else None

    @property
    def text(self) -> str:
        """All that is said about the step."""
        return " ".join((self.says, *self.remarks))


@dataclass(frozen=True)
class Token:
    """An operand or an operator of a template.

    Attributes
    ----------
    sign : str
        The operator; empty for an operand.
    name : str
        The operand's name in :data:`~formulations.explanation.operands.NAMES`; empty for an operator.
    layer : int or None
        The operand's layer.
    index : str
        The letters that count its components.
    transposed : bool
        Whether the operand is transposed.
    sum : str
        The letter over which an operator sums.
    """

    sign: str = ""
    name: str = ""
    layer: int | None = None
    index: str = ""
    transposed: bool = False
    sum: str = ""


@lru_cache
def operand_names(template: str) -> frozenset[str]:
    """Return the names of the operands of a template."""
    return frozenset(token.name for token in _read(template, 2, 3, several=True) if token.name)


def write(equation: Equation, quantities: Quantities, l: int, remarks: tuple[str, ...] = ()) -> Step:
    """Write an equation for layer l, first in symbols, then in numbers.

    Parameters
    ----------
    equation : Equation
        An equation that has a template.
    quantities : Quantities
        The numbers.
    l : int
        The layer.
    remarks : tuple of str
        Sentences about the step.

    Returns
    -------
    Step
        Without rows if one of the operands has no numbers.
    """
    m = quantities.m
    tokens = _read(equation.template, l, quantities.last, several=m > 1)
    if quantities.tape.combined is not None:
        tokens = _from_combined_error(tokens, quantities.last)
    if (factor := quantities.tape.known_cost.factor) != 1 and _of_unscaled_cost(equation) and len(tokens) > 2:
        tokens = [*tokens[:2], *map(Token, (str(factor), "·", "(")), *tokens[2:], Token(")")]
        remarks = (*remarks, f"The cost has the factor {factor}.")
    symbols = tuple(_piece(token, quantities, {}) for token in tokens)
    left = tokens[0]
    if not _has_numbers(tokens, quantities):
        return Step(equation.number, equation.says, symbols, remarks=remarks)
    count = len(quantities.tape.weighted_inputs[l - 2][0]) if left.index else 1
    # A mean over several examples is not written out in components.
    summed = any(token.sum for token in tokens) and not left.index and m > 1
    rows = []
    for j in range(1, count + 1):
        at = dict.fromkeys(left.index, j)
        computed = _piece(left, quantities, at)
        right = () if summed else tuple(_expanded(tokens[2:], quantities, at))
        if len(right) == 1 and isinstance(right[0], Operand):
            # The step only renames an operand, whose numbers would be shown twice.
            right = ()
        right = tuple(f"/ {m}" if piece == "/m" else piece for piece in right)
        rows.append((computed, "=", *right, *(("=",) if right else ()), computed))
    if left.index and m > 1:
        remarks = (*remarks, f"The numbers are those of example 1 of {m}.")
    counted = multiplications(rows, m if left.index else 1)
    return Step(equation.number, equation.says, symbols, tuple(rows), remarks, counted)


def _of_unscaled_cost(equation: Equation) -> bool:
    """Whether an equation writes out C_x or its derivative, and so leaves out the cost's factor."""
    return equation.scope in ("cost", "mean", "combined") or equation.number == "30"


def first_example(step: Step, m: int) -> Step:
    """Return a step in which every batch is reduced to its first example, whose Σ′ is the one shown."""

    def reduced(piece: Piece) -> Piece:
        if isinstance(piece, str) or piece.value is None or piece.name not in ("delta", "nabla"):
            return piece
        return replace(piece, value=piece.value[:, :1], axes=(piece.axes[0], ("examples", 1)))

    rows = tuple(tuple(map(reduced, row)) for row in step.rows)
    remark = f"Each example has its own Σ′; the numbers are those of example 1 of {m}."
    return Step(step.equation, step.says, step.symbols, rows, (*step.remarks, remark), multiplications(rows, m))


def _read(template: str, l: int, last: int, *, several: bool) -> list[Token]:
    """Read a template for layer l: repeat what stands in braces, and omit what only several examples need."""
    found: list[Token] = []
    repeated: list[str] | None = None
    for word in template.split():
        if word == "{":
            repeated = []
        elif word == "}":
            found += [_token(each, {"k": k}) for k in range(l, last) for each in repeated or ()]
            repeated = None
        elif repeated is not None:
            repeated.append(word)
        elif several or not word.startswith("?"):
            found.append(_token(word.removeprefix("?"), {"l": l, "L": last}))
    return found


def _token(word: str, layers: dict[str, int]) -> Token:
    if summed := SUM.fullmatch(word):
        return Token(word, sum=summed[1])
    parsed = OPERAND.fullmatch(word)
    if parsed is None:
        return Token(word)
    layer = parsed["layer"]
    number = None if layer is None else (layers.get(layer) or int(layer)) + int(parsed["shift"] or 0)
    return Token("", parsed["name"], number, parsed["index"] or "", parsed["T"] is not None)


def _from_combined_error(tokens: list[Token], last: int) -> list[Token]:
    """Start (35) from the combined error δ^L, which is what the backend does, instead of Σ′(z^L)ᵀ∇_aC."""
    names = [token.name for token in tokens]
    if names[-2:] != ["Sigma", "nabla"]:
        return tokens
    return [*tokens[:-2], Token("", "delta", last)]


def _piece(token: Token, quantities: Quantities, at: dict[str, int]) -> Piece:
    if not token.name:
        return token.sign
    index = [at.get(letter, letter) for letter in token.index]
    return quantities.operand(token.name, token.layer, index, transposed=token.transposed)


def _has_numbers(tokens: Sequence[Token], quantities: Quantities) -> bool:
    """Whether every operand has numbers; a component has them if its whole vector has."""
    first = {letter: 1 for token in tokens for letter in token.index}
    pieces = (_piece(token, quantities, first) for token in tokens)
    return all(isinstance(piece, str) or piece.value is not None for piece in pieces)


def _expanded(tokens: Sequence[Token], quantities: Quantities, at: dict[str, int]) -> Iterator[Piece]:
    """Yield the pieces of one row, with every sum over an index written out."""
    i = 0
    while i < len(tokens):
        k = tokens[i].sum
        if not k:
            yield _piece(tokens[i], quantities, at)
            i += 1
            continue
        end = _group_end(tokens, i + 1, k)
        group = tokens[i + 1 : end]
        yield "("
        for term in range(1, _range(group, k, quantities) + 1):
            if term > 1:
                yield "+"
            yield from (_piece(token, quantities, {**at, k: term}) for token in group)
        yield ")"
        i = end


def _group_end(tokens: Sequence[Token], start: int, k: str) -> int:
    """Return the end of the terms of a sum over k: a closing parenthesis, or the first token without an index k."""
    if tokens[start].sign == "(":
        depth = 0
        for i in range(start, len(tokens)):
            depth += {"(": 1, ")": -1}.get(tokens[i].sign, 0)
            if depth == 0:
                return i + 1
    for i in range(start, len(tokens)):
        if tokens[i].sign != "ln" and k not in tokens[i].index:
            return i
    return len(tokens)


def _range(group: Sequence[Token], k: str, quantities: Quantities) -> int:
    """Return the number of values of the index k: the length of the dimension that it counts."""
    for token in group:
        if k in token.index:
            whole = quantities.operand(token.name, token.layer)
            if whole.value is not None:
                return int(whole.value.shape[token.index.index(k)])
    return 0
