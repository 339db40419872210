"""Histories: the course of a training, epoch by epoch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from formulations.tables import format_seconds, format_table

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
    """

    backend: str
    epochs: tuple[Epoch, ...]

    @property
    def costs(self) -> list[float]:
        """Cost of each epoch."""
        return [epoch.cost for epoch in self.epochs]

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the validation examples at the end; None where there is none."""
        return self.epochs[-1].accuracy

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {"backend": self.backend, "epochs": [asdict(epoch) for epoch in self.epochs]}

    def __str__(self) -> str:
        # About ten lines, the last epoch among them, tell the course of any training.
        stride = max(1, math.ceil(len(self.epochs) / 10))
        shown = [epoch for epoch in self.epochs if (len(self.epochs) - epoch.epoch) % stride == 0]
        return format_table(
            ["epoch", "cost", "accuracy", "elapsed"],
            [
                [
                    str(epoch.epoch),
                    f"{epoch.cost:.5f}",
                    "–" if epoch.accuracy is None else f"{100 * epoch.accuracy:.2f} %",
                    format_seconds(epoch.seconds),
                ]
                for epoch in shown
            ],
            right=[0, 1, 2, 3],
        )
