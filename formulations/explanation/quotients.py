"""The difference quotients of a backend: Equation (46), and those of weighted inputs."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from formulations.backends import Backend, Extrapolation, Quotient, Scheme
from formulations.explanation.equations import Equation
from formulations.explanation.operands import MOST_NEURONS, Operand, Piece, Quantities
from formulations.explanation.template import Move, Step
from formulations.network import Tape, forward

__all__ = ["error_quotients", "parameter_quotients"]

FEW = 3
DIGITS = 13
"""The least number of digits of a cost: the costs of a quotient differ only in their last digits."""


def parameter_quotients(equation: Equation, backend: Backend, quantities: Quantities) -> Step:
    """Write (46) for the first few parameters, with the costs that the backend computes.

    Parameters
    ----------
    equation : Equation
        Equation (46).
    backend : Backend
        The backend.
    quantities : Quantities
        The numbers.

    Returns
    -------
    Step
        Without rows if the backend does not provide its quotients.
    """
    difference = backend.difference()
    if difference is None or difference.quotients is None:
        return _symbols_alone(equation)
    tape, network = quantities.tape, quantities.tape.network
    # The quotients overwrite the tape, so they get their own.
    own = Tape(network, tape.cost, tape.m)
    own.load(tape.X, tape.Y, tape.shares)
    backend.inner.ready(network, own)
    forward(network, own, slopes=False)
    layout = network.layout
    few = min(FEW, layout.count)
    rows, moves = [], []
    for i, quotient in enumerate(islice(difference.quotients(network, own), few)):
        kind, layer, indices = layout.indices(i)
        name = "dw" if kind == "weights" else "db"
        derivative = quantities.operand(name, layer + 2, [index + 1 for index in indices])
        rows.append((derivative, "≈", *_pieces(quotient), "≈", derivative))
        moves.append(_move(name[1:], derivative, quotient, difference.scheme))
    remarks = (
        () if few == layout.count else (f"The numbers are those of the first {few} of {layout.count} parameters.",)
    )
    latex = _quotient_latex(r"\frac{\partial C}{\partial w_j}", "w", "h e_j", difference.scheme)
    return Step(equation.number, equation.says, (Operand(latex),), tuple(rows), remarks, moves=tuple(moves))


def error_quotients(equation: Equation, backend: Backend, quantities: Quantities, l: int) -> Step:
    """Write the quotients of the neurons of layer l, for the first example.

    Parameters
    ----------
    equation : Equation
        The quotient.
    backend : Backend
        The backend.
    quantities : Quantities
        The numbers.
    l : int
        The layer.

    Returns
    -------
    Step
        Without rows if the backend does not provide its quotients.
    """
    difference = backend.difference()
    if difference is None or difference.quotients is None:
        return _symbols_alone(equation)
    tape, m = quantities.tape, quantities.m
    count = tape.network.layout.sizes[l - 1]
    shown = count if count <= MOST_NEURONS else FEW
    mean = (f"/ {m}",) if m > 1 else ()
    factor = tape.known_cost.factor
    scaled = () if factor == 1 else (str(factor), "·")
    rows, moves = [], []
    for j, quotient in enumerate(islice(difference.quotients(tape.network, tape, l), shown), start=1):
        delta = quantities.operand("delta", l, (j,))
        rows.append((delta, "≈", *scaled, *_pieces(quotient), *mean, "≈", delta))
        moves.append(_move("z", delta, quotient, difference.scheme))
    remarks = () if shown == count else (f"The numbers are those of the first {shown} of {count} neurons.",)
    if m > 1:
        remarks = (*remarks, f"The numbers are those of example 1 of {m}.")
    latex = _quotient_latex(rf"\delta^{{{l}}}_j", rf"z^{{{l}}}_j", "h", difference.scheme)
    return Step(equation.number, equation.says, (Operand(latex),), tuple(rows), remarks, moves=tuple(moves))


def _symbols_alone(equation: Equation) -> Step:
    return Step(equation.number, equation.says, (Operand(equation.latex),))


def _pieces(quotient: Quotient | Extrapolation) -> tuple[Piece, ...]:
    if isinstance(quotient, Extrapolation):
        near, far = (_number(each.value, DIGITS) for each in quotient)
        return ("(", _number(4), near, "−", far, ")", "/", _number(3))
    return (
        "(", _number(quotient.ahead, DIGITS), "−", _number(quotient.behind, DIGITS), ")", "/", _number(quotient.width)
    )  # fmt: skip


def _move(name: str, derivative: Operand, quotient: Quotient | Extrapolation, scheme: Scheme) -> Move:
    """Return what is moved for a quotient, of one for each example that of the first."""
    costs: list[tuple[float, float]] = []
    for each in (quotient,) if isinstance(quotient, Quotient) else quotient:
        ahead, behind, width = (float(np.ravel(value)[0]) for value in each)
        costs += [(width, ahead), (0.0, behind)] if scheme.order == 1 else [(width / 2, ahead), (-width / 2, behind)]
    index = tuple(i for i in derivative.index if isinstance(i, int))
    value = float(np.ravel(quotient.value)[0])
    return Move(name, derivative.layer or 0, index, tuple(costs), value)


def _number(value: Any, digits: int = 1) -> Operand:
    """Return a number; of one for each example, that of the first."""
    return Operand("", np.reshape(value, (-1, 1))[:1], digits)


def _quotient_latex(left: str, at: str, step: str, scheme: Scheme) -> str:
    """Write the quotient of a scheme."""
    ahead, behind = f"C({at} + {step})", f"C({at} - {step})"
    if scheme.order == 1:
        return rf"{left} \approx \frac{{{ahead} - C({at})}}{{h}}"
    central = rf"\frac{{{ahead} - {behind}}}{{2h}}"
    if scheme.reach == 1:
        return rf"{left} \approx {central}"
    return rf"{left} \approx \frac{{4 D(h) - D(2h)}}{{3}}, \quad D(h) = {central}"
