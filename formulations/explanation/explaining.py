"""The function that explains gradients: it computes them, and groups their steps into stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from formulations.arrays import current_budget, format_bytes, items, positive_integer, quiet, random_generator
from formulations.backends import Backend, get_backend
from formulations.data import Problem, unit_vectors
from formulations.display import counted
from formulations.exceptions import InvalidInput, Refused, UnknownName
from formulations.explanation.explanation import Explanation
from formulations.explanation.operands import DIGITS, Operand, Piece, Quantities
from formulations.explanation.sequence import StageKey, steps
from formulations.explanation.story import Stage
from formulations.explanation.template import Step
from formulations.explanation.text import entry
from formulations.functions import Cost, LogLikelihood, get_cost
from formulations.network import Network, Tape, check_network
from formulations.plans import gradient_of_batch

__all__ = ["explain"]

MOST_NEURONS, MOST_EXAMPLES = 6, 4
DEFAULT_SIZES = (2, 3, 2)


@quiet
def explain(
    net: Network | None = None,
    X: Any = None,
    Y: Any = None,
    backends: Sequence[str | Backend] | str | Backend = ("hadamard",),
    cost: str | Cost = "quadratic",
    *,
    equation: str | None = None,
    digits: int = DIGITS,
) -> Explanation:
    """Show how a gradient is computed: each equation with its number, in symbols and in numbers, and its result.

    Matrices are shown in numbers if layers have at most 6 neurons and there are at most 4 examples. Otherwise the
    explanation gives their shapes, non-zeros and multiplications.

    Parameters
    ----------
    net : Network, optional
        The network; by default a 2-3-2 network of seed 0, with weights and biases as in the book.
    X, Y : array_like of shape (m, n₁) and (m, n_L), optional
        The examples; by default a random one of seed 0, with a one-hot target for the log-likelihood.
    backends : str, Backend, or a sequence of one or two
        The formulations; two are shown side by side.
    cost : str or Cost
        The cost.
    equation : str, optional
        The number of an equation, such as ``"BP2"``, to show only its steps.
    digits : int
        The number of digits shown.

    Returns
    -------
    Explanation
        Printed, it is text; ``.latex()`` returns a LaTeX document, ``.html()`` an HTML page. A notebook displays it.

    Raises
    ------
    InvalidInput
        If there are not one or two backends, only one of X and Y is given, or ``digits`` is not positive.
    UnknownName
        If no step of the computation uses that equation.
    Refused
        If a backend cannot serve the network, or its sparse weights, written as dense matrices, exceed the budget.

    Examples
    --------
    >>> story = explain(backends=["hadamard", "sigma"])
    >>> [step.equation for step in story.steps("sigma")]
    ['25', '25', '27', '33', '34', 'BP3', 'BP4', 'BP3', 'BP4']
    >>> [step.left.text for step in explain(equation="BP3").steps("hadamard")]
    ['∂C/∂b²', '∂C/∂b³']
    """
    digits = positive_integer(digits, "digits")
    requested = items(backends, "backends", "['hadamard', 'sigma']", one=(str, Backend), some=False)
    if len(requested) not in (1, 2):
        raise InvalidInput(
            f"an explanation needs one backend, or two side by side, got {len(requested)}; name one or two."
        )
    chosen = [get_backend(each) for each in requested]
    if (X is None) != (Y is None):
        raise InvalidInput("an explanation needs both X and Y, got only one; give both, or none for a random example.")
    random = random_generator(0)
    if net is None:
        # The book's normal distribution: biases of 0 would show nothing.
        net = Network.random(DEFAULT_SIZES, seed=random, init="book")
    check_network(net)
    _check_memory(net, len(chosen))
    cost = get_cost(cost)
    if X is None:
        X, Y = (random.random((1, n)).astype(net.dtype) for n in (net.sizes[0], net.sizes[-1]))
        if isinstance(cost, LogLikelihood):
            Y = unit_vectors(Y.argmax(axis=1), net.sizes[-1], net.dtype)
    batch = net.check_examples(X, Y, cost=cost)
    tape = net.record(batch)
    columns = [
        [
            (key, _with_digits(step, digits))
            for key, step in steps(backend, Quantities(tape, gradient_of_batch(net, batch, backend)))
        ]
        for backend in chosen
    ]
    if equation is not None:
        columns = _only(equation, columns)
    numbers = max(net.sizes) <= MOST_NEURONS and tape.m <= MOST_EXAMPLES
    title = Problem(net, tape.X, tape.targets, cost.name).title
    labels = tuple(each.label for each in chosen)
    return Explanation(title, (_note(net, tape, digits if numbers else None),), labels, _stages(columns), numbers)


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
        stages.append(Stage(key.title, parts, all(_same(parts[0], part) for part in parts[1:])))
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
