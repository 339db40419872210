"""Quotients of differences, Equation (46): the first few with their numbers."""

from __future__ import annotations

import numpy as np

from formulations.contract import Backend
from formulations.equations import Equation
from formulations.explain.operands import Operand, Piece, Quantities
from formulations.explain.template import Step
from formulations.parameters import Array, Layout
from formulations.perturb import steps
from formulations.tape import Tape

__all__ = ["quotient_step"]

FEW = 3
DIGITS = 13
"""The costs before and after differ in their last digits only."""


def quotient_step(equation: Equation, backend: Backend, quantities: Quantities) -> Step:
    """Write (46) for the first few parameters, with the costs before and after each change.

    Parameters
    ----------
    equation : Equation
        Equation (46).
    backend : Backend
        Whose scheme and step are taken.
    quantities : Quantities
        The numbers.

    Returns
    -------
    Step
    """
    tape = quantities.tape
    symbols = (Operand(equation.latex),)
    difference = backend.difference()
    if difference is None:
        return Step(equation.number, equation.says, symbols)
    theta = tape.network.vector
    few = min(FEW, tape.network.layout.slices[0][0].stop)
    wanted = steps(theta[:few], difference.scheme, difference.relative_step)
    rows = []
    for i, h in enumerate(wanted):
        forward = difference.scheme.order == 1
        ahead, behind = _cost(tape, i, h), _cost(tape, i, 0 * h if forward else -h)
        derivative = quantities.operand("dw", 2, _place(tape.network.layout, i))
        row: tuple[Piece, ...] = (
            derivative, "≈", "(", Operand("C(w + h e_j)", _number(ahead), DIGITS), "−",
            Operand("C(w)" if forward else "C(w - h e_j)", _number(behind), DIGITS), ")", "/",
            Operand("h" if forward else "2h", _number(h if forward else h + h)), "≈", derivative,
        )  # fmt: skip
        rows.append(row)
    count = len(theta)
    says = f"{equation.says} The first {len(rows)} of {count} parameters, with the costs that their changes give"
    says += "; the last digits of the costs decide." if difference.scheme.order < 3 else ", at the larger of its steps."
    return Step(equation.number, says, symbols, tuple(rows))


def _place(layout: Layout, i: int) -> tuple[int, int]:
    """Return row and column, counted from 1, of a parameter that is a weight of layer 2."""
    pattern = layout.patterns[0]
    if pattern is None:
        j, k = divmod(i, layout.shapes[0][1])
        return j + 1, k + 1
    return int(pattern.rows[i]) + 1, int(pattern.indices[i]) + 1


def _cost(tape: Tape, i: int, change: float) -> float:
    network = tape.network.copy()
    network.vector[i] += change
    fresh = Tape(network, tape.cost, tape.m)
    fresh.load(tape.X, tape.Y, tape.shares)
    network.propagate(fresh, slopes=False)
    return fresh.cost_value  # type: ignore[no-any-return]


def _number(value: float) -> Array:
    return np.full((1, 1), value)
