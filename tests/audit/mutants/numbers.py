"""Faults of a few digits or a few entries, and of what is returned with the gradient."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.backends import SCHEMES, Difference, Estimate, Tier
from formulations.functions import Cost
from formulations.network import Gradient, Network, Tape
from tests.audit.mutants.written import Written, planted


@planted(4, "BP4", "single_precision")
class SinglePrecisionSums(Written):
    """float32 sums in a float64 gradient."""

    def of_weights(self, tape: Tape, l: int, delta: Array) -> Any:
        return delta.astype(np.float32).T @ tape.activations[l - 2].astype(np.float32)


@planted(4, "BP4", "single_entry")
class OneEntry(Written):
    """A relative error of 1e-6 in one entry."""

    def of_weights(self, tape: Tape, l: int, delta: Array) -> Any:
        found = super().of_weights(tape, l, delta)
        if l == len(tape.activations):
            found.flat[np.argmax(np.abs(found))] *= 1 + 1e-6
        return found


@planted(4, "BP1", "multiple")
class OneBillionth(Written):
    """Every entry larger by a factor of 1 + 1e-9."""

    def output(self, tape: Tape) -> Any:
        delta = super().output(tape)
        return delta * delta.dtype.type(1 + 1e-9)


@planted(3, "BP4")
class OneNan(Written):
    """NaN in one entry."""

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        super().gradient(network, tape, gradient)
        gradient.weights[len(gradient.weights) // 2][0, 0] = np.nan


@planted(4, "BP3")
class OneInfinity(Written):
    """Infinity in one entry."""

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        super().gradient(network, tape, gradient)
        gradient.biases[-1][0] = np.inf


@planted()
class DoubleErrors(Written):
    """δ in float64 for every dtype of the network."""

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        super().gradient(network, tape, gradient)
        gradient.errors = tuple(delta.astype(np.float64) for delta in gradient.errors or ())


@planted()
class ErrorsTurned(Written):
    """δ with examples as columns."""

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        super().gradient(network, tape, gradient)
        gradient.errors = tuple(delta.T for delta in gradient.errors or ())


@planted()
class ErrorsReversed(Written):
    """δ of the layers in reverse order."""

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        super().gradient(network, tape, gradient)
        gradient.errors = tuple(reversed(gradient.errors or ()))


@planted()
class AnotherCost(Written):
    """A wrong cost with the correct gradient."""

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        super().gradient(network, tape, gradient)
        gradient.cost = gradient.cost * gradient.dtype.type(tape.m + 1)


@planted()
class PassesNotCounted(Written):
    """A second forward pass that the gradient does not count."""

    def estimate(self, network: Network, m: int) -> Estimate:
        return replace(super().estimate(network, m), forward_passes=2)


@planted()
class ServesWhatItCannot(Written):
    """Sparse weights accepted, and the views into the gradient's vector replaced."""

    serves_sparse = True


@planted()
class RefusesWithoutReason(Written):
    """An empty reason."""

    def why_not(self, network: Network, cost: Cost) -> str | None:
        return "" if super().why_not(network, cost) else None


@planted()
class BareException(Written):
    """A bare ValueError for two layers or fewer."""

    def output(self, tape: Tape) -> Any:
        if len(tape.slopes) < 2:
            raise ValueError("not enough layers")
        return super().output(tape)


@planted()
class InfiniteBound(Written):
    """Twice the gradient, declared a difference quotient with so large a step that the bound is infinite."""

    tier = Tier.PERTURBATION

    def difference(self) -> Difference:
        return Difference(SCHEMES["central"], 1e6, lambda _: self)

    def output(self, tape: Tape) -> Any:
        return super().output(tape) * 2
