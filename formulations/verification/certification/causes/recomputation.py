"""A backward pass with replaceable parts, which predicts the gradient that a mistake produces."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from formulations.arrays import Array, Layout
from formulations.network import Tape
from formulations.verification.oracles import Matrices, Reference, outer, shares_of, through

__all__ = ["Parts", "Pass"]


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of a backward pass; each tuple has one entry for each layer from the second on.

    Attributes
    ----------
    output : ndarray of shape (m, n_L)
        ∇_aC, or δ^L if the output is combined.
    combined : bool
        Whether no slope is applied to ``output``.
    slopes : tuple of ndarray or OuterBlocks
        Σ′(z^l): the diagonal, shape (m, n_l), or the blocks, shape (m, n_l, n_l).
    weights : tuple of ndarray
        w^{l+1} at the index of layer l, by which (BP2) multiplies δ^{l+1}; the last one is not used.
    inputs : tuple of ndarray
        a^{l−1} in (BP4).
    factors : dict of int to float
        The factor of δ^l.
    examples : ndarray of shape (m, 1)
        The factor of each example.
    of_weights, of_biases : dict of int to float
        The factors of ∂C/∂w^l and ∂C/∂b^l.
    """

    output: Array
    combined: bool
    slopes: tuple[Matrices, ...]
    weights: tuple[Any, ...]
    inputs: tuple[Array, ...]
    examples: Array
    factors: dict[int, float] = field(default_factory=dict)
    of_weights: dict[int, float] = field(default_factory=dict)
    of_biases: dict[int, float] = field(default_factory=dict)

    def with_slope(self, l: int, slope: Matrices) -> Parts:
        """Return the parts with another Σ′(z^l)."""
        return replace(self, slopes=_changed(self.slopes, l - 2, slope))

    def with_weights(self, l: int, weights: Any) -> Parts:
        """Return the parts with another w^{l+1} in (BP2) of layer l."""
        return replace(self, weights=_changed(self.weights, l - 2, weights))

    def with_input(self, l: int, a: Array) -> Parts:
        """Return the parts with another a^{l−1} in (BP4)."""
        return replace(self, inputs=_changed(self.inputs, l - 2, a))

    def gradient(self, layout: Layout) -> Array:
        """Return ∂C/∂w and ∂C/∂b from these parts, shape (P + N,)."""
        vector = np.empty(layout.count)
        last = layout.last
        delta = self.output if self.combined else through(self.slopes[-1], self.output)
        for l in range(last, 1, -1):
            if l < last:
                delta = through(self.slopes[l - 2], delta @ self.weights[l - 2])
            delta = delta * self.factors.get(l, 1.0)
            counted = delta * self.examples
            of_weights, of_biases = layout.slices[l - 2]
            vector[of_weights] = outer(counted, self.inputs[l - 2], layout, l - 2) * self.of_weights.get(l, 1.0)
            vector[of_biases] = counted.sum(axis=0) * self.of_biases.get(l, 1.0)
        return vector


def _changed(parts: tuple[Any, ...], i: int, part: Any) -> tuple[Any, ...]:
    return (*parts[:i], part, *parts[i + 1 :])


@dataclass(frozen=True, eq=False)
class Pass:
    """A forward pass in float64, with the correct backward pass.

    Parameters
    ----------
    tape : Tape
        Network, examples and cost.
    reference : Reference
        The reference gradient with its forward pass, in any precision.
    """

    tape: Tape
    reference: Reference

    @cached_property
    def layout(self) -> Layout:
        """The layout of the network."""
        return self.tape.network.layout

    @cached_property
    def weighted_inputs(self) -> list[Array]:
        """z^l at ``[l-2]``."""
        return [z.astype(np.float64) for z in self.reference.weighted_inputs]

    @cached_property
    def activations(self) -> list[Array]:
        """a^l at ``[l-1]``."""
        return [a.astype(np.float64) for a in self.reference.activations]

    @cached_property
    def targets(self) -> Array:
        """The targets y."""
        return self.tape.targets.astype(np.float64)

    @cached_property
    def shares(self) -> Array:
        """Each example's share of the mean, shape (m, 1)."""
        return shares_of(self.tape, np.dtype(np.float64)) / float(self.tape.known_cost.factor)

    @cached_property
    def parts(self) -> Parts:
        """The parts of the correct backward pass."""
        combined = self.tape.combined is not None
        output = (self.reference.errors or ())[-1] if combined else self.reference.cost_gradient
        weights = [w.astype(np.float64) for w in self.tape.network.weights]
        return Parts(
            output=output.astype(np.float64),
            combined=combined,
            slopes=tuple(slope.matrix.astype(np.dtype(np.float64)) for slope in self.reference.slopes),
            weights=(*weights[1:], weights[-1]),
            inputs=tuple(self.activations[:-1]),
            examples=np.ones((self.tape.m, 1)),
        )
