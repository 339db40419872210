"""The sum over paths, Equation (53): every path from one weight to the outputs."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np

from formulations.explanation.counts import multiplications
from formulations.explanation.equations import Equation
from formulations.explanation.operands import Operand, Piece, Quantities
from formulations.explanation.template import Path, Step

__all__ = ["path_step"]

MOST = 12


def path_step(equation: Equation, quantities: Quantities) -> Step:
    """Write (53) for the first weight of layer 2: a row for each path, then their sum.

    Parameters
    ----------
    equation : Equation
        Equation (53).
    quantities : Quantities
        The numbers.

    Returns
    -------
    Step
    """
    sizes, last = quantities.tape.network.layout.sizes, quantities.last
    count = prod(sizes[2:])
    weight = quantities.operand("dw", 2, (1, 1))
    symbols = (Operand(equation.latex),)
    there_are = f"From w²₁₁ there are {count} paths to the cost"
    if quantities.m > 1 or count > MOST or quantities.tape.combined is not None:
        return Step(equation.number, equation.says, symbols, remarks=(f"{there_are}.",))
    rows: list[tuple[Piece, ...]] = []
    terms: list[Piece] = []
    paths: list[Path] = []
    for ends in product(*(range(1, n + 1) for n in sizes[2:])):
        neurons = (1, *ends)
        factors = [quantities.operand("da", last, (neurons[-1],))]
        for l in range(last, 2, -1):
            j, k = neurons[l - 2], neurons[l - 3]
            factors += [quantities.operand("slope", l, (j,)), quantities.operand("w", l, (j, k))]
        factors += [quantities.operand("slope", 2, (1,)), quantities.operand("a", 1, (1,))]
        term = np.full((1, 1), prod(float(factor.value[0, 0]) for factor in factors if factor.value is not None))
        path = Operand(r"\to".join(map(str, neurons)), term)
        terms += ["+", path]
        paths.append(Path(tuple(enumerate((1, *neurons), start=1)), float(term[0, 0])))
        rows.append((path, "=", *factors, "=", path))
    rows.append((weight, "=", *terms[1:], "=", weight))
    remarks = (f"{there_are}, named by their neurons from layer 2 on.",)
    count = multiplications(rows)
    return Step(equation.number, equation.says, symbols, tuple(rows), remarks, count, paths=tuple(paths))
