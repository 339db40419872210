"""The case under diagnosis: a candidate, and the forward and backward pass that it should be the gradient of."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from formulations.arrays import Array, Layout, Precision
from formulations.data import Problem
from formulations.exceptions import FormulationsException
from formulations.functions import COSTS, is_built_in
from formulations.network import Batch, Network, Tape
from formulations.verification.certification.causes.parts import Parts, Predicted, Rounded
from formulations.verification.oracles import Reference, reference_gradient, shares_of
from formulations.verification.tolerances import Formulas, propagate_bounds

__all__ = ["Calls", "Case", "Index"]

Index: TypeAlias = Any
"""Entries of the flat vector: a slice, or an array of integers."""


@dataclass(frozen=True, eq=False)
class Calls:
    """What further calls of a candidate function returned, as flat vectors.

    Attributes
    ----------
    again : ndarray of shape (P + N,), or None
        The gradient of the same examples, from a second call.
    alone : tuple of ndarray of shape (P + N,)
        Gradients of the first example alone: several if those of the same examples differ, none if the call failed.
    """

    again: Array | None = None
    alone: tuple[Array, ...] = ()

    def __post_init__(self) -> None:
        if self.again is not None:
            object.__setattr__(self, "again", self.again.astype(np.float64))
        object.__setattr__(self, "alone", tuple(vector.astype(np.float64) for vector in self.alone))


@dataclass(frozen=True, eq=False)
class Case:
    """A candidate, and the forward and backward pass that it should be the gradient of, in float64.

    Parameters
    ----------
    reference : Reference
        The reference gradient with its forward pass, in any precision, and its network, examples and cost.
    candidate : ndarray of shape (P + N,)
        The candidate, less the weight decay that belongs in it.
    given : ndarray of shape (P + N,), or None
        Which entries the candidate has; None for all.
    calls : Calls
        What a candidate function returned when it was called again.
    base : Predicted or None
        The gradient with a first mistake, if a second one is looked for; None for the right one.
    factor : float
        The factor by which that first mistake multiplies the right gradient.
    problem : Problem, or None
        The examples with those of weight 0, for which the tape has others, and their weights; None for those of the
        tape.
    memory : dict
        What several mistakes need and compute once.
    """

    reference: Reference
    candidate: Array
    given: Array | None = None
    calls: Calls = field(default_factory=Calls)
    base: Predicted | None = None
    factor: float = 1.0
    problem: Problem | None = None
    memory: dict[str, Any] = field(default_factory=dict)

    @property
    def l2(self) -> float:
        """The weight decay λ that belongs in the gradient."""
        return self.reference.l2

    @property
    def tape(self) -> Tape:
        """Network, examples and cost."""
        return self.reference.tape

    @cached_property
    def layout(self) -> Layout:
        """The layout of the network."""
        return self.tape.network.layout

    @property
    def layers(self) -> range:
        """The layers from the output backwards."""
        return range(self.layout.last, 1, -1)

    @property
    def free_outputs(self) -> int:
        """How many entries of each example's δ^L are free: those of coupled outputs add up to 0."""
        return self.layout.sizes[-1] - self.tape.network.activations[-1].coupled

    @cached_property
    def precision(self) -> Precision:
        """The precisions of candidate and prediction."""
        return Precision(self.tape.network.dtype, np.dtype(np.float64))

    @cached_property
    def arrays(self) -> list[tuple[int, str, Index]]:
        """Layer, ``"w"`` or ``"b"``, and the entries that the candidate has, for each array with any."""
        found = []
        for l in self.layers:
            for kind, part in zip("wb", self.layout.slices[l - 2], strict=True):
                entries: Index = part
                if self.given is not None:
                    entries = part.start + np.flatnonzero(self.given[part])
                if len(self.candidate[entries]):
                    found.append((l, kind, entries))
        return found

    @cached_property
    def entries(self) -> Index:
        """All entries that the candidate has."""
        return slice(None) if self.given is None else np.flatnonzero(self.given)

    @cached_property
    def on_weights(self) -> Array:
        """1 for weights and 0 for biases, shape (P + N,)."""
        marks = np.zeros(self.layout.count)
        for of_weights, _ in self.layout.slices:
            marks[of_weights] = 1
        return marks

    @cached_property
    def parameters(self) -> Array:
        """The weights and biases themselves, shape (P + N,)."""
        return self.tape.network.vector.astype(np.float64)

    @cached_property
    def weighted_inputs(self) -> list[Rounded]:
        """z^l at ``[l-2]``."""
        return [self._rounded(z, "weighted_inputs", i) for i, z in enumerate(self.reference.weighted_inputs)]

    @cached_property
    def activations(self) -> list[Rounded]:
        """a^l at ``[l-1]``."""
        return [self._rounded(a, "activations", i) for i, a in enumerate(self.reference.activations)]

    @cached_property
    def targets(self) -> Array:
        """The targets y."""
        return self.tape.targets.astype(np.float64)

    @cached_property
    def shares(self) -> Array:
        """Each example's share of the mean, shape (m, 1), without the cost's factor."""
        return np.asarray(shares_of(self.tape, np.dtype(np.float64)) / float(self.tape.known_cost.factor))

    @cached_property
    def parts(self) -> Parts:
        """The parts of the correct backward pass."""
        combined = self.tape.combined is not None
        output = (self.reference.errors or ())[-1] if combined else self.reference.cost_gradient
        weights = [w.astype(np.float64) for w in self.tape.network.weights]
        return Parts(
            output=Rounded(
                output.astype(np.float64),
                lambda: self._bounds.own_last_error if combined else self._bounds.cost_gradient,
            ),
            combined=combined,
            slopes=tuple(
                replace(self._rounded(slope.matrix, "slopes", i), acted_on=slope.acted_on, roundings=slope.roundings)
                for i, slope in enumerate(self.reference.slopes)
            ),
            weights=(*weights[1:], weights[-1]),
            inputs=tuple(self.activations[:-1]),
            examples=np.ones((self.tape.m, 1)),
        )

    @cached_property
    def gradient(self) -> Predicted:
        """The gradient that a mistake is made with: the right one, less the weight decay that belongs in it."""
        return self.right(self.reference) if self.base is None else self.base

    def predicted(self, made: Parts | Predicted) -> Predicted:
        """Return the gradient that a backward pass with a mistake predicts."""
        if isinstance(made, Predicted):
            return made
        return Predicted(made.gradient(self.layout), lambda: made.bound(self.layout, self.precision))

    def right(self, reference: Reference) -> Predicted:
        """Return the right gradient of a problem with the same parameters, by T4, less its weight decay."""
        data = reference.vector if reference.decay is None else reference.vector - reference.decay
        return Predicted(data.astype(np.float64), lambda: _bound_of(reference, self.layout))

    def reference_of(self, network: Network, batch: Batch) -> Reference | None:
        """Return the right gradient of another problem, to be read as the one with a mistake; None if it is undefined.

        The cost may be undefined for other outputs or targets, and the budget may not hold another coupled layer.
        """
        X, Y, shares, cost = batch.counted()
        try:
            tape = Tape(network, cost, len(X))
            tape.load(X, Y, shares)
            return reference_gradient(tape)
        except FormulationsException:
            return None
        except Exception:
            # A user's function may raise anything for what it was not made for.
            if self.is_built_in:
                raise
            return None

    @cached_property
    def is_built_in(self) -> bool:
        """Whether the library knows every activation and the cost."""
        activations = self.tape.network.activations
        known = type(self.tape.cost) in {type(cost) for cost in COSTS.values()}
        return known and all(is_built_in(function) for each in activations for function in each.functions)

    @property
    def total_weight(self) -> float | None:
        """The sum of the sample weights, or None if there are none."""
        weights = None if self.problem is None else self.problem.sample_weight
        return None if weights is None else float(weights.sum())

    @property
    def batch(self) -> Batch:
        """The examples."""
        return Batch(self.tape.X, self.tape.targets, self.tape.shares, self.tape.known_cost)

    def _rounded(self, array: Any, of: str, i: int) -> Rounded:
        """Return one array of the forward pass with T4's bound of it."""
        return Rounded(array.astype(np.dtype(np.float64)), lambda: getattr(self._bounds, of)[i])

    @cached_property
    def _bounds(self) -> Any:
        return propagate_bounds(self.reference, formulas=Formulas.CUSTOMARY)


def _bound_of(reference: Reference, layout: Layout) -> Array:
    bounds, vector = propagate_bounds(reference, formulas=Formulas.CUSTOMARY), np.empty(layout.count)
    for i, (of_weights, of_biases) in enumerate(layout.slices):
        vector[of_weights], vector[of_biases] = bounds.weights[i], bounds.biases[i]
    return vector
