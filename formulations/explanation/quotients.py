"""Quotients of differences, Equation (46) and the demon's: the first few with their numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from formulations.arrays import Array, Layout
from formulations.backends import Backend, Scheme, steps
from formulations.equations import Equation
from formulations.explanation.operands import Operand, Piece, Quantities
from formulations.explanation.template import Step
from formulations.network import Network, Tape, forward

__all__ = ["error_quotients", "parameter_quotients"]

FEW = 3
MOST_NEURONS = 6
DIGITS = 13
"""The costs before and after differ in their last digits only."""


def parameter_quotients(equation: Equation, backend: Backend, quantities: Quantities) -> Step:
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
    difference = backend.difference()
    if difference is None:
        return Step(equation.number, equation.says, (Operand(equation.latex),))
    theta = tape.network.vector
    few = min(FEW, tape.network.layout.slices[0][0].stop)
    wanted = steps(theta[:few], difference.scheme, difference.relative_step)
    rows = []
    for i, h in enumerate(wanted):
        derivative = quantities.operand("dw", 2, _place(tape.network.layout, i))
        cost_at = partial(_cost, tape, i)
        if difference.scheme.reach > 1:
            near, far = ((cost_at(step) - cost_at(-step)) / (step + step) for step in (h, h + h))
            quotient: tuple[Piece, ...] = (
                "(", Operand("4", _number(4)), Operand("D(h)", _number(near), DIGITS), "−",
                Operand("D(2h)", _number(far), DIGITS), ")", "/", Operand("3", _number(3)),
            )  # fmt: skip
        else:
            quotient = _quotient(cost_at, h, difference.scheme, "C(w + h e_j)", "C(w - h e_j)", "C(w)")
        rows.append((derivative, "≈", *quotient, "≈", derivative))
    says = f"{equation.says} The first {len(rows)} of {len(theta)} parameters, with the "
    if difference.scheme.reach > 1:
        says += "central quotients D(h) and D(2h) of either step."
    else:
        says += "costs that their changes give; the last digits of the costs decide."
    return Step(equation.number, says, (Operand(_scheme_latex(equation.latex, difference.scheme)),), tuple(rows))


def error_quotients(equation: Equation, backend: Backend, quantities: Quantities, l: int) -> Step:
    """Write the demon's quotients for the neurons of layer l, of the first example.

    Parameters
    ----------
    equation : Equation
        The quotient.
    backend : Backend
        Whose scheme and step are taken.
    quantities : Quantities
        The numbers.
    l : int
        The layer.

    Returns
    -------
    Step
    """
    difference = backend.difference()
    if difference is None:
        return Step(equation.number, equation.says, (Operand(equation.latex),))
    tape, network = quantities.tape, quantities.tape.network
    recorded = tape.weighted_inputs[l - 2][:1]
    shown = recorded.shape[1] if recorded.shape[1] <= MOST_NEURONS else FEW
    identity = np.eye(recorded.shape[1], dtype=network.dtype)
    # The layers from l on, behind a layer that hands z^l on as it is.
    rest = Network(
        [identity, *network.weights[l - 1 :]],
        [0 * recorded[0], *network.biases[l - 1 :]],
        network.activations[l - 2 :],
    )
    rows = []
    for j, h in enumerate(steps(recorded[0, :shown], difference.scheme, difference.relative_step)):

        def cost_at(change: float, j: int = j) -> float:
            z = recorded.copy()
            z[0, j] += change
            return float(rest.forward(z, tape.targets[:1], cost=tape.known_cost).cost_value)

        ahead, behind = "C(z^l_j + h)", "C(z^l_j - h)"
        quotient = _quotient(cost_at, h, difference.scheme, ahead, behind, "C(z^l_j)")
        delta = quantities.operand("delta", l, (j + 1,))
        mean = (f"/ {quantities.m}",) if quantities.m > 1 else ()
        rows.append((delta, "≈", *quotient, *mean, "≈", delta))
    says = equation.says if shown == recorded.shape[1] else f"{equation.says} The first {shown} neurons."
    if quantities.m > 1:
        says += f" The numbers are those of example 1 of {quantities.m}."
    latex = _scheme_latex(equation.latex, difference.scheme)
    return Step(equation.number, says, (Operand(latex.replace("^l", f"^{{{l}}}")),), tuple(rows))


def _quotient(
    cost_at: Callable[[float], float], h: float, scheme: Scheme, ahead: str, behind: str, middle: str
) -> tuple[Piece, ...]:
    """Return the pieces of a forward or a central quotient."""
    forward = scheme.order == 1
    return (
        "(", Operand(ahead, _number(cost_at(h)), DIGITS), "−",
        Operand(middle if forward else behind, _number(cost_at(0 * h if forward else -h)), DIGITS), ")", "/",
        Operand("h" if forward else "2h", _number(h if forward else h + h)),
    )  # fmt: skip


def _scheme_latex(latex: str, scheme: Scheme) -> str:
    """Write a forward quotient, as the book has it, as the one that the scheme takes."""
    if scheme.order == 1:
        return latex
    left, right = latex.split(r" \approx \frac{")
    ahead = right.split(" - ")[0]
    central = rf"\frac{{{ahead} - {ahead.replace('+', '-')}}}{{2h}}"
    if scheme.reach == 1:
        return rf"{left} \approx {central}"
    return rf"{left} \approx \frac{{4 D(h) - D(2h)}}{{3}}, \quad D(h) = {central}"


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
    forward(network, fresh, slopes=False)
    return fresh.cost_value  # type: ignore[no-any-return]


def _number(value: float) -> Array:
    return np.full((1, 1), value)
