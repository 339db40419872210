"""Schedules: how the learning rate changes from epoch to epoch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from formulations.arrays import nonnegative_number, number_between, positive_integer, positive_number
from formulations.exceptions import InvalidInput, UnknownName, WrongType, described
from formulations.training.history import Epoch
from formulations.training.stopping import Patience

__all__ = [
    "ConstantRate",
    "ExponentialDecay",
    "InverseScaling",
    "Plateau",
    "Rates",
    "Schedule",
    "StepDecay",
    "checked_rate",
    "get_schedule",
]

Rates = Generator[float, Epoch, None]
"""Yields the learning rate of each epoch, and takes the result of the epoch before; it ends where training stops."""


class Schedule(ABC):
    """A schedule of the learning rate: its settings, without any state."""

    name: str
    needs_validation = False
    """Whether it looks at the cost of validation examples."""
    ends_at_zero = False
    """Whether training stops at a rate that is 0 in the network's dtype; otherwise such a rate is refused."""

    @abstractmethod
    def rates(self, rate: float) -> Rates:
        """Return the learning rates of a training that starts with ``rate``."""


@dataclass(frozen=True)
class ConstantRate(Schedule):
    """The same learning rate in every epoch."""

    name = "constant"

    def rates(self, rate: float) -> Rates:
        """Yield the rate for ever."""
        while True:
            yield rate


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """η/t^power in epoch t = 1, 2, …: scikit-learn's ``"invscaling"``, with epochs for its examples.

    Parameters
    ----------
    power : float
        At least 0.

    Raises
    ------
    WrongType, InvalidInput
        If it is not such a number.
    """

    power: float = 0.5

    name = "invscaling"
    ends_at_zero = True

    def __post_init__(self) -> None:
        nonnegative_number(self.power, "power")

    def rates(self, rate: float) -> Rates:
        """Yield η, η/2^power, η/3^power, …."""
        for t in count(1):
            # A negative power of t may underflow; a positive one would overflow.
            yield rate * float(t) ** -self.power


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """η·factor^(t−1) in epoch t = 1, 2, ….

    Parameters
    ----------
    factor : float
        Above 0 and at most 1.

    Raises
    ------
    WrongType, InvalidInput
        If it is not such a number.
    """

    factor: float = 0.95

    name = "exponential"
    ends_at_zero = True

    def __post_init__(self) -> None:
        number_between(self.factor, "factor", 0, 1, "right")

    def rates(self, rate: float) -> Rates:
        """Yield η, η·factor, η·factor², …."""
        for t in count():
            yield rate * self.factor**t


@dataclass(frozen=True)
class StepDecay(Schedule):
    """η·factor^⌊(t−1)/every⌋ in epoch t = 1, 2, …: a drop after every so many epochs.

    Parameters
    ----------
    factor : float
        Above 0 and at most 1.
    every : int
        The number of epochs with the same rate.

    Raises
    ------
    WrongType, InvalidInput
        If they are not such numbers.
    """

    factor: float = 0.5
    every: int = 10

    name = "step"
    ends_at_zero = True

    def __post_init__(self) -> None:
        number_between(self.factor, "factor", 0, 1, "right")
        positive_integer(self.every, "every")

    def rates(self, rate: float) -> Rates:
        """Yield each rate ``every`` times."""
        for t in count():
            yield rate * self.factor ** (t // self.every)


@dataclass(frozen=True)
class Plateau(Schedule):
    """Multiply η by a factor when the cost of the validation examples stalls, and stop when η has become small.

    With its defaults it is the schedule of Nielsen's chapter 3: halve the rate when the no-improvement-in-10 rule is
    met, and terminate when it has dropped to 1/128 of the original value. The book's rule
    watches the accuracy, and this one the cost.

    Parameters
    ----------
    factor : float
        Above 0 and below 1.
    patience : int
        The number of epochs without improvement after which the rate drops.
    min_delta : float
        The least decrease of the cost that is an improvement.
    stop_at : float
        The share of the original rate at which training stops; at least 0 and below 1.

    Raises
    ------
    WrongType, InvalidInput
        If they are not such numbers.
    """

    factor: float = 0.5
    patience: int = 10
    min_delta: float = 0.0
    stop_at: float = 1 / 128

    name = "plateau"
    ends_at_zero = True
    needs_validation = True

    def __post_init__(self) -> None:
        number_between(self.factor, "factor", 0, 1, "neither")
        positive_integer(self.patience, "patience")
        nonnegative_number(self.min_delta, "min_delta")
        number_between(self.stop_at, "stop_at", 0, 1)

    def rates(self, rate: float) -> Rates:
        """Yield the rate, which drops each time that the patience is exhausted."""
        original, patience = rate, Patience(self.patience, self.min_delta)
        while rate > self.stop_at * original:
            epoch = yield rate
            assert epoch.validation_cost is not None
            patience.see(epoch.validation_cost)
            if patience.exhausted:
                patience.restart()
                rate *= self.factor


@dataclass(frozen=True)
class _Called(Schedule):
    """A user's function (epoch, rate) -> rate."""

    function: Callable[[int, float], Any] = field(repr=False)

    name = "function"

    def rates(self, rate: float) -> Rates:
        for t in count(1):
            try:
                rate = self.function(t, rate)
            except StopIteration as caught:
                raise InvalidInput(
                    f"schedule must return a learning rate for each epoch, got StopIteration in epoch {t}; pass epochs="
                    f"{t - 1} if the rates end there, or return the last one again."
                ) from caught
            yield rate


SCHEDULES = {each.name: each for each in (ConstantRate, InverseScaling, ExponentialDecay, StepDecay, Plateau)}


def get_schedule(given: Any) -> Schedule:
    """Return a schedule by name, from a function, or as given; None is a constant rate.

    Raises
    ------
    UnknownName
        If no schedule has this name.
    WrongType
        If it is neither a name, a schedule nor a function.
    """
    if given is None:
        return ConstantRate()
    if isinstance(given, Schedule):
        return given
    if isinstance(given, str):
        if given not in SCHEDULES:
            raise UnknownName("schedule", given, SCHEDULES)
        return SCHEDULES[given]()
    if callable(given) and not isinstance(given, type):
        return _Called(given)
    raise WrongType(
        f"schedule must be a name, a Schedule or a function (epoch, rate) -> rate, got {described(given)}; pass one of "
        f"{', '.join(map(repr, SCHEDULES))}."
    )


def checked_rate(value: Any, dtype: np.dtype[Any], name: str = "learning_rate") -> float:
    """Return a learning rate after checking that it is positive and finite in the network's dtype.

    Raises
    ------
    WrongType
        If it is not a number.
    InvalidInput
        If it is not positive and finite.
    """
    number = positive_number(value, name)
    eta = dtype.type(number)
    if not 0 < eta < math.inf:
        raise InvalidInput(
            f"{name} must be positive and finite in {dtype}, in which {number:g} is {eta:g}; pass a number such as 0.5."
        )
    return number
