"""The course of an epoch: a network, its examples in order, the size of a mini-batch and η."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from formulations.arrays import Array
from formulations.comparison.epochs.reference import EpochReference
from formulations.data import DIGITS, Problem, load_digits, make_problem

__all__ = ["EPOCH_CELLS", "TRAINING", "Course", "EpochCell", "JudgedCourse", "TrainingCell", "TrainingCourse"]

RATE = 0.3
"""η. A power of ½, such as 0.5, would hide that scaling by η rounds."""


class HeldOut(NamedTuple):
    """Examples that no training sees."""

    X: Array
    Y: Array


@dataclass(frozen=True)
class Course:
    """What a contestant gets.

    Attributes
    ----------
    problem : Problem
        The network at its start, which nobody changes, the training examples, and the cost.
    batch_size : int
        Divides the number of examples: JAX's scan would drop a remainder.
    rate : float
        η, a number of the network's dtype.
    order : ndarray of int of shape (m,)
        The examples of the epoch.
    """

    problem: Problem
    batch_size: int
    rate: float
    order: Array


@dataclass(frozen=True)
class JudgedCourse(Course):
    """The course of one epoch.

    Attributes
    ----------
    reference : EpochReference or None
        Judges the parameters after it.
    """

    reference: EpochReference | None


@dataclass(frozen=True)
class TrainingCourse(Course):
    """The course of a training.

    Attributes
    ----------
    held_out : HeldOut
        The examples whose classes it must learn to predict.
    """

    held_out: HeldOut


def _common(problem: Problem, batch_size: int) -> tuple[Problem, int, float, Array]:
    order = np.random.default_rng(0).permutation(len(problem.X))
    return problem, batch_size, float(problem.network.dtype.type(RATE)), order


@dataclass(frozen=True)
class EpochCell:
    """A network with sigmoid neurons and the quadratic cost, its mini-batches, and the examples of an epoch.

    Attributes
    ----------
    name : str
        Its name in flags and tables.
    sizes : tuple of int
        n₁, …, n_L.
    m : int
        Examples in a mini-batch.
    examples : int
        In an epoch; a multiple of m.
    reference : EpochReference or None
        Judges the parameters after the epoch.
    """

    name: str
    sizes: tuple[int, ...]
    m: int
    examples: int
    reference: EpochReference | None = None

    @property
    def steps(self) -> int:
        """The mini-batches of an epoch."""
        return self.examples // self.m

    @property
    def title(self) -> str:
        """Name, sizes, mini-batches and examples."""
        sizes = "-".join(map(str, self.sizes))
        return f"{self.name}: {sizes}, an epoch of {self.examples:,} examples in mini-batches of {self.m}"

    def problem(self, dtype: Any) -> JudgedCourse:
        """Return the course, in newly allocated memory."""
        whole = make_problem(self.sizes, dtype=dtype, count=self.examples).first(self.examples)
        problem = replace(whole, X=np.ascontiguousarray(whole.X), Y=np.ascontiguousarray(whole.Y))
        return JudgedCourse(*_common(problem, self.m), self.reference)

    def to_dict(self) -> dict[str, Any]:
        """Return name and sizes as plain Python values."""
        return {
            "cell": self.name, "sizes": list(self.sizes), "batch_size": self.m, "examples": self.examples,
            "learning_rate": RATE, "cost": "quadratic",
        }  # fmt: skip


@dataclass(frozen=True)
class TrainingCell:
    """The digits, with softmax outputs and the log-likelihood, which all contestants can train.

    Attributes
    ----------
    name : str
        Its name in flags and tables.
    m : int
        Examples in a mini-batch.
    examples : int
        For training, a multiple of m.
    goal : float
        The share of the held-out digits that ends the training.
    """

    name: str = "training"
    m: int = 10
    examples: int = 1430
    goal: float = 0.97

    steps = None

    @property
    def title(self) -> str:
        """Name, sizes, mini-batches and goal."""
        sizes = "-".join(map(str, DIGITS))
        return (
            f"{self.name}: {sizes}, {self.examples:,} digits in mini-batches of {self.m}, "
            f"until {self.goal:.0%} of the others are right"
        )

    def problem(self, dtype: Any) -> TrainingCourse:
        """Return the course, in newly allocated memory."""
        digits = load_digits(np.dtype(dtype))
        activations, cost = ["sigmoid", "softmax"], "log_likelihood"
        network = make_problem(DIGITS, activations, cost, dtype=dtype).network
        X, Y = (np.ascontiguousarray(part[: self.examples]) for part in (digits.X_train, digits.Y_train))
        held_out = HeldOut(digits.X_test, digits.Y_test)
        return TrainingCourse(*_common(Problem(network, X, Y, cost), self.m), held_out)

    def to_dict(self) -> dict[str, Any]:
        """Return name and sizes as plain Python values."""
        return {
            "cell": self.name, "sizes": list(DIGITS), "batch_size": self.m, "examples": self.examples,
            "learning_rate": RATE, "cost": "log_likelihood", "goal": self.goal,
        }  # fmt: skip


EPOCH_CELLS = {
    cell.name: cell
    for cell in (
        EpochCell("digits", DIGITS, 10, 1430),
        EpochCell("book", (784, 30, 10), 10, 3000),
        EpochCell("medium", (784, 100, 10), 100, 3000),
    )
}
"""The cells in which an epoch is timed."""

TRAINING = TrainingCell()
"""The cell in which a whole training is timed."""
