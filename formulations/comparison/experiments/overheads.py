"""What surrounds a gradient: a step of descent over its gradient alone, and what a plan allocates when it is warm."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from functools import partial

import numpy as np

from formulations.backends import DEFAULT
from formulations.comparison.race import Cell
from formulations.comparison.timing import interleave
from formulations.data import Problem
from formulations.display import Ratio
from formulations.plans import prepare, which
from formulations.training import sgd

__all__ = ["Allocation", "measure_allocation", "step_over_gradient"]

STEPS = 200
CALLS = 100


def step_over_gradient(cell: Cell, dtype: str, *, budget: float = 1.0) -> Ratio:
    """Return the time of a step of :func:`formulations.training.loop` over that of the gradient that it takes.

    An epoch of many mini-batches is timed beside as many gradients of one of them: shuffling, gathering the examples,
    the step itself and the epoch's book-keeping count.
    """
    problem = cell.problem(dtype)
    net, m = problem.network, len(problem.X)
    X, Y = np.tile(problem.X, (STEPS, 1)), np.tile(problem.Y, (STEPS, 1))
    plan = prepare(net, m, problem.cost, DEFAULT)

    def gradients() -> None:
        for _ in range(STEPS):
            plan(problem.X, problem.Y)

    # A step too small to change anything but the last digits, so that both see the same network.
    train = partial(sgd, net, X, Y, epochs=1, batch_size=m, learning_rate=1e-6, backend=DEFAULT, seed=0)
    timings = interleave({"gradient": gradients, "step": train}, baseline="gradient", budget=budget)
    return timings["step"].over(timings["gradient"])


@dataclass(frozen=True)
class Allocation:
    """What calls of a plan allocate when nothing is new to it.

    Attributes
    ----------
    backend, cell, dtype : str
        Whose, and where.
    peak : int
        Bytes, at most, during a call, beyond what was there before.
    products : int
        Bytes of what SciPy's products return, layer by layer: they cannot write into a buffer that is there.
    growth : int
        Bytes that so many calls leave behind.
    """

    backend: str
    cell: str
    dtype: str
    peak: int
    products: int
    growth: int


def measure_allocation(backend: str, cell: Cell, dtype: str) -> Allocation | None:
    """Measure with tracemalloc; None where the backend cannot serve the cell's network."""
    problem = cell.problem(dtype)
    if which(problem.network, problem.cost)[backend] is not None:
        return None
    plan = prepare(problem.network, len(problem.X), problem.cost, backend)
    for _ in range(3):
        plan(problem.X, problem.Y)
    tracemalloc.start()
    try:
        plan(problem.X, problem.Y)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(CALLS):
            plan(problem.X, problem.Y)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Allocation(backend, cell.name, dtype, peak - before, _products(problem, backend), after - before)


def _products(problem: Problem, backend: str) -> int:
    """Return the bytes of δ in all layers, which the last call's gradient still holds while the next is made."""
    if backend != "sigma":
        return 0
    return len(problem.X) * sum(problem.network.sizes[1:]) * problem.network.dtype.itemsize
