"""Histories: the course of a training, epoch by epoch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from formulations.display import format_seconds, format_table

__all__ = ["Epoch", "History"]


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training examples came to.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    cost : float
        Mean of the mini-batches' costs, each before its own step.
    accuracy : float or None
        Share of the validation examples whose class is right after this epoch; None without such examples, or where
        their targets name no classes.
    seconds : float
        Time since training began.
    """

    epoch: int
    cost: float
    accuracy: float | None
    seconds: float


@dataclass(frozen=True)
class History:
    """The course of a training; printed, it is a table.

    Attributes
    ----------
    backend : str
        The backend that computed the gradients.
    epochs : tuple of Epoch
        One for each epoch.
    initial_cost : float
        Cost of the first mini-batch, before the first step.
    constant_cost : float or None
        Cost of the outputs that are best if they ignore the inputs, the mean of the targets; None where such outputs
        are right, since all targets or all inputs are the same, or where their cost is not finite.
    unchanged : bool
        Whether no parameter changed in the last epoch.
    uniform : bool
        Whether, at the end, the activations of some layer are the same for all training examples, to the last bit.
    """

    backend: str
    epochs: tuple[Epoch, ...]
    initial_cost: float
    constant_cost: float | None
    unchanged: bool
    uniform: bool

    @property
    def costs(self) -> list[float]:
        """Cost of each epoch."""
        return [epoch.cost for epoch in self.epochs]

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the validation examples at the end; None where there is none."""
        return self.epochs[-1].accuracy

    @property
    def diverged(self) -> bool:
        """Whether the last epoch's cost is more than twice the initial cost and the constant cost.

        A training that works ends below both. Mini-batches are noisy, and so may a cost be that has nowhere to fall:
        twice as much is more than that.
        """
        level = max(self.initial_cost, self.initial_cost if self.constant_cost is None else self.constant_cost)
        # Costs may be negative, and twice a negative one is less.
        return not self.costs[-1] <= level + abs(level)

    @property
    def dead(self) -> bool:
        """Whether nothing can be learnt any more, and nothing has been.

        Either a layer passes nothing on that tells the examples apart, as one of ReLUs that are all off; or no
        parameter changes any more, as where all neurons saturate, and the cost is no lower than the constant one.
        """
        if self.constant_cost is None:
            return False
        return self.uniform or (self.unchanged and self.costs[-1] >= self.constant_cost)

    @property
    def failure(self) -> str | None:
        """What to say of a training that diverged or is dead; None of any other."""
        if self.diverged:
            return (
                f"training diverged: the cost was {self.initial_cost:.4g} before the first step and is "
                f"{self.costs[-1]:.4g} in the last epoch; take a smaller learning rate, or scale the data."
            )
        if self.dead:
            what = "a layer's activations are the same for all examples" if self.uniform else "no parameter changes"
            return (
                f"training is dead: {what}, and the network ignores its inputs, at a cost of {self.costs[-1]:.4g}; "
                "take a smaller learning rate, other activations, or scale the data."
            )
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        epochs = [asdict(epoch) for epoch in self.epochs]
        return {**asdict(self), "epochs": epochs, "diverged": self.diverged, "dead": self.dead}

    def __str__(self) -> str:
        # About ten lines, the last epoch among them, tell the course of any training.
        stride = max(1, math.ceil(len(self.epochs) / 10))
        shown = [epoch for epoch in self.epochs if (len(self.epochs) - epoch.epoch) % stride == 0]
        return format_table(
            ["epoch", "cost", "accuracy", "elapsed"],
            [
                [
                    str(epoch.epoch),
                    f"{epoch.cost:.5f}" if abs(epoch.cost) < 1e6 else f"{epoch.cost:.3e}",
                    "–" if epoch.accuracy is None else f"{100 * epoch.accuracy:.2f} %",
                    format_seconds(epoch.seconds),
                ]
                for epoch in shown
            ],
            right=[0, 1, 2, 3],
        )
