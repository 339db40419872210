"""The steps of forward mode, for a change of one weight."""

from __future__ import annotations

from collections.abc import Iterator

from formulations.arrays import Array
from formulations.explanation.counts import multiplications
from formulations.explanation.equations import Equation
from formulations.explanation.operands import Axis, Operand, Piece, Quantities
from formulations.explanation.template import Step

__all__ = ["direction_steps"]


def direction_steps(equation: Equation, quantities: Quantities) -> Iterator[Step]:
    """Yield the steps of forward mode for the first weight of layer 2, if there is a single example.

    Parameters
    ----------
    equation : Equation
        The equation of forward mode.
    quantities : Quantities
        The numbers.

    Yields
    ------
    Step
        The equation, then each change that follows from that of the weight.
    """
    last, weight = quantities.last, quantities.operand("dw", 2, (1, 1))
    remarks = () if quantities.m > 1 else ("The numbers are those of ∂C/∂w²₁₁.",)
    yield Step(equation.number, equation.says, (Operand(equation.latex),), remarks=remarks)
    if quantities.m > 1:
        return
    combined = quantities.tape.combined is not None
    start = 0 * quantities.numbers("z", 2)
    start[0, 0] = quantities.numbers("a", 1)[0, 0]
    moved = Operand(r"\dot z^{2}", start, layer=2, axes=_column(2))
    yield _step("A change of one weight changes one weighted input.", moved)
    for l in range(2, last + 1 - combined):
        before, Sigma = moved, quantities.operand("Sigma", l)
        moved = _times(Sigma, before, rf"\dot a^{{{l}}}", l)
        yield _step("The slopes scale the change.", moved, Sigma, before)
        if l < last:
            before, w = moved, quantities.operand("w", l + 1)
            moved = _times(w, before, rf"\dot z^{{{l + 1}}}", l + 1)
            yield _step("The weights pass it on to the next layer.", moved, w, before)
    if combined:
        reached = quantities.operand("delta", last, transposed=True)
    else:
        reached = quantities.operand("nabla", None, transposed=True)
    yield _step("The change reaches the cost.", weight, reached, moved)


def _step(says: str, left: Operand, *right: Operand) -> Step:
    symbols: tuple[Piece, ...] = (left, "=", *right) if right else (left,)
    row: tuple[Piece, ...] = (left, "=", *right, "=", left) if right else (left, "=", left)
    return Step("", says, symbols, (row,), multiplications=multiplications([row]))


def _times(matrix: Operand, vector: Operand, latex: str, l: int) -> Operand:
    product: Array = matrix.value @ vector.value  # type: ignore[operator]
    return Operand(latex, product, layer=l, axes=_column(l))


def _column(l: int) -> tuple[Axis, Axis]:
    return ("neurons", l), ("examples", 1)
