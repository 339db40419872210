"""The inputs of an exercise: networks, their examples, and everything that a gradient passes through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from formulations.arrays import Array
from formulations.display import counted
from formulations.functions import PerNeuron
from formulations.network import Gradient, Network, Tape
from formulations.plans import gradient
from formulations.verification.oracles import Reference, reference_gradient

__all__ = ["Question", "drawn"]

BATCHES = (1, 4, 16, 8)
"""The number of examples of each network: powers of two, by which δ is divided without rounding."""


@dataclass(frozen=True)
class Question:
    """A network with examples, a layer of it, and its gradient with the quadratic cost.

    Attributes
    ----------
    network : Network
        Of sigmoid neurons, but for a modified one.
    X, Y : ndarray of shape (m, n₁) and (m, n_L)
        The examples.
    layer : int
        The layer that a question is about, from 2 to L.
    neuron : int
        The neuron of that layer, counted from 0.
    function : str
        Its function, if it is modified.
    """

    network: Network
    X: Array
    Y: Array
    layer: int
    neuron: int
    function: str = ""

    @property
    def title(self) -> str:
        """The sizes of the network, and the number of examples."""
        return f"{self.network.layout}, {counted(len(self.X), 'example')}"

    @property
    def last(self) -> int:
        """L."""
        return self.network.layout.last

    @cached_property
    def gradient(self) -> Gradient:
        """The gradient, with δ of the mean cost, in double precision."""
        return gradient(self.network, self.X, self.Y, backend="hadamard")

    @cached_property
    def tape(self) -> Tape:
        """Z and a, in double precision."""
        return self.network.record(self.network.check_examples(self.X, self.Y))

    @property
    def errors(self) -> list[Array]:
        """δ^l of each example at ``[l-2]``, as the book has it: not divided by m."""
        return [len(self.X) * delta for delta in self.gradient.errors or ()]

    @cached_property
    def reference(self) -> Reference:
        """The reference, in a higher precision."""
        return reference_gradient(self.tape)

    def with_function(self, function: str) -> Question:
        """Return the question with another function in its neuron."""
        size = self.network.sizes[self.layer - 1]
        members = [function if j == self.neuron else "sigmoid" for j in range(size)]
        activations = list(self.network.activations)
        activations[self.layer - 2] = PerNeuron(members)
        network = Network(self.network.weights, self.network.biases, activations=activations)
        return replace(self, network=network, function=function)


def drawn(
    random: np.random.Generator, *, batches: Sequence[int] = BATCHES, output: Sequence[bool] = ()
) -> list[Question]:
    """Draw four networks with examples.

    In the first, no two layers have the same size, so that a transposed array fits nowhere; in the
    second, all have, so that it fits everywhere; the third is deep, and the fourth has one output.

    Parameters
    ----------
    random : Generator
        The source of everything.
    batches : sequence of int
        The number of examples of each network, which is a power of two.
    output : sequence of bool
        Whether the layer of each question is the output layer; by default any layer but the input.
    """
    different = [int(n) for n in random.permutation(np.arange(2, 7))[:3]]
    same, (first, hidden) = int(random.integers(2, 5)), [int(n) for n in random.integers(2, 6, size=2)]
    deep = [int(n) for n in random.integers(2, 6, size=5)]
    questions = []
    for i, sizes in enumerate([different, [same] * 4, deep, [first, hidden, 1]]):
        m, layers = batches[i], range(2, len(sizes) + 1)
        if output:
            layers = layers[-1:] if output[i] else layers[:-1]
        layer = int(random.choice(layers))
        weights = [random.normal(size=shape) for shape in zip(sizes[1:], sizes[:-1], strict=True)]
        network = Network(weights, [random.normal(size=n) for n in sizes[1:]], activations="sigmoid")
        X, Y = random.random((m, sizes[0])), random.random((m, sizes[-1]))
        neurons = range(sizes[layer - 1])
        if i < 2:
            # Any but the first, and then the first: a function that always takes the same one, or the last, is found.
            neurons = neurons[:1] if i else neurons[1:]
        questions.append(Question(network, X, Y, layer, int(random.choice(neurons))))
    return questions
