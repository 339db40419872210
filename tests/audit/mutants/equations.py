"""Faults of one token in (BP1) and (BP2); a certificate names the layer, the equation and the mistake."""

# Each class says what is wrong in its docstring, and shows it in its one method.

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.network import Tape
from tests.audit.mutants.written import Written, planted


@planted(4, "BP1", "slope_missing")
class OutputSlopeMissing(Written):
    """δ^L without σ′(z^L)."""

    def output(self, tape: Tape) -> Any:
        return tape.cost_gradient if tape.combined is None else super().output(tape)


@planted(4, "BP1", "value_for_slope")
class OutputValueForSlope(Written):
    """δ^L with σ(z^L) for σ′(z^L)."""

    def output(self, tape: Tape) -> Any:
        return tape.cost_gradient * tape.output


@planted(4, "BP1", "sign")
class OutputSign(Written):
    """y − a for a − y."""

    def output(self, tape: Tape) -> Any:
        return -super().output(tape)


@planted(4, "BP1", "factor_two")
class CostWithoutHalf(Written):
    """2(a − y) for a − y."""

    def output(self, tape: Tape) -> Any:
        return super().output(tape) * 2


@planted(4, "BP1", "half")
class HalfKept(Written):
    """½(a − y) for a − y."""

    def output(self, tape: Tape) -> Any:
        return super().output(tape) / 2


@planted(4, "BP1", "slope_of_other_layer")
class OutputSlopeOfOtherLayer(Written):
    """σ′(z^{L−1}) for σ′(z^L), where the widths allow it."""

    def output(self, tape: Tape) -> Any:
        below = tape.slopes[-2] if len(tape.slopes) > 1 else tape.slopes[-1]
        return tape.cost_gradient * (below if below.shape == tape.slopes[-1].shape else tape.slopes[-1])


@planted(4, "BP1", "nothing_computed")
class OutputZero(Written):
    """δ^L = 0."""

    def output(self, tape: Tape) -> Any:
        return 0 * super().output(tape)


@planted(4, "BP1")
class OutputPlus(Written):
    """∇_aC + σ′(z^L) for the product."""

    def output(self, tape: Tape) -> Any:
        return tape.cost_gradient + tape.slopes[-1]


@planted(3, "BP2", "slope_missing")
class SlopeMissing(Written):
    """δ^l without σ′(z^l)."""

    def slope(self, tape: Tape, l: int) -> Any:
        return np.ones_like(tape.slopes[l - 2])


@planted(3, "BP2", "value_for_slope")
class ValueForSlope(Written):
    """σ(z^l) for σ′(z^l)."""

    def slope(self, tape: Tape, l: int) -> Any:
        return tape.activations[l - 1]


@planted(3, "BP2", "slope_at_activation")
class SlopeAtActivation(Written):
    """σ′(a^l) for σ′(z^l)."""

    def slope(self, tape: Tape, l: int) -> Any:
        return tape.network.activations[l - 2].slope(tape.activations[l - 1])


@planted(3, "BP2", "logistic_slope")
class LogisticSlope(Written):
    """a(1 − a) whatever the activation."""

    def slope(self, tape: Tape, l: int) -> Any:
        return tape.activations[l - 1] * (1 - tape.activations[l - 1])


@planted(2, "BP2", "slope_of_other_layer")
class SlopeOfNextLayer(Written):
    """σ′(z³) for σ′(z²), where the widths allow it."""

    def slope(self, tape: Tape, l: int) -> Any:
        fits = l == 2 and len(tape.slopes) > 1 and tape.slopes[1].shape == tape.slopes[0].shape
        return tape.slopes[1] if fits else tape.slopes[l - 2]


@planted(2, "BP2", "slope_missing")
class FirstSlopeMissing(Written):
    """δ² without σ′(z²), in networks with more hidden layers."""

    def slope(self, tape: Tape, l: int) -> Any:
        return super().slope(tape, l) if l > 2 or len(tape.slopes) == 2 else np.ones_like(tape.slopes[0])


@planted(3, "BP2", "weights_transposed")
class WeightsTransposed(Written):
    """w^{l+1} for its transpose, where the shapes allow it."""

    def carried(self, tape: Tape, l: int, delta: Array) -> Any:
        w = tape.network.weights[l - 1]
        return delta @ (w.T if w.shape[0] == w.shape[1] else w)


@planted(3, "BP2", "weights_of_other_layer")
class WeightsOfOtherLayer(Written):
    """w^l for w^{l+1} in the last hidden layer, where the shapes allow it."""

    def carried(self, tape: Tape, l: int, delta: Array) -> Any:
        weights = tape.network.weights
        fits = l == len(weights) and weights[l - 2].shape == weights[l - 1].shape
        return delta @ weights[l - 2 if fits else l - 1]


@planted(2, "BP2", "sign_in_layer")
class FirstSign(Written):
    """−δ² for δ²."""

    def slope(self, tape: Tape, l: int) -> Any:
        return -tape.slopes[0] if l == 2 else tape.slopes[l - 2]


@planted(3, "BP2")
class WeightsAbsolute(Written):
    """|w| for w on the way back."""

    def carried(self, tape: Tape, l: int, delta: Array) -> Any:
        return delta @ np.abs(tape.network.weights[l - 1])


@planted(3, "BP2")
class SlopeTwice(Written):
    """σ′ applied twice."""

    def slope(self, tape: Tape, l: int) -> Any:
        return tape.slopes[l - 2] ** 2
