"""The steps of a backend's gradient, in the order of the computation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from formulations.backends import Backend
from formulations.display import listed
from formulations.explanation.directions import direction_steps
from formulations.explanation.equations import EQUATIONS, Equation, escape_latex
from formulations.explanation.operands import Operand, Quantities
from formulations.explanation.paths import path_step
from formulations.explanation.quotients import error_quotients, parameter_quotients
from formulations.explanation.story import Phase
from formulations.explanation.template import Step, first_example, operand_names, write
from formulations.functions import Cost
from formulations.operators import SATURATION

__all__ = ["StageKey", "steps"]

APPLIED = ("output", "hidden", "layer")
"""Scopes of the equations that compute errors and gradients."""


class StageKey(NamedTuple):
    """A stage, sorted by the part of the computation, then by the order within it.

    Attributes
    ----------
    part, order : int
        The place of the stage.
    title : str
        What is computed.
    phase : Phase
        The part of the computation.
    layer : int
        The layer, or 0.
    """

    part: int
    order: int
    title: str
    phase: Phase
    layer: int = 0


def steps(backend: Backend, quantities: Quantities) -> Iterator[tuple[StageKey, Step]]:
    """Yield the steps of a backend, each with the key of its stage.

    The steps follow from the equations that the backend declares, the forward pass and the cost. If cost and output
    activation have a combined form, its equation replaces that of the output error, as in the computation. In a
    coupled layer (33) and (34) replace the Hadamard products.

    Parameters
    ----------
    backend : Backend
        The backend.
    quantities : Quantities
        The numbers.

    Yields
    ------
    (StageKey, Step)
    """
    declared = [EQUATIONS.get(number) or _undocumented(number) for number in backend.equations]
    if not any(equation.scope == "forward" for equation in declared):
        declared.insert(0, EQUATIONS["25"])
    yield StageKey(1, 0, "Cost", "cost"), _cost_step(quantities)
    shown: set[tuple[str, int | None]] = set()
    for i, equation in enumerate(declared):
        for key, step in _applied(equation, declared[i + 1 :], backend, quantities):
            yield key, step
            if step.rows and step.left is not None and not step.left.index:
                shown.add((step.left.name, step.left.layer))
    for l in range(2, quantities.last + 1):
        for name in ("dw", "db"):
            if (name, l) not in shown:
                result = quantities.operand(name, l)
                says = f"All entries, as {backend.label} computes them."
                yield _gradient_stage(l), Step("", says, (result,), ((result, "=", result),))


def _applied(
    equation: Equation, following: list[Equation], backend: Backend, quantities: Quantities
) -> Iterator[tuple[StageKey, Step]]:
    last = quantities.last
    if equation.scope == "forward":
        for l in range(2, last + 1):
            step = write(equation, quantities, l, _coupled_remark(equation, quantities, l))
            yield StageKey(0, l, f"Forward pass, layer {l}", "forward", l), step
    elif equation.scope == "output":
        yield _error_stage(last, last), _error(equation, quantities, last)
    elif equation.scope == "hidden":
        for l in range(last - 1, 1, -1):
            yield _error_stage(l, last), _error(equation, quantities, l)
    elif equation.scope == "layer" and "nabla" in operand_names(equation.template):
        yield from _brackets(equation, backend, quantities)
        for l in range(last, 1, -1):
            yield _error_stage(l, last), _error(equation, quantities, l)
    elif equation.scope == "layer":
        for l in range(2, last + 1):
            yield _gradient_stage(l), write(equation, quantities, l)
    elif equation.scope == "quotient":
        yield StageKey(4, 0, "Parameter by parameter", "method"), parameter_quotients(equation, backend, quantities)
    elif equation.scope == "demon":
        for l in range(last, 1, -1):
            yield _error_stage(l, last), error_quotients(equation, backend, quantities, l)
    elif equation.scope == "path":
        yield StageKey(4, 0, "Path by path", "method"), path_step(equation, quantities)
    elif equation.scope == "direction":
        for step in direction_steps(equation, quantities):
            yield StageKey(4, 0, "Direction by direction", "method"), step
    elif equation.scope == "method":
        remarks: tuple[str, ...] = ()
        scopes = {each.scope for each in following}
        if "method" not in scopes and not scopes.isdisjoint(APPLIED):
            remarks = ("The results below are written in the book's form.",)
        yield _method_stage(), Step(equation.number, equation.says, (Operand(equation.latex),), remarks=remarks)
    else:
        yield StageKey(4, -1, "Also used", "other"), Step(equation.number, equation.says, (Operand(equation.latex),))


def _coupled_remark(equation: Equation, quantities: Quantities, l: int) -> tuple[str, ...]:
    """Say what (23) means for an activation that takes all weighted inputs of a layer."""
    activation = quantities.tape.network.activations[l - 2]
    if equation.number != "23" or not activation.coupled:
        return ()
    return (
        f"{activation.name} takes all weighted inputs of the layer; the row of neuron j shows its own, and the j-th "
        "component of the result.",
    )


def _brackets(equation: Equation, backend: Backend, quantities: Quantities) -> Iterator[tuple[StageKey, Step]]:
    """Yield the order in which a product of several factors is multiplied."""
    last = quantities.last
    factors = [*(f"A^{{{l}}}" for l in range(2, last)), rf"\delta^{{{last}}}"]
    product = backend.inner.written_product(quantities.tape.network, factors)
    if product is not None:
        latex = rf"{product} = \delta^{{2}}, \quad A^l = \Sigma'(z^l) (w^{{l+1}})^T"
        says = f"The order in which {backend.label} multiplies the factors of ({equation.number})."
        yield _method_stage(), Step("", says, (Operand(latex),))


def _method_stage() -> StageKey:
    return StageKey(1, 1, "Method", "method")


def _error_stage(l: int, last: int) -> StageKey:
    if l == last:
        return StageKey(2, 0, f"Error of the output layer {l}", "error", l)
    return StageKey(3, -l, f"Error of layer {l}", "error", l)


def _gradient_stage(l: int) -> StageKey:
    return StageKey(5, l, f"Gradient of layer {l}", "gradient", l)


def _error(equation: Equation, quantities: Quantities, l: int) -> Step:
    """Write δ^l by a backend's equation, or by the equation that replaces it."""
    at_output = l == quantities.last
    remarks: tuple[str, ...] = ()
    if quantities.tape.combined is not None and at_output:
        combined = _of_cost(quantities.tape.combined.equation, quantities.tape.known_cost)
        return write(combined, quantities, l, (f"It replaces ({equation.number}) here.",))
    if "slope" in operand_names(equation.template) and quantities.coupled(l):
        remarks = (f"It replaces ({equation.number}) here, since the neurons of layer {l} are coupled.",)
        equation = EQUATIONS["33" if at_output else "34"]
    if not quantities.coupled(l) and not operand_names(equation.template).isdisjoint(("slope", "Sigma")):
        remarks += _saturated(quantities, l)
    step = write(equation, quantities, l, remarks)
    several_matrices = quantities.m > 1 and "Sigma" in operand_names(equation.template)
    return first_example(step, quantities.m) if several_matrices and step.rows else step


def _saturated(quantities: Quantities, l: int) -> tuple[str, ...]:
    """Say which neurons have saturated for every example, and what follows."""
    activation, slope = quantities.tape.network.activations[l - 2], quantities.numbers("slope", l)
    bounds = [activation.neuron(j).slope_bound or 0 for j in range(len(slope))]
    small = np.abs(slope).max(axis=1) < SATURATION * np.array(bounds)
    neurons = (np.flatnonzero(small) + 1).tolist()
    if not neurons:
        return ()
    several = len(neurons) > 1
    who = f"Neurons {listed(neurons)} of layer {l} have" if several else f"Neuron {neurons[0]} of layer {l} has"
    where = " for every example" if quantities.m > 1 else ""
    its, they_learn = ("their", "they learn") if several else ("its", "it learns")
    return (
        f"{who} saturated{where}: {its} σ′ is below {SATURATION:g} of its supremum. It scales δ down, and with δ, by "
        f"(BP3) and (BP4), the gradient of {its} weights and bias{'es' if several else ''}: {they_learn} slowly.",
    )


def _cost_step(quantities: Quantities) -> Step:
    cost = quantities.tape.known_cost
    mean = cost.mean_equation if quantities.m > 1 else ""
    remarks: tuple[str, ...] = ()
    if quantities.tape.combined is not None and np.isin(quantities.tape.output, (0, 1)).any():
        remarks = ("C is computed from z, without the logarithms: an output is rounded to exactly 0 or 1 here.",)
    return write(_of_cost(mean or cost.equation, cost), quantities, quantities.last, remarks)


def _of_cost(number: str, cost: Cost) -> Equation:
    """Return an equation of a cost; if it has no number, only the name of the cost is known."""
    unknown = Equation(cost.name, r"C = C(a^L, y)", "C", "The cost is user-defined.", "cost")
    return EQUATIONS.get(number, unknown)


def _undocumented(number: str) -> Equation:
    """Return an equation that a user's backend declares and the table lacks."""
    return Equation(number, rf"\text{{{escape_latex(number)}}}", "", "The backend declares this equation itself.")
