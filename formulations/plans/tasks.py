"""Tasks: what a worker computes, and what it returns."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from formulations.arrays import quiet
from formulations.backends import Backend
from formulations.functions import Cost
from formulations.network import Network
from formulations.plans.blas import Worker, limit_blas_elsewhere, this_worker
from formulations.plans.evaluator import Evaluator, Examples, placed
from formulations.plans.source import Described, Source, as_source, check_files
from formulations.plans.tree import Sums, Tree

__all__ = ["Piece", "Recipe", "Task", "add_piece", "pieces_of", "run"]

KEPT = 2
"""The evaluators that a thread of a worker keeps, for tasks of as many plans."""


@dataclass(frozen=True)
class Recipe:
    """What an evaluator is made from.

    Attributes
    ----------
    token : str
        The identity of the plan.
    network, cost, backend, batch_size
        As of the plan.
    process : tuple of (str, int)
        The process of the plan.
    """

    token: str
    network: Network
    cost: Cost
    backend: Backend
    batch_size: int
    process: tuple[str, int]


@dataclass(frozen=True)
class Piece:
    """Consecutive leaves that belong to one source.

    Attributes
    ----------
    number : int
        The number of the source.
    source : Source or callable
        The source. A callable is a single leaf, whose chunks have a tree of their own.
    index : int
        The index of the first leaf.
    start, stop : int
        The rows.
    """

    number: int
    source: Described
    index: int
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True)
class Task:
    """An aligned subtree.

    Attributes
    ----------
    recipe : Recipe
        How to evaluate it.
    first, stop : int
        Its leaves.
    pieces : tuple of Piece
        The examples.
    """

    recipe: Recipe
    first: int
    stop: int
    pieces: tuple[Piece, ...]


def add_piece(evaluator: Evaluator, tree: Tree, piece: Piece) -> int:
    """Add the chunks of a piece to a tree, and return the index of the next leaf."""
    source = piece.source
    with placed(f"in source {piece.number}, "):
        if isinstance(source, Source):
            check_files(source)
            examples = Examples(source.X, source.Y, source.sample_weight, evaluator.network.sizes)
            start = source.start + piece.start
            stop = source.stop if piece.stop is None else source.start + piece.stop
            return evaluator.add(tree, piece.index, examples, start, stop, name=True)
        examples = _read(source, evaluator)
        inner = evaluator.tree()
        evaluator.add(inner, 0, examples)
        tree.add(piece.index, inner.total())
        return piece.index + 1


def _read(source: Any, evaluator: Evaluator) -> Examples:
    found = as_source(source(), evaluator.network.sizes)
    assert isinstance(found, Source)
    return Examples(found.X, found.Y, found.sample_weight, evaluator.network.sizes)


class _Evaluators(threading.local):
    """The evaluators of a thread of a worker, by the token of their plan."""

    def __init__(self) -> None:
        self.kept: dict[str, Evaluator] = {}


_EVALUATORS = _Evaluators()


@quiet
def run(task: Task) -> tuple[Sums, Worker]:
    """Evaluate a task in a worker."""
    recipe, worker = task.recipe, this_worker()
    limit_blas_elsewhere(recipe.process)
    evaluator = _adopted(recipe)
    tree = evaluator.tree()
    for piece in task.pieces:
        add_piece(evaluator, tree, piece)
    return tree.total(), worker


def _adopted(recipe: Recipe) -> Evaluator:
    """Return an evaluator with the parameters of the task's network, which may belong to another thread."""
    kept = _EVALUATORS.kept
    evaluator = kept.pop(recipe.token, None)
    if evaluator is None:
        network = recipe.network.copy()
        evaluator = Evaluator(network, recipe.cost, recipe.backend, recipe.batch_size)
        if len(kept) == KEPT:
            del kept[next(iter(kept))]
    else:
        evaluator.network.vector[...] = recipe.network.vector
    kept[recipe.token] = evaluator
    return evaluator


def pieces_of(sources: Any, evaluator: Evaluator) -> Iterator[Piece]:
    """Yield a piece for each source, with the indices of its leaves."""
    index = 0
    for number, source in enumerate(sources):
        yield Piece(number, source, index)
        index += evaluator.chunks(source.rows) if isinstance(source, Source) else 1
