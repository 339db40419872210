"""Early stopping: training ends when the cost of held-out examples no longer falls."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.arrays import nonnegative_number, positive_integer
from formulations.exceptions import WrongType, described

__all__ = ["EarlyStopping", "Patience", "get_early_stopping"]


@dataclass(frozen=True)
class EarlyStopping:
    """When to stop training: after some epochs in which the cost of the validation examples has not improved.

    The network then gets back the parameters of the epoch with the lowest such cost.

    Parameters
    ----------
    patience : int
        The number of epochs without improvement after which training stops; the book's no-improvement-in-n rule.
    min_delta : float
        The least decrease of the cost that is an improvement.

    Raises
    ------
    WrongType, InvalidInput
        If a setting is not a number, or out of range.

    References
    ----------
    Nielsen, *Neural Networks and Deep Learning*, chapter 3; Prechelt, *Early stopping, but when?* (1998).
    """

    patience: int = 10
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        positive_integer(self.patience, "patience")
        nonnegative_number(self.min_delta, "min_delta")


class Patience:
    """A count of the epochs since a cost last fell by more than ``min_delta``.

    Parameters
    ----------
    patience : int
        The number of epochs without improvement that is allowed.
    min_delta : float
        The least decrease of the cost that is an improvement.

    Attributes
    ----------
    lowest : float
        The lowest cost so far; infinite before the first.
    """

    def __init__(self, patience: int, min_delta: float) -> None:
        self._patience, self._min_delta = patience, min_delta
        self.lowest = math.inf
        self.restart()

    def restart(self) -> None:
        """Start counting again; the cost must still fall below what it was."""
        self._waited, self._level = 0, self.lowest

    def see(self, cost: float) -> bool:
        """Count an epoch.

        Parameters
        ----------
        cost : float
            Its cost.

        Returns
        -------
        bool
            Whether it is the lowest so far.
        """
        improved = cost < self.lowest
        if improved:
            self.lowest = cost
        # Small decreases add up: the level is the cost at the last improvement, not the lowest.
        if cost < self._level - self._min_delta:
            self._waited, self._level = 0, cost
        else:
            self._waited += 1
        return improved

    @property
    def exhausted(self) -> bool:
        """Whether the cost has not improved for as many epochs as the patience allows."""
        return self._waited >= self._patience


def get_early_stopping(given: Any) -> EarlyStopping | None:
    """Return an EarlyStopping for a patience; an EarlyStopping or None as it is.

    Raises
    ------
    WrongType
        If it is neither.
    InvalidInput
        If the patience is below 1.
    """
    if given is None or isinstance(given, EarlyStopping):
        return given
    if isinstance(given, bool) or not isinstance(given, int | np.integer):
        raise WrongType(
            f"early_stopping must be a number of epochs or an EarlyStopping, got {described(given)}; "
            "pass a number such as 10."
        )
    return EarlyStopping(int(given))
