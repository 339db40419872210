"""The library's own rows: a trainer's steps, ``sgd``, and the products and gathers alone."""

from __future__ import annotations

from functools import partial

import numpy as np

from formulations.arrays import Array
from formulations.backends import DEFAULT, Tier, get_backend
from formulations.comparison.epochs.course import TRAINING, Course, JudgedCourse, TrainingCourse
from formulations.comparison.epochs.engine import LONGEST, enter_epoch, reached
from formulations.comparison.race import FLOOR, Contestant, Kind, Ready, products_of
from formulations.data import Problem
from formulations.functions import get_cost
from formulations.training import Epoch, Trainer, batches_at_once, sgd

__all__ = ["CONTROL", "EPOCH_FLOOR", "EPOCH_ROWS", "stepping", "training"]

EPOCH_ROWS = (DEFAULT, "sigma", "fused")
"""The backends that are raced by default."""


class Steps:
    """A trainer with one backend."""

    def __init__(self, flag: str, course: Course) -> None:
        problem = course.problem
        self._network = problem.network.copy()
        self._first = problem.network.vector
        cost = get_cost(problem.cost)
        self._trainer = Trainer(
            self._network, problem.X, problem.Y, cost=cost, batch_size=course.batch_size, rate=course.rate, backend=flag
        )

    def reset(self) -> None:
        """Take the parameters of the start."""
        self._network.vector[...] = self._first

    def epoch(self, order: Array) -> None:
        """Descend on the mini-batches of these examples."""
        for _ in self._trainer.steps(order):
            pass

    def vector(self) -> Array:
        """Return the parameters."""
        return self._network.vector.copy()

    def outputs(self, X: Array) -> Array:
        """Return a^L."""
        return self._network(X)


def stepping(flag: str) -> Contestant[JudgedCourse]:
    """Return the steps of a trainer with a backend.

    Raises
    ------
    UnknownName
        If the backend does not exist.
    """
    label = get_backend(flag).label
    return Contestant(label, Kind.PLAN, partial(enter_epoch, partial(Steps, flag)), partial(_why_no_epoch, flag))


def training(flag: str) -> Contestant[TrainingCourse]:
    """Return :func:`formulations.sgd` with a backend, until enough of the held-out examples are right."""
    return Contestant(get_backend(flag).label, Kind.PLAN, partial(_enter_sgd, flag), partial(_why_not, flag))


def _why_not(flag: str, course: Course) -> str | None:
    return get_backend(flag).why_not(course.problem.network, get_cost(course.problem.cost))


def _why_no_epoch(flag: str, course: JudgedCourse) -> str | None:
    if get_backend(flag).tier is Tier.PERTURBATION:
        return "the parameters after an epoch are judged by a bound of roundoff, and its gradient is approximate"
    return _why_not(flag, course)


def _enter_sgd(flag: str, course: TrainingCourse) -> Ready:
    problem, goal = course.problem, TRAINING.goal

    def enough(epoch: Epoch) -> bool:
        return epoch.accuracy is not None and epoch.accuracy >= goal

    def train() -> tuple[int, float]:
        history = sgd(
            problem.network.copy(), problem.X, problem.Y, LONGEST, course.batch_size, course.rate, flag, 0,
            cost=problem.cost, validation=course.held_out, callback=enough,
        )  # fmt: skip
        return len(history.epochs), history.epochs[-1].accuracy or 0.0

    return Ready(train, reached)


CONTROL = Contestant[JudgedCourse]("control", Kind.CONTROL, partial(enter_epoch, partial(Steps, DEFAULT)))
"""``hadamard`` again, in memory of its own."""


def _enter_floor(course: Course) -> Ready:
    problem, size, order = course.problem, course.batch_size, course.order
    products, dot = products_of(Problem(problem.network, problem.X[:size], problem.Y[:size])), np.dot
    widths = [part.shape[1] for part in (problem.X, problem.Y)]
    batches = batches_at_once(size, sum(widths))
    gathered = [
        (
            order[start : start + batches * size],
            [np.empty((batches * size, width), problem.X.dtype) for width in widths],
        )
        for start in range(0, len(order), batches * size)
    ]

    def call() -> None:
        for rows, (X, Y) in gathered:
            problem.X.take(rows, 0, X[: len(rows)], "clip")
            problem.Y.take(rows, 0, Y[: len(rows)], "clip")
            for _ in range(0, len(rows), size):
                for left, right, out in products:
                    dot(left, right, out)

    return Ready(call, None)


EPOCH_FLOOR = Contestant[JudgedCourse](FLOOR.name, Kind.FLOOR, _enter_floor)
"""The matrix products of an epoch, and its mini-batches gathered; no update."""
