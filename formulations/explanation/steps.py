"""Steps: which equations a backend's gradient goes through, in the order in which they are computed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from formulations.backends import Backend
from formulations.equations import EQUATIONS, Equation
from formulations.explanation.directions import direction_steps
from formulations.explanation.operands import Operand, Quantities
from formulations.explanation.paths import path_step
from formulations.explanation.quotients import demon_step, quotient_step
from formulations.explanation.template import Step, write
from formulations.network import Network

__all__ = ["Position", "steps"]

_IN_PLACE = "By it the backend gets to the results that are shown below in the book's form."

Position = tuple[int, int, str]
"""Where a step stands: part of the algorithm, layer in the order of computation, and the title of both."""


def steps(backend: Backend, quantities: Quantities) -> Iterator[tuple[Position, Step]]:
    """Yield the steps of a backend, each with its place.

    The backend's declared equations decide; the forward pass and the cost, which all share, are added. Where cost
    and output activation have a combined form, its equation takes the place of the output's, as it does in the
    computation; where a layer is coupled, (33) and (34) take the places of Hadamard products.

    Parameters
    ----------
    backend : Backend
        Whose gradient it is.
    quantities : Quantities
        The numbers.

    Yields
    ------
    (Position, Step)
    """
    declared = [EQUATIONS.get(number) or _foreign(number) for number in backend.equations]
    if not any(equation.scope == "forward" for equation in declared):
        declared.insert(0, EQUATIONS["25"])
    last = quantities.last
    yield (1, 0, "Cost"), _cost_step(quantities)
    shown: set[str] = set()
    for equation in declared:
        for place, step in _applied(equation, backend, quantities):
            yield place, step
            if step.rows and step.left is not None:
                shown.add(step.left.latex)
    for l in range(2, last + 1):
        for name in ("dw", "db"):
            result = quantities.operand(name, l)
            if result.latex not in shown:
                says = f"What {backend.label} finds, for all entries at once."
                yield (5, l, f"Gradient of layer {l}"), Step("", says, (result,), ((result, "=", result),))


def _applied(equation: Equation, backend: Backend, quantities: Quantities) -> Iterator[tuple[Position, Step]]:
    last = quantities.last
    if equation.scope == "forward":
        for l in range(2, last + 1):
            yield (0, l, f"Forward pass, layer {l}"), write(equation, quantities, l)
    elif equation.scope == "output":
        yield _error_place(last, last), _error(equation, quantities, last)
    elif equation.scope == "hidden":
        for l in range(last - 1, 1, -1):
            yield _error_place(l, last), _error(equation, quantities, l)
    elif equation.scope == "layer" and equation.template.startswith("delta"):
        yield from _bracketed(equation, backend, quantities)
        for l in range(last, 1, -1):
            yield _error_place(l, last), _error(equation, quantities, l)
    elif equation.scope == "layer":
        for l in range(2, last + 1):
            yield (5, l, f"Gradient of layer {l}"), write(equation, quantities, l)
    elif equation.scope == "quotient":
        yield (4, 0, "Parameter by parameter"), quotient_step(equation, backend, quantities)
    elif equation.scope == "demon":
        for l in range(last, 1, -1):
            yield _error_place(l, last), demon_step(equation, backend, quantities, l)
    elif equation.scope == "path":
        yield (4, 0, "Path by path"), path_step(equation, quantities)
    elif equation.scope == "direction":
        for step in direction_steps(equation, quantities):
            yield (4, 0, "Direction by direction"), step
    elif equation.scope == "way":
        says = f"{equation.says} {_IN_PLACE}" if _introduces(equation, backend) else equation.says
        yield (1, 1, "How it gets there"), Step(equation.number, says, (Operand(equation.latex),))
    else:
        yield (4, -1, "What is used"), Step(equation.number, equation.says, (Operand(equation.latex),))


def _bracketed(equation: Equation, backend: Backend, quantities: Quantities) -> Iterator[tuple[Position, Step]]:
    """Yield how a product of many factors is bracketed, where the backend's estimate tells it."""
    network = quantities.tape.network
    detail = backend.estimate(network, quantities.m).detail if isinstance(network, Network) else ""
    found = re.match(r"δ2 = ([^,]+)", detail)
    if found:
        latex = re.sub(r"([Aδ])(\d+)", r"\1^{\2}", found[1]).replace("δ", r"\delta")
        latex = rf"{latex} = \delta^{{2}}, \quad A^l = \Sigma'(z^l) (w^{{l+1}})^T"
        says = f"So {backend.label} brackets ({equation.number})."
        yield (1, 1, "How it gets there"), Step("", says, (Operand(latex),))


def _introduces(equation: Equation, backend: Backend) -> bool:
    """Whether this is the last word on a way whose results are shown by equations of the book."""
    following = backend.equations[backend.equations.index(equation.number) + 1 :]
    ways = [number for number in following if number in EQUATIONS and EQUATIONS[number].scope == "way"]
    return not ways and any(number.startswith("BP") for number in backend.equations)


def _error_place(l: int, last: int) -> Position:
    return (2, 0, f"Error of the output layer {l}") if l == last else (3, -l, f"Error of layer {l}")


def _error(equation: Equation, quantities: Quantities, l: int) -> Step:
    """Write δ^l by a backend's own equation, or by that which takes its place."""
    at_output = l == quantities.last
    if quantities.tape.combined is not None:
        if at_output:
            combined = EQUATIONS.get(quantities.tape.combined.equation) or _of_cost("fused", quantities.tape.cost)
            return write(combined, quantities, l, f"{combined.says} It stands here for ({equation.number}).")
        # Equation (35) ends in (33), and goes on from the combined error instead.
        equation = replace(equation, template=equation.template.replace("Sigma:L.T nabla", "delta:L"))
    says = ""
    if "slope" in equation.template and quantities.coupled(l):
        replaced, equation = equation.number, EQUATIONS["33" if at_output else "34"]
        says = f"{equation.says} It stands here for ({replaced}): the slope of layer {l} is no diagonal matrix."
    step = write(equation, quantities, l, says)
    if quantities.m > 1 and step.rows and "Sigma" in equation.template:
        return _first_example(step, quantities)
    return step


def _first_example(step: Step, quantities: Quantities) -> Step:
    """Keep the column of the first example, whose Σ′ is the one shown."""
    rows = tuple(
        tuple(
            Operand(piece.latex, piece.value[:, :1])
            if isinstance(piece, Operand) and piece.value is not None and _is_batch(piece.latex)
            else piece
            for piece in row
        )
        for row in step.rows
    )
    says = f"{step.says} Each example has a Σ′ of its own; the numbers are those of example 1 of {quantities.m}."
    return replace(step, says=says, rows=rows, examples=quantities.m)


def _is_batch(latex: str) -> bool:
    return latex.startswith((r"\delta", r"\nabla"))


def _cost_step(quantities: Quantities) -> Step:
    if quantities.m > 1 and (mean := _find("cost", quantities.tape.cost, several=True)) is not None:
        return write(mean, quantities, quantities.last)
    return write(_of_cost("cost", quantities.tape.cost), quantities, quantities.last)


def _of_cost(scope: str, cost: Any) -> Equation:
    """Return the equation of this scope that the cost uses; a cost of one's own has its name alone."""
    found = _find(scope, cost, several=False)
    own = Equation(str(cost.name), r"C = C(a^L, y)", "C", "The cost is one of your own.", "cost")
    return own if found is None else found


def _find(scope: str, cost: Any, *, several: bool) -> Equation | None:
    name = f"{type(cost).__module__}.{type(cost).__qualname__}"
    using = [equation for equation in EQUATIONS.values() if equation.scope == scope and name in equation.functions]
    averaged = [equation for equation in using if "?/m" in equation.template] if scope == "cost" else []
    rest = [equation for equation in using if equation not in averaged]
    return next(iter(averaged if several else rest), None)


def _foreign(number: str) -> Equation:
    """Return an equation that a backend from elsewhere declares and the index does not know."""
    return Equation(number, rf"\text{{{number}}}", "", "An equation that the backend declares itself.")
