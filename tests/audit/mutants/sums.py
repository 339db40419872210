"""Faults of one token in (BP3), (BP4) and the mean; a certificate names the layer, the equation and the mistake."""

# Each class says what is wrong in its docstring, and shows it in its one method.

from __future__ import annotations

from typing import Any

from formulations.arrays import Array, Gradient
from formulations.network import Tape
from tests.audit.mutants.written import Written, planted


@planted(4, "BP3", "biases_lost")
class BiasesLost(Written):
    """∂C/∂b = 0."""

    def of_biases(self, tape: Tape, l: int, delta: Array) -> Any:
        return 0 * super().of_biases(tape, l, delta)


@planted(2, "BP3", "biases_lost")
class FirstBiasesLost(Written):
    """∂C/∂b² = 0."""

    def of_biases(self, tape: Tape, l: int, delta: Array) -> Any:
        return super().of_biases(tape, l, delta) * (l > 2)


@planted(4, "BP3", "mean_twice")
class BiasesAveraged(Written):
    """δ, divided by m already, averaged over the examples for the biases."""

    def of_biases(self, tape: Tape, l: int, delta: Array) -> Any:  # noqa: ARG002
        return delta.mean(axis=0)


@planted(4, "BP3", "sign_of_biases")
class BiasesSign(Written):
    """−δ for δ in (BP3)."""

    def of_biases(self, tape: Tape, l: int, delta: Array) -> Any:
        return -super().of_biases(tape, l, delta)


@planted(4, "BP4", "gradient_transposed")
class GradientTransposed(Written):
    """aδᵀ for δaᵀ, where the shapes allow it."""

    def of_weights(self, tape: Tape, l: int, delta: Array) -> Any:
        found = super().of_weights(tape, l, delta)
        return found.T if found.shape[0] == found.shape[1] else found


@planted(4, "BP4", "input_of_next_layer")
class InputOfNextLayer(Written):
    """a^L for a^{L−1} in the output layer's (BP4), where the widths allow it."""

    def of_weights(self, tape: Tape, l: int, delta: Array) -> Any:
        own, below = tape.activations[l - 1], tape.activations[l - 2]
        return delta.T @ (own if l == len(tape.activations) and own.shape == below.shape else below)


@planted(4, "BP4", "weighted_input_for_activation")
class WeightedInputForActivation(Written):
    """z^{l−1} for a^{l−1} in (BP4)."""

    def of_weights(self, tape: Tape, l: int, delta: Array) -> Any:
        return delta.T @ (tape.weighted_inputs[l - 3] if l > 2 else tape.X)


@planted(4, "BP4", "sign_of_weights")
class WeightsSign(Written):
    """−δaᵀ for δaᵀ."""

    def of_weights(self, tape: Tape, l: int, delta: Array) -> Any:
        return -super().of_weights(tape, l, delta)


@planted(4, "BP4", "mean_twice")
class WeightsAveraged(Written):
    """The sum over the examples divided by m once more, for the weights."""

    def of_weights(self, tape: Tape, l: int, delta: Array) -> Any:
        return super().of_weights(tape, l, delta) / tape.m


@planted(4, "BP1", "sum_for_mean")
class SumForMean(Written):
    """The examples summed, not averaged."""

    def output(self, tape: Tape) -> Any:
        return super().output(tape) * tape.m


@planted(4, "BP1", "mean_twice")
class MeanTwice(Written):
    """The mean over the examples taken twice."""

    def output(self, tape: Tape) -> Any:
        return super().output(tape) / tape.m


@planted(4, "BP1", "example_dropped")
class LastExampleDropped(Written):
    """The last example left out."""

    def output(self, tape: Tape) -> Any:
        delta = super().output(tape).copy()
        delta[-1] = 0
        return delta


@planted(4, "BP1", "one_example")
class OnlyLastExample(Written):
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
    """The layers' gradients in reverse order, where the shapes allow it."""

    def gradient(self, tape: Tape, gradient: Gradient) -> None:
        super().gradient(tape, gradient)
        parts = [(w.copy(), b.copy()) for w, b in zip(gradient.weights, gradient.biases, strict=True)]
        if [w.shape for w, _ in parts] == [w.shape for w, _ in parts[::-1]]:
            for i, (w, b) in enumerate(parts[::-1]):
                gradient.weights[i][...], gradient.biases[i][...] = w, b
