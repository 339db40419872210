"""The history of a training run, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from formulations.arrays import Array, quiet
from formulations.display import (
    counted,
    draw_training,
    format_seconds,
    format_share,
    format_table,
    html_table,
    html_text,
    html_view,
)

__all__ = ["Epoch", "History", "format_cost"]

STOPPED_BY = {
    "early_stopping": "early stopping",
    "schedule": "the schedule",
    "callback": "the callback",
    "interrupt": "Ctrl-C",
}
"""What may stop a training, in words."""


@dataclass(frozen=True)
class Epoch:
    """The result of one pass over the training examples.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    cost : float
        Mean cost of the mini-batches with the penalty, each before its own step; weighted, if the examples are.
    accuracy : float or None
        Share of the validation examples that the network classifies correctly after this epoch; None without such
        examples, or if their targets are not classes.
    seconds : float
        Time since training began, without the time between an interrupted run and its resumption.
    validation_cost : float or None
        Mean cost of the validation examples after this epoch, without penalty; None without such examples.
    training_accuracy : float or None
        The accuracy after this epoch, measured on evenly spaced training examples, at most as many as the validation
        examples.
    learning_rate : float or None
        η of this epoch.
    """

    epoch: int
    cost: float
    accuracy: float | None
    seconds: float
    validation_cost: float | None = None
    training_accuracy: float | None = None
    learning_rate: float | None = None


@dataclass(frozen=True, repr=False)
class History:
    """The history of a training run; it prints as a table.

    Attributes
    ----------
    backend : str
        The backend that computed the gradients.
    epochs : tuple of Epoch
        One for each completed epoch.
    initial_cost : float
        Cost of the first mini-batch, before the first step; NaN if there was no step.
    constant_cost : float or None
        Cost of constant outputs, namely the mean of the targets: a baseline for a network that ignores its inputs.
        None if all targets or all inputs are the same, so that constant outputs are correct, or if the cost is not
        finite.
    unchanged : bool
        Whether no parameter changed in the last epoch.
    uniform : bool
        Whether the activations of some layer are, at the end, bitwise the same for all training examples.
    classes : ndarray of shape (K,), or None
        The classes in the order of the outputs, if the targets were given as labels; output k stands for
        ``classes[k]``, and a single output for ``classes[1]``.
    stopped_by : {"early_stopping", "schedule", "callback", "interrupt"} or None
        What stopped the training; None if it completed its epochs.
    best_epoch : int or None
        With early stopping, the epoch with the lowest validation cost, whose parameters the network has.
    sample : (int, int) or None
        The number of training examples on which ``training_accuracy`` is measured, and of all; None without validation.
    interrupted : bool
        Whether Ctrl-C was pressed, even if it came too late to stop anything; the steps of an incomplete epoch are in
        the parameters alone.
    """

    backend: str
    epochs: tuple[Epoch, ...]
    initial_cost: float
    constant_cost: float | None
    unchanged: bool
    uniform: bool
    classes: Array | None = field(default=None, compare=False)
    stopped_by: str | None = None
    best_epoch: int | None = None
    sample: tuple[int, int] | None = field(default=None, compare=False)
    interrupted: bool = False

    @property
    def costs(self) -> list[float]:
        """Cost of each epoch."""
        return [epoch.cost for epoch in self.epochs]

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the validation examples of the network as it is now; None if it was not measured."""
        return None if self._last is None else self._last.accuracy

    @property
    def _last(self) -> Epoch | None:
        """The epoch whose parameters the network has."""
        last = self.best_epoch or len(self.epochs)
        return self.epochs[last - 1] if last else None

    @property
    def diverged(self) -> bool:
        """Whether the last epoch's cost is more than twice the initial cost and the constant cost.

        With early stopping, the best epoch counts as the last. Successful training ends below both. The factor of two
        allows for the noise of mini-batches.
        """
        if self._last is None:
            return False
        level = max(self.initial_cost, self.initial_cost if self.constant_cost is None else self.constant_cost)
        # Costs may be negative, and twice a negative cost is smaller.
        return not self._last.cost <= level + abs(level)

    @property
    def dead(self) -> bool:
        """Whether the network has learnt nothing and cannot learn any more.

        Either a layer has the same activations for all examples, for instance because all its ReLUs are off; or no
        parameter changes any more, for instance because all neurons saturate, and the cost is not below the constant
        cost.
        """
        if self.constant_cost is None or self._last is None:
            return False
        return self.uniform or (self.unchanged and self._last.cost >= self.constant_cost)

    @property
    def failure(self) -> str | None:
        """The message for a training run that diverged or is dead; None otherwise."""
        if self._last is None:
            return None
        if self.diverged:
            return (
                f"training diverged: the cost was {self.initial_cost:.4g} before the first step and is "
                f"{self._last.cost:.4g} in the last epoch; use a smaller learning rate, or scale the data."
            )
        if self.dead:
            what = "a layer's activations are the same for all examples" if self.uniform else "no parameter changes"
            return (
                f"training is dead: {what}, and the network ignores its inputs, at a cost of {self._last.cost:.4g}; "
                "use a smaller learning rate or other activations, or scale the data."
            )
        return None

    @property
    def ending(self) -> str | None:
        """A sentence that says why training stopped before its last epoch, and whose parameters the network has."""
        if self.stopped_by is None and self.best_epoch is None:
            return None
        how = "stopped" if self.stopped_by is None else f"stopped by {STOPPED_BY[self.stopped_by]}"
        best = "" if self.best_epoch is None else f"; the parameters are those of epoch {self.best_epoch}"
        return f"{how} after {counted(len(self.epochs), 'epoch')}{best}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        plain = {**asdict(self), "diverged": self.diverged, "dead": self.dead}
        plain["epochs"] = list(plain["epochs"])
        if self.classes is not None:
            plain["classes"] = self.classes.tolist()
        return plain

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return the header and the rows of the table."""
        # About ten lines, including the last epoch, show the course of a long run too.
        stride = max(1, math.ceil(len(self.epochs) / 10))
        shown = [epoch for epoch in self.epochs if (len(self.epochs) - epoch.epoch) % stride == 0]
        columns = {
            "epoch": [str(epoch.epoch) for epoch in shown],
            "cost": [format_cost(epoch.cost) for epoch in shown],
            "validation": [format_cost(epoch.validation_cost) for epoch in shown],
            "accuracy": [format_share(epoch.accuracy) for epoch in shown],
            "elapsed": [format_seconds(epoch.seconds) for epoch in shown],
        }
        if all(epoch.validation_cost is None for epoch in shown):
            del columns["validation"]
        return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]

    def __str__(self) -> str:
        header, rows = self._table()
        table = format_table(header, rows, right=range(len(header)))
        return table if self.ending is None else f"{table}\n\n{self.ending}"

    def _title(self) -> str:
        cost = f": cost {self.costs[-1]:.5g}" if self.epochs else ""
        accuracy = "" if self.accuracy is None else f", accuracy {format_share(self.accuracy)}"
        return f"{counted(len(self.epochs), 'epoch')} by {self.backend}{cost}{accuracy}"

    def __repr__(self) -> str:
        how = ", diverged" if self.diverged else ", dead" if self.dead else ""
        return f"<History of {self._title()}{how}>"

    def _repr_html_(self) -> str:
        header, rows = self._table()
        table = html_table(header, rows, right=range(len(header)))
        notes = [html_text(note) for note in (self.ending, self.failure) if note]
        return html_view(html_text(self._title(), "title"), table, *notes)

    def _curves(self, fields: Mapping[str, str]) -> dict[str, list[float]]:
        """Return the values of fields of the epochs, without those that were not measured."""
        values = {name: [getattr(epoch, field) for epoch in self.epochs] for name, field in fields.items()}
        return {name: curve for name, curve in values.items() if curve and None not in curve}

    @quiet
    def plot(self, ax: Any = None, *, validation: str = "validation", title: str | None = None) -> Any:
        """Draw the cost of each epoch, and next to it the accuracy, on the training and the validation examples.

        With early stopping, a line marks the epoch whose parameters the network has.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw the cost alone; by default both are drawn in a new figure.
        validation : str
            The name of the validation examples in the legends.
        title : str, optional
            By default it names the backend.

        Returns
        -------
        matplotlib Figure
            The new figure, or that of ``ax``.

        Raises
        ------
        MissingExtra
            If matplotlib is not installed.
        WrongType
            If ``ax`` is not a matplotlib Axes.
        """
        sampled = self.sample is not None and self.sample[0] < self.sample[1]
        training = "training ({} of {})".format(*self.sample) if self.sample is not None and sampled else "training"
        costs = {"training": self.costs, **self._curves({validation: "validation_cost"})}
        accuracies = self._curves({training: "training_accuracy", validation: "accuracy"})
        return draw_training(costs, accuracies, title or f"Training by {self.backend}", ax, best=self.best_epoch)


def format_cost(cost: float | None) -> str:
    """Return a cost with five decimals, or in powers of ten if it is large."""
    if cost is None:
        return "–"
    return f"{cost:.5f}" if abs(cost) < 1e6 else f"{cost:.3e}"
