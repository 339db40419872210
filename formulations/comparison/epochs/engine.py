"""Engines: the steps of descent by each package, on one course."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import numpy as np

from formulations.arrays import Array
from formulations.comparison.epochs.course import TRAINING, Course, JudgedCourse, TrainingCourse
from formulations.comparison.epochs.reference import EpochVerdict
from formulations.comparison.race import Ready
from formulations.verification import Status

__all__ = ["LONGEST", "Engine", "enter_epoch", "enter_training", "reached"]

LONGEST = 60
"""Epochs after which a training has failed."""


class Engine(Protocol):
    """A network that a package trains."""

    def reset(self) -> None:
        """Take the parameters of the start."""

    def epoch(self, order: Array) -> object:
        """Descend on the mini-batches of these examples."""

    def vector(self) -> Array:
        """Return the parameters in the order w², b², w³, b³, …."""

    def outputs(self, X: Array) -> Array:
        """Return z^L or a^L, of which the largest is the predicted class, shape (m, n_L)."""


def enter_epoch(make: Callable[[Course], Engine], course: JudgedCourse) -> Ready:
    """Prepare an epoch that continues from the parameters of the one before."""
    engine = make(course)
    reference = course.reference
    return Ready(
        partial(engine.epoch, course.order), None if reference is None else lambda _: reference.judge(engine.vector())
    )


def enter_training(make: Callable[[Course], Engine], course: TrainingCourse) -> Ready:
    """Prepare a training that ends when enough of the held-out examples are right."""
    engine = make(course)
    X, classes = course.held_out.X, course.held_out.Y.argmax(axis=1)

    def train() -> tuple[int, float]:
        engine.reset()
        # The orders of formulations.sgd with this seed.
        generator = np.random.default_rng(0)
        epochs, right = 0, 0.0
        while right < TRAINING.goal and epochs < LONGEST:
            engine.epoch(generator.permutation(len(course.order)))
            epochs, right = epochs + 1, float(np.mean(engine.outputs(X).argmax(axis=1) == classes))
        return epochs, right

    return Ready(train, reached)


def reached(result: Any) -> EpochVerdict:
    """Judge a training by the epochs that it took and the share of the held-out examples that are right."""
    epochs, right = result
    if right >= TRAINING.goal:
        return EpochVerdict(Status.EQUAL, "epochs", epochs)
    return EpochVerdict(Status.DIFFERENT, "epochs", epochs, f"after {epochs} epochs, only {right:.2%} are right.")
