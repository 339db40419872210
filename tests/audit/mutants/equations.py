"""Faults of one token in (BP1) and (BP2); a certificate names the layer, the equation and the mistake."""

# Each class says what is wrong in its docstring, and shows it in its one method.

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.network import Tape
from tests.audit.mutants.written import Written, planted

ALL = (None, 4, 3, 2)
HIDDEN = (None, 3, 2)


@planted(4, "BP1", "sign")
class Sign(Written):
    """y − a instead of a − y."""

    def output(self, tape: Tape) -> Any:
        return -super().output(tape)


@planted(4, "BP1", "factor_two")
class FactorTwo(Written):
    """2(a − y) instead of a − y."""

    def output(self, tape: Tape) -> Any:
        return super().output(tape) * 2


@planted(4, "BP1", "half")
class Half(Written):
    """½(a − y) instead of a − y."""

    def output(self, tape: Tape) -> Any:
        return super().output(tape) / 2


@planted(4, "BP1", "nothing_computed")
class NothingComputed(Written):
    """δ^L = 0."""

    def output(self, tape: Tape) -> Any:
        return 0 * super().output(tape)


@planted(4, "BP1")
class OutputPlus(Written):
    """∇_aC + σ′(z^L) instead of the product."""

    def output(self, tape: Tape) -> Any:
        return tape.cost_gradient + tape.slopes[-1]


@planted(4, "BP1", "slope_missing", ALL)
class SlopeMissing(Written):
    """δ^l without σ′(z^l)."""

    def slope(self, tape: Tape, l: int) -> Any:
        return np.ones_like(tape.slopes[l - 2]) if self.at(l) else super().slope(tape, l)


@planted(4, "BP1", "value_for_slope", ALL)
class ValueForSlope(Written):
    """σ(z^l) instead of σ′(z^l)."""

    def slope(self, tape: Tape, l: int) -> Any:
        return tape.activations[l - 1] if self.at(l) else super().slope(tape, l)


@planted(4, "BP1", "slope_at_activation", ALL)
class SlopeAtActivation(Written):
    """σ′(a^l) instead of σ′(z^l)."""

    def slope(self, tape: Tape, l: int) -> Any:
        if not self.at(l):
            return super().slope(tape, l)
        return tape.network.activations[l - 2].slope(tape.activations[l - 1])


@planted(3, "BP2", "logistic_slope", HIDDEN)
class LogisticSlope(Written):
    """a(1 − a) for every activation."""

    def slope(self, tape: Tape, l: int) -> Any:
        a = tape.activations[l - 1]
        return a * (1 - a) if self.at(l) else super().slope(tape, l)


@planted(2, "BP2", "slope_of_other_layer", (2, 3, 4))
class SlopeOfOtherLayer(Written):
    """σ′(z³) instead of σ′(z²), if the widths allow it."""

    def slope(self, tape: Tape, l: int) -> Any:
        other = l - 1 if l > 2 else l + 1
        fits = self.at(l) and other - 2 < len(tape.slopes) and tape.slopes[other - 2].shape == tape.slopes[l - 2].shape
        return tape.slopes[other - 2] if fits else super().slope(tape, l)


@planted(4, "BP1", "slope_twice", ALL)
class SlopeTwice(Written):
    """σ′ applied twice."""

    def slope(self, tape: Tape, l: int) -> Any:
        found = super().slope(tape, l)
        return found**2 if self.at(l) else found


@planted(3, "BP2", "weights_transposed", HIDDEN)
class WeightsTransposed(Written):
    """w^{l+1} instead of its transpose, if the shapes allow it."""

    def carried(self, tape: Tape, l: int, delta: Array) -> Any:
        w = tape.network.weights[l - 1]
        return delta @ (w.T if self.at(l) and w.shape[0] == w.shape[1] else w)


@planted(2, "BP2", "weights_of_other_layer", (2, 3))
class WeightsOfOtherLayer(Written):
    """w² instead of w³, if the shapes allow it."""

    def carried(self, tape: Tape, l: int, delta: Array) -> Any:
        weights = tape.network.weights
        fits = self.at(l) and weights[l - 2].shape == weights[l - 1].shape
        return delta @ weights[l - 2 if fits else l - 1]


@planted(3, "BP2")
class WeightsAbsolute(Written):
    """The absolute values of w in the backward pass."""

    def carried(self, tape: Tape, l: int, delta: Array) -> Any:
        return delta @ np.abs(tape.network.weights[l - 1])


@planted(2, "BP2", "sign_in_layer", (2, 3))
class SignInLayer(Written):
    """−δ² instead of δ²."""

    def hidden(self, tape: Tape, l: int, delta: Array) -> Any:
        found = super().hidden(tape, l, delta)
        return -found if self.at(l) else found


@planted(4, "BP1", "slope_by_activation_at_input", (4, 2))
class SlopeByActivationAtInput(Written):
    """a(1 − a) and 1 − a² given z instead of a."""

    def slope(self, tape: Tape, l: int) -> Any:
        z, name = tape.weighted_inputs[l - 2], tape.network.activations[l - 2].name
        written = {"sigmoid": lambda a: a * (1 - a), "tanh": lambda a: 1 - a * a}.get(name)
        return written(z) if self.at(l) and written is not None else super().slope(tape, l)
