"""The history of a training run, epoch by epoch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from formulations.arrays import Array, quiet
from formulations.display import counted, draw_training, format_seconds, format_table, html_table, html_text, html_view

__all__ = ["Epoch", "History"]


@dataclass(frozen=True)
class Epoch:
    """The result of one pass over the training examples.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    cost : float
        Mean cost of the mini-batches, each before its own step.
    accuracy : float or None
        Share of the validation examples that the network classifies correctly after this epoch; None without such
        examples, or if their targets are not classes.
    seconds : float
        Time since training began.
    validation_cost : float or None
        Mean cost of the validation examples after this epoch, without penalty; None without such examples.
    """

    epoch: int
    cost: float
    accuracy: float | None
    seconds: float
    validation_cost: float | None = None


@dataclass(frozen=True)
class History:
    """The history of a training run; printed, it is a table.

    Attributes
    ----------
    backend : str
        The backend that computed the gradients.
    epochs : tuple of Epoch
        One for each epoch.
    initial_cost : float
        Cost of the first mini-batch, before the first step.
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
    """

    backend: str
    epochs: tuple[Epoch, ...]
    initial_cost: float
    constant_cost: float | None
    unchanged: bool
    uniform: bool
    classes: Array | None = field(default=None, compare=False)

    @property
    def costs(self) -> list[float]:
        """Cost of each epoch."""
        return [epoch.cost for epoch in self.epochs]

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the validation examples at the end; None if it was not measured."""
        return self.epochs[-1].accuracy

    @property
    def diverged(self) -> bool:
        """Whether the last epoch's cost is more than twice the initial cost and the constant cost.

        Successful training ends below both. The factor of two allows for the noise of mini-batches.
        """
        level = max(self.initial_cost, self.initial_cost if self.constant_cost is None else self.constant_cost)
        # Costs may be negative, and twice a negative cost is smaller.
        return not self.costs[-1] <= level + abs(level)

    @property
    def dead(self) -> bool:
        """Whether the network has learnt nothing and cannot learn any more.

        Either a layer has the same activations for all examples, for instance because all its ReLUs are off; or no
        parameter changes any more, for instance because all neurons saturate, and the cost is not below the constant
        cost.
        """
        if self.constant_cost is None:
            return False
        return self.uniform or (self.unchanged and self.costs[-1] >= self.constant_cost)

    @property
    def failure(self) -> str | None:
        """The message for a training run that diverged or is dead; None otherwise."""
        if self.diverged:
            return (
                f"training diverged: the cost was {self.initial_cost:.4g} before the first step and is "
                f"{self.costs[-1]:.4g} in the last epoch; use a smaller learning rate, or scale the data."
            )
        if self.dead:
            what = "a layer's activations are the same for all examples" if self.uniform else "no parameter changes"
            return (
                f"training is dead: {what}, and the network ignores its inputs, at a cost of {self.costs[-1]:.4g}; "
                "use a smaller learning rate or other activations, or scale the data."
            )
        return None

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
        return ["epoch", "cost", "accuracy", "elapsed"], [
            [
                str(epoch.epoch),
                f"{epoch.cost:.5f}" if abs(epoch.cost) < 1e6 else f"{epoch.cost:.3e}",
                "–" if epoch.accuracy is None else f"{100 * epoch.accuracy:.2f} %",
                format_seconds(epoch.seconds),
            ]
            for epoch in shown
        ]

    def __str__(self) -> str:
        return format_table(*self._table(), right=[0, 1, 2, 3])

    def _title(self) -> str:
        accuracy = "" if self.accuracy is None else f", accuracy {100 * self.accuracy:.2f} %"
        return f"{counted(len(self.epochs), 'epoch')} by {self.backend}: cost {self.costs[-1]:.5g}{accuracy}"

    def __repr__(self) -> str:
        return f"<History of {self._title()}>"

    def _repr_html_(self) -> str:
        table = html_table(*self._table(), right=[0, 1, 2, 3])
        return html_view(html_text(self._title(), "title"), table, html_text(self.failure or ""))

    @quiet
    def plot(self, ax: Any = None) -> Any:
        """Draw the cost epoch by epoch, and beside it the accuracy on the validation examples.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw the cost alone; by default both are drawn in a new figure.

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
        accuracies = [epoch.accuracy for epoch in self.epochs if epoch.accuracy is not None]
        curves = {"validation": accuracies} if accuracies else {}
        return draw_training({"training": self.costs}, curves, f"Training by {self.backend}", ax)
