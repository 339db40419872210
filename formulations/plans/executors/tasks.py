"""Tasks: what a worker computes, and what it returns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from time import perf_counter
from typing import Any

from formulations.arrays import quiet
from formulations.backends import Backend
from formulations.exceptions import FormulationsException, WrongType, described
from formulations.functions import Cost
from formulations.network import Network
from formulations.plans.evaluator import Evaluator, placed
from formulations.plans.executors.workers import Worker, limit_blas_elsewhere, this_worker
from formulations.plans.source import Described, Source, as_source, examples_of
from formulations.plans.tree import Sums, Tree

__all__ = ["Piece", "Recipe", "Task", "add_piece", "run"]

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
        The examples. A callable is a single leaf, whose chunks have a tree of their own.
    index : int
        The index of the first leaf.
    """

    number: int
    source: Described
    index: int


@dataclass(frozen=True)
class Task:
    """An aligned subtree.

    Attributes
    ----------
    recipe : Recipe
        How to evaluate it.
    first, stop : int
        Its leaves.
    level : int
        It has 2^level leaves, or is the last one.
    pieces : tuple of Piece
        The examples.
    name : str
        Different for each submission: Dask computes tasks with equal arguments once, and a file may have changed.
    """

    recipe: Recipe
    first: int
    stop: int
    level: int
    pieces: tuple[Piece, ...]
    name: str = field(default_factory=token_hex)


def add_piece(evaluator: Evaluator, tree: Tree, piece: Piece, done: Callable[[Sums], object] | None = None) -> int:
    """Add the chunks of a piece to a tree, and return the index of the next leaf.

    Parameters
    ----------
    evaluator : Evaluator
        Evaluates the chunks.
    tree : Tree
        Receives their sums.
    piece : Piece
        The leaves to add.
    done : callable, optional
        Called with the sums of each leaf.
    """
    source, sizes = piece.source, evaluator.network.sizes
    where = f"in source {piece.number}"
    if isinstance(source, Source) and source.place:
        where += f" ({source.place})"
    try:
        with placed(f"{where}, "):
            if isinstance(source, Source):
                examples = examples_of(source, sizes)
                return evaluator.add(tree, piece.index, examples, source.start, source.stop, source.cut, done)
            leaf = _leaf(evaluator, source)
    except Exception as caught:
        # Ours name their place already.
        if not isinstance(caught, FormulationsException):
            caught.add_note(where)
        raise
    if done is not None:
        done(leaf)
    tree.add(piece.index, leaf)
    return piece.index + 1


def _leaf(evaluator: Evaluator, read: Callable[[], Any]) -> Sums:
    """Return the sums over what a callable returns, which must be a source but not another callable."""
    sizes = evaluator.network.sizes
    source = as_source(read(), sizes)
    if not isinstance(source, Source):
        raise WrongType(
            f"a callable must return (X, Y) or (X, Y, sample_weight), got {described(source)}; let it return arrays."
        )
    tree = evaluator.tree()
    evaluator.add(tree, 0, examples_of(source, sizes), source.start, source.stop)
    return tree.total()


class _Evaluators(threading.local):
    """The evaluators of a thread of a worker, by the token of their plan."""

    def __init__(self) -> None:
        self.kept: dict[str, Evaluator] = {}


_EVALUATORS = _Evaluators()


@quiet
def run(task: Task) -> tuple[Sums, Worker, float]:
    """Evaluate a task in a worker, and return its sums, who computed them, and the seconds of a leaf."""
    recipe, worker = task.recipe, this_worker()
    limit_blas_elsewhere(recipe.process)
    evaluator = _adopted(recipe)
    tree = evaluator.tree()
    start = perf_counter()
    for piece in task.pieces:
        add_piece(evaluator, tree, piece)
    return tree.total(), worker, (perf_counter() - start) / (task.stop - task.first)


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
