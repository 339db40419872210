"""Faults of one token in (BP3), (BP4) and the mean; a certificate names the layer, the equation and the mistake."""

# Each class says what is wrong in its docstring, and shows it in its one method.

from __future__ import annotations

from typing import Any

from formulations.arrays import Array
from formulations.network import Gradient, Network, Tape
from tests.audit.mutants.written import Written, planted

ALL = (None, 4, 3, 2)


@planted(4, "BP3", "biases_lost", ALL)
class BiasesLost(Written):
    """∂C/∂b = 0."""

    def of_biases(self, tape: Tape, l: int, delta: Array) -> Any:
        return super().of_biases(tape, l, delta) * (not self.at(l))


@planted(4, "BP3", "mean_twice", (None, 4, 3))
class BiasesAveraged(Written):
    """δ, already divided by m, averaged over the examples for the biases."""

    def of_biases(self, tape: Tape, l: int, delta: Array) -> Any:
        return delta.mean(axis=0) if self.at(l) else super().of_biases(tape, l, delta)


@planted(4, "BP3", "sign_of_biases", ALL)
class SignOfBiases(Written):
    """−δ instead of δ in (BP3)."""

    def of_biases(self, tape: Tape, l: int, delta: Array) -> Any:
        found = super().of_biases(tape, l, delta)
        return -found if self.at(l) else found


@planted(4, "BP4", "weights_lost", ALL)
class WeightsLost(Written):
    """∂C/∂w = 0."""

    def of_weights(self, tape: Tape, l: int, delta: Array) -> Any:
        return super().of_weights(tape, l, delta) * (not self.at(l))


@planted(4, "BP4", "gradient_transposed", ALL)
class GradientTransposed(Written):
    """aδᵀ instead of δaᵀ, if the shapes allow it."""

    def of_weights(self, tape: Tape, l: int, delta: Array) -> Any:
        found = super().of_weights(tape, l, delta)
        return found.T if self.at(l) and found.shape[0] == found.shape[1] else found


@planted(2, "BP4", "input_of_next_layer", (2, 3, 4))
class InputOfNextLayer(Written):
    """a² instead of a¹ in (BP4), if the widths allow it."""

    def input(self, tape: Tape, l: int) -> Any:
        own, below = tape.activations[l - 1], tape.activations[l - 2]
        return own if self.at(l) and own.shape == below.shape else below


@planted(4, "BP4", "weighted_input_for_activation", (None, 4, 3))
class WeightedInputForActivation(Written):
    """z^{l−1} instead of a^{l−1} in (BP4)."""

    def input(self, tape: Tape, l: int) -> Any:
        return tape.weighted_inputs[l - 3] if self.at(l) and l > 2 else super().input(tape, l)


@planted(4, "BP4", "sign_of_weights", ALL)
class SignOfWeights(Written):
    """−δaᵀ instead of δaᵀ."""

    def of_weights(self, tape: Tape, l: int, delta: Array) -> Any:
        found = super().of_weights(tape, l, delta)
        return -found if self.at(l) else found


@planted(4, "BP4", "mean_twice", (None, 4, 3))
class WeightsAveraged(Written):
    """The sum over the examples divided by m again, for the weights."""

    def of_weights(self, tape: Tape, l: int, delta: Array) -> Any:
        found = super().of_weights(tape, l, delta)
        return found / tape.m if self.at(l) else found


@planted(4, "BP1", "sum_for_mean")
class SumForMean(Written):
    """The sum over the examples instead of the mean."""

    def output(self, tape: Tape) -> Any:
        return super().output(tape) * tape.m


@planted(4, "BP1", "mean_twice")
class MeanTwice(Written):
    """The mean over the examples taken twice."""

    def output(self, tape: Tape) -> Any:
        return super().output(tape) / tape.m


@planted(4, "BP1", "example_dropped")
class ExampleDropped(Written):
    """The last example left out."""

    def output(self, tape: Tape) -> Any:
        delta = super().output(tape).copy()
        delta[-1] = 0
        return delta


@planted(4, "BP1", "one_example")
class OneExample(Written):
    """Each example overwrites the one before."""

    def output(self, tape: Tape) -> Any:
        delta = super().output(tape).copy()
        delta[:-1] = 0
        return delta


@planted(4, "BP4")
class LastExampleDroppedFromWeights(Written):
    """The last example left out of (BP4)."""

    def of_weights(self, tape: Tape, l: int, delta: Array) -> Any:
        return delta[:-1].T @ tape.activations[l - 2][:-1]


@planted(4, "BP4", "layers_reversed")
class LayersReversed(Written):
    """The layers' gradients in reverse order, if the shapes allow it."""

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        super().gradient(network, tape, gradient)
        parts = [(w.copy(), b.copy()) for w, b in zip(gradient.weights, gradient.biases, strict=True)]
        if [w.shape for w, _ in parts] == [w.shape for w, _ in parts[::-1]]:
            for i, (w, b) in enumerate(parts[::-1]):
                gradient.weights[i][...], gradient.biases[i][...] = w, b
