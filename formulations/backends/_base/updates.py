"""Compiled steps of a training run, which a backend may provide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from formulations.arrays import Array

__all__ = ["CompiledSteps", "CompiledUpdates", "StepRule"]


class CompiledUpdates(NamedTuple):
    """Updates of flat vectors, in place. They differ by rounding only from those that NumPy makes.

    Attributes
    ----------
    adam : callable (parameters, gradient, mean, square, settings, rate)
        An update by Adam. ``settings`` is an array of β₁, 1 − β₁, β₂, 1 − β₂ and ε; ``rate`` includes the correction of
        the means, and is a scalar of the parameters' dtype.
    momentum : callable (parameters, gradient, velocity, momentum, rate, nesterov)
        An update by gradient descent with momentum, in Nesterov's form or the plain one.
    """

    adam: Callable[..., None]
    momentum: Callable[..., None]


@dataclass(frozen=True, eq=False)
class StepRule:
    """A step of gradient descent in numbers, from which compiled code can take it.

    Attributes
    ----------
    kind : {"descent", "momentum", "nesterov", "adam"}
        Gradient descent, without momentum or in one of its two forms, or Adam.
    factors : ndarray of float64
        Nothing for descent, μ for momentum; β₁, 1 − β₁, β₂, 1 − β₂ and ε for Adam. A step rounds them to the network's
        dtype.
    state : dict of str to ndarray
        The optimizer's arrays, changed in place: ``velocity``, or ``mean``, ``square`` and ``count``, the number of
        steps so far.
    l2, l1 : float
        The penalty ½·l2·Σw² + l1·Σ|w| on the weights.
    per_batch : bool
        Whether the penalty is divided by the sum of the mini-batch's weights.
    """

    kind: Literal["descent", "momentum", "nesterov", "adam"]
    factors: Array
    state: dict[str, Array]
    l2: float = 0.0
    l1: float = 0.0
    per_batch: bool = False


class CompiledSteps(Protocol):
    """Steps of a training run in one compiled call.

    They differ by rounding only from those that are taken one by one. How many are taken in one call does not matter,
    not even for rounding.
    """

    def __call__(
        self, X: Array, Y: Array, order: Array, sample_weight: Array | None, rate: Any, costs: Array, weights: Array
    ) -> None:
        """Take a step on each mini-batch.

        Parameters
        ----------
        X, Y : ndarray of shape (any, n₁) and (any, n_L)
            All examples, dense, of the network's dtype.
        order : ndarray of int of shape (any,)
            The rows of the examples, one mini-batch of ``tape.m`` after the other; the last may be smaller. They must
            be in range.
        sample_weight : ndarray of shape (any,), or None
            The examples' weights. A mini-batch without weight is skipped.
        rate : scalar
            η.
        costs, weights : ndarray of float64 of shape (k,)
            Receive, for each of the k mini-batches, its cost before the step, with the penalty, times its weight; and
            its weight, which is its number of examples if none are given.
        """
