"""The computation of an explanation: gradients, and their steps grouped into stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from formulations.arrays import current_budget, format_bytes
from formulations.backends import Backend
from formulations.data import Problem
from formulations.display import counted
from formulations.exceptions import Refused, UnknownName
from formulations.explanation.operands import DIGITS, MOST_EXAMPLES, MOST_NEURONS, Operand, Piece, Quantities
from formulations.explanation.sequence import StageKey, steps
from formulations.explanation.story import Stage, Story
from formulations.explanation.template import Step
from formulations.explanation.text import entry
from formulations.network import Batch, Network, Tape
from formulations.plans import gradient_of_batch

__all__ = ["story_of"]


def story_of(
    net: Network,
    batch: Batch,
    backends: Sequence[Backend],
    *,
    equation: str | None = None,
    digits: int = DIGITS,
) -> Story:
    """Compute a gradient by each backend, and return the steps of all.

    Parameters
    ----------
    net : Network
        The network.
    batch : Batch
        The examples and the cost, checked.
    backends : sequence of Backend
        The formulations.
    equation : str, optional
        The number of the only equation to keep.
    digits : int
        The number of digits shown.

    Returns
    -------
    Story

    Raises
    ------
    UnknownName
        If no step of the computation uses that equation.
    Refused
        If a backend cannot serve the network, or its sparse weights, written as dense matrices, exceed the budget.
    """
    _check_memory(net, len(backends))
    tape = net.record(batch)
    quantities = tuple(Quantities(tape, gradient_of_batch(net, batch, backend)) for backend in backends)
    columns = [
        [(key, _with_digits(step, digits)) for key, step in steps(backend, numbers)]
        for backend, numbers in zip(backends, quantities, strict=True)
    ]
    if equation is not None:
        columns = _only(equation, columns)
    numbers = max(net.sizes) <= MOST_NEURONS and tape.m <= MOST_EXAMPLES
    title = Problem(net, tape.X, tape.targets, tape.known_cost.name).title
    labels = tuple(each.label for each in backends)
    note = _note(net, tape, digits if numbers else None)
    return Story(title, (note,), labels, _stages(columns), numbers, quantities)


def _check_memory(net: Network, backends: int) -> None:
    """Refuse sparse weights if they and their gradients take more than the budget once they are dense."""
    layout = net.layout
    sparse = (shape for shape, pattern in zip(layout.shapes, layout.patterns, strict=True) if pattern is not None)
    wanted = (1 + backends) * sum(rows * columns for rows, columns in sparse) * net.dtype.itemsize
    allowed = current_budget().memory
    if wanted > allowed:
        raise Refused(
            f"an explanation writes sparse weights and their gradients as dense matrices, which must fit the budget of "
            f"{format_bytes(allowed)}, and take {format_bytes(wanted)}; explain a smaller network, or allow it with "
            "formulations.use_budget(memory=...)."
        )


def _with_digits(step: Step, digits: int) -> Step:
    """Return a step whose numbers have this many digits, or more if they need more."""

    def shown(piece: Piece) -> Piece:
        if isinstance(piece, str):
            return piece
        return replace(piece, digits=max(digits, piece.digits))

    return replace(step, rows=tuple(tuple(map(shown, row)) for row in step.rows))


def _only(equation: str, columns: list[list[tuple[StageKey, Step]]]) -> list[list[tuple[StageKey, Step]]]:
    """Keep the steps of one equation."""
    ordered = sorted((pair for column in columns for pair in column), key=lambda pair: pair[0])
    numbers = list(dict.fromkeys(step.equation for _, step in ordered if step.equation))
    if equation not in numbers:
        raise UnknownName("equation", equation, numbers, "this computation")
    return [[(key, step) for key, step in column if step.equation == equation] for column in columns]


def _stages(columns: list[list[tuple[StageKey, Step]]]) -> tuple[Stage, ...]:
    keys = sorted({key for column in columns for key, _ in column})
    stages = []
    for key in keys:
        parts = tuple(tuple(step for at, step in column if at == key) for column in columns)
        shared = all(_same(parts[0], part) for part in parts[1:])
        stages.append(Stage(key.title, parts, shared, key.phase, key.layer or None))
    return tuple(stages)


def _same(one: tuple[Step, ...], other: tuple[Step, ...]) -> bool:
    """Whether both have the same equations, with numbers that look the same."""
    if [(step.equation, step.text) for step in one] != [(step.equation, step.text) for step in other]:
        return False
    pieces, others = ([p for step in part for row in step.rows for p in row] for part in (one, other))
    return len(pieces) == len(others) and all(
        [entry(number, a.digits) for number in a.value.flat] == [entry(number, b.digits) for number in b.value.flat]
        for a, b in zip(pieces, others, strict=True)
        if isinstance(a, Operand) and isinstance(b, Operand) and a.value is not None and b.value is not None
    )


def _note(net: Network, tape: Tape, digits: int | None) -> str:
    names = [f"{activation.name} in layer {l}" for l, activation in enumerate(net.activations, start=2)]
    same = len({activation.name for activation in net.activations}) == 1
    notes = [f"σ is {net.activations[0].name}." if same else f"σ is {', '.join(names)}."]
    columns = "a vector is a column" if tape.m == 1 else "each example is a column, and C is the mean of their costs"
    notes.append(f"As in the book, {columns}.")
    if digits is not None:
        notes.append(f"Numbers are rounded to {counted(digits, 'digit')}.")
    else:
        notes.append(
            f"With more than {MOST_NEURONS} neurons in a layer, or more than {MOST_EXAMPLES} examples, matrices are "
            "shown as shapes and non-zeros."
        )
    if net.layout.is_sparse:
        notes.append("In a sparse weight matrix only the stored entries are parameters; the others are shown as 0.")
    return " ".join(notes)
