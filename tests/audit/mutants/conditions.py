"""Faults that show only for some sizes, dtypes, activations or states of a neuron."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.network import Tape
from tests.audit.mutants.written import Written, planted


@planted()
class OneExampleAlone(Written):
    """Twice too large if m = 1."""

    def output(self, tape: Tape) -> Any:
        return super().output(tape) * (2 if tape.m == 1 else 1)


@planted()
class OddWidths(Written):
    """The last neuron of a layer of odd width left out, as in a loop over pairs."""

    def output(self, tape: Tape) -> Any:
        delta = super().output(tape).copy()
        if delta.shape[1] % 2:
            delta[:, -1] = 0
        return delta


@planted(4, "BP1", "examples_repeated")
class OddExamples(Written):
    """The last of an odd number of examples, three or more, counted twice."""

    def output(self, tape: Tape) -> Any:
        delta = super().output(tape).copy()
        if tape.m % 2 and tape.m > 1:
            delta[-1] *= 2
        return delta


@planted()
class Saturated(Written):
    """a(1 − a) for the sigmoid, which has no correct digit left if the neuron saturates."""

    def output(self, tape: Tape) -> Any:
        if tape.combined is None and tape.network.activations[-1].name == "sigmoid":
            return tape.cost_gradient * (tape.output * (1 - tape.output))
        return super().output(tape)


@planted()
class UncombinedCrossEntropy(Written):
    """∇_aC ⊙ σ′ although cost and activation have a combined form: 0·∞."""

    def output(self, tape: Tape) -> Any:
        if tape.combined is None or tape.cost is None:
            return super().output(tape)
        G = np.empty_like(tape.output)
        tape.cost.evaluate(tape.output, tape.targets, G)
        return G * tape.share_column * tape.slopes[-1]


@planted()
class OneActivation(Written):
    """σ(z) instead of σ′(z), for softplus only."""

    def slope(self, tape: Tape, l: int) -> Any:
        softplus = tape.network.activations[l - 2].name == "softplus"
        return tape.activations[l - 1] if softplus else tape.slopes[l - 2]


@planted()
class KinkFromTheRight(Written):
    """relu′(0) = 1 instead of 0."""

    def slope(self, tape: Tape, l: int) -> Any:
        relu = tape.network.activations[l - 2].name == "relu"
        return np.where(tape.weighted_inputs[l - 2] == 0, 1, tape.slopes[l - 2]) if relu else tape.slopes[l - 2]


@planted()
class Deep(Written):
    """σ′(z²) missing in networks of more than nine layers."""

    def slope(self, tape: Tape, l: int) -> Any:
        return np.ones_like(tape.slopes[0]) if l == 2 and len(tape.slopes) > 8 else tape.slopes[l - 2]


@planted()
class SinglePrecisionAlone(Written):
    """A relative error of 2e-4, in float32 only."""

    def output(self, tape: Tape) -> Any:
        delta = super().output(tape)
        return delta * delta.dtype.type(1.0002) if delta.dtype == np.float32 else delta


@planted()
class SampleWeightsIgnored(Written):
    """Equal weights for all examples."""

    def output(self, tape: Tape) -> Any:
        delta = super().output(tape)
        if tape.shares is None:
            return delta
        shares = np.where(tape.shares > 0, tape.shares, 1)
        return (delta / shares / tape.m).astype(delta.dtype)


@planted()
class PerNeuronByTheFirst(Written):
    """The first neuron's activation for all neurons of a layer that has several activations."""

    def slope(self, tape: Tape, l: int) -> Any:
        activation = tape.network.activations[l - 2]
        mixed = len(activation.functions) > 1
        return activation.neuron(0).slope(tape.weighted_inputs[l - 2]) if mixed else tape.slopes[l - 2]


@planted()
class SmallerBatch(Written):
    """A batch smaller than the plan's batch size averaged over the plan's batch size."""

    def output(self, tape: Tape) -> Any:
        buffers = tape.weighted_inputs[0].base
        capacity = tape.m if buffers is None else buffers.size // sum(tape.network.layout.sizes[1:])
        return super().output(tape) * (tape.m / capacity)


@planted()
class VanishingFlushed(Written):
    """Errors below 1e-6 set to zero."""

    def carried(self, tape: Tape, l: int, delta: Array) -> Any:
        found = super().carried(tape, l, delta)
        return np.where(np.abs(found) < 1e-6, 0, found).astype(found.dtype)


@planted()
class BlocksOfSeven(Written):
    """The remainder of more than eight examples left out of the biases, as in a loop over blocks of seven."""

    def of_biases(self, tape: Tape, l: int, delta: Array) -> Any:
        kept = tape.m - tape.m % 7 if tape.m > 8 else tape.m
        return super().of_biases(tape, l, delta[:kept])
