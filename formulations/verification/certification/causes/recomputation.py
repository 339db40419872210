"""What mistakes are made in: the right backward pass in replaceable parts, each with the bound of its rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from formulations.arrays import Array, Layout, Precision, gamma
from formulations.exceptions import FormulationsException
from formulations.functions import COSTS, is_built_in
from formulations.network import Batch, Network, Tape
from formulations.verification.oracles import Reference, outer, reference_gradient, shares_of, through
from formulations.verification.tolerances import Formulas, propagate_bounds

__all__ = ["Calls", "Index", "Parts", "Pass", "Predicted", "Rounded", "rounding_of"]

Index: TypeAlias = Any
"""Entries of the flat vector: a slice, or an array of integers."""


@dataclass(frozen=True, eq=False)
class Rounded:
    """An array of a forward pass, and how far a candidate's can be from it by roundoff.

    Parameters
    ----------
    value : ndarray or OuterBlocks
        The array, in float64.
    error : callable () -> of the same kind
        Returns E, its bound; called only if the prediction is judged.
    acted_on : ndarray or OuterBlocks, optional
        What rounding acts on in a product; by default the absolute values.
    roundings : int
        The roundings of a product, beyond those of a product with a diagonal.
    """

    value: Any
    error: Callable[[], Any]
    acted_on: Any = None
    roundings: int = 0

    @property
    def size(self) -> Any:
        """The absolute values."""
        return abs(self.value)


def rounding_of(function: Callable[[Array], Array], at: Array, e: Array, u: float) -> Array:
    """Return the bound of a function's rounding if its argument is off by at most e, for a monotone stretch of it."""
    value = function(at)
    far = np.maximum(np.abs(function(at + e) - value), np.abs(function(at - e) - value))
    return np.asarray(far + 8 * u * (np.abs(value) + np.abs(at) + 1))


class Predicted:
    """A gradient that a mistake predicts.

    Parameters
    ----------
    value : ndarray of shape (P + N,)
        The gradient, in float64.
    bound : callable () -> ndarray of shape (P + N,)
        Returns how far a candidate with this mistake can be from it by roundoff.
    """

    def __init__(self, value: Array, bound: Callable[[], Array]) -> None:
        self.value, self._bound = value, bound

    @cached_property
    def bound(self) -> Array:
        """How far a candidate with this mistake can be from it by roundoff, entry by entry."""
        return self._bound()

    def times(self, factor: Any, precision: Precision, off: float = 0.0) -> Predicted:
        """Return it multiplied by a factor, or by one for each entry, which is off by at most a fraction of itself."""
        value, size = self.value * factor, np.abs(factor)
        rounding = 2 * precision.u + off
        return Predicted(value, lambda: size * self.bound + rounding * np.abs(value) + precision.tiny)

    def rounded(self, e: Array) -> Predicted:
        """Return it with an error of at most e more in each entry."""
        return Predicted(self.value, lambda: self.bound + e)

    def plus(self, term: Array, precision: Precision) -> Predicted:
        """Return it with a product of two known numbers added to each entry."""
        value = self.value + term
        rounding = 3 * precision.u
        return Predicted(value, lambda: self.bound + rounding * (np.abs(term) + np.abs(value)) + precision.tiny)


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of a backward pass; each tuple has one entry for each layer from the second on.

    Attributes
    ----------
    output : Rounded, of shape (m, n_L)
        ∇_aC, or δ^L if the output is combined.
    combined : bool
        Whether no slope is applied to ``output``.
    slopes : tuple of Rounded
        Σ′(z^l): the diagonal, shape (m, n_l), or the blocks, shape (m, n_l, n_l).
    weights : tuple of ndarray
        w^{l+1} at the index of layer l, by which (BP2) multiplies δ^{l+1}; the last one is not used.
    inputs : tuple of Rounded
        a^{l−1} in (BP4).
    factors : dict of int to float
        The factor of δ^l.
    examples : ndarray of shape (m, 1)
        The factor of each example.
    """

    output: Rounded
    combined: bool
    slopes: tuple[Rounded, ...]
    weights: tuple[Any, ...]
    inputs: tuple[Rounded, ...]
    examples: Array
    factors: dict[int, float] = field(default_factory=dict)

    def with_slope(self, l: int, slope: Rounded) -> Parts:
        """Return the parts with another Σ′(z^l)."""
        return replace(self, slopes=_changed(self.slopes, l - 2, slope))

    def with_weights(self, l: int, weights: Any) -> Parts:
        """Return the parts with another w^{l+1} in (BP2) of layer l."""
        return replace(self, weights=_changed(self.weights, l - 2, weights))

    def with_input(self, l: int, a: Rounded) -> Parts:
        """Return the parts with another a^{l−1} in (BP4)."""
        return replace(self, inputs=_changed(self.inputs, l - 2, a))

    def errors(self, last: int) -> Iterator[tuple[int, Array]]:
        """Yield l and δ^l from the output backwards."""
        delta = self.output.value if self.combined else through(self.slopes[-1].value, self.output.value)
        for l in range(last, 1, -1):
            if l < last:
                delta = through(self.slopes[l - 2].value, delta @ self.weights[l - 2])
            delta = delta * self.factors.get(l, 1.0)
            yield l, delta

    def gradient(self, layout: Layout) -> Array:
        """Return ∂C/∂w and ∂C/∂b from these parts, shape (P + N,)."""
        vector = np.empty(layout.count)
        for l, delta in self.errors(layout.last):
            counted = delta * self.examples
            of_weights, of_biases = layout.slices[l - 2]
            vector[of_weights] = outer(counted, self.inputs[l - 2].value, layout, l - 2)
            vector[of_biases] = counted.sum(axis=0)
        return vector

    def bound(self, layout: Layout, precision: Precision) -> Array:
        r"""Return how far a candidate that computes these parts can be from :meth:`gradient`, shape (P + N,).

        It is T4 (:mod:`formulations.verification.tolerances.propagation`) with the replaced parts in the place of the
        right ones,

        .. math::

            E_\delta = |d| E_s + (|s| + E_s) E_d + \gamma (|d| + E_d)(|s| + E_s), \qquad
            E_s = |w|^T E_\delta + \gamma_{n+2} |w|^T (|\delta| + E_\delta)
        """
        u, m, bound = precision.u, len(self.examples), np.empty(layout.count)
        e = self.output.error() + 2 * u * self.output.size
        if not self.combined:
            e = _through_rounded(self.slopes[-1], self.output.size, e, precision)
        above = np.zeros_like(e)
        for l, delta in self.errors(layout.last):
            if l < layout.last:
                w, n = abs(self.weights[l - 2]), self.weights[l - 2].shape[0]
                of_s = e @ w + gamma(n + 2, u) * ((np.abs(above) + e) @ w) + precision.tiny * (n + 2)
                e = _through_rounded(self.slopes[l - 2], np.abs(above @ self.weights[l - 2]), of_s, precision)
            e = e * abs(self.factors.get(l, 1.0))
            above = delta
            counted, of_delta = np.abs(delta * self.examples), e * np.abs(self.examples)
            a, of_a = self.inputs[l - 2].size, self.inputs[l - 2].error()
            of_weights, of_biases = layout.slices[l - 2]
            propagated = outer(of_delta, a + of_a, layout, l - 2) + outer(counted, of_a, layout, l - 2)
            rounding = gamma(m + 6, u)
            bound[of_weights] = propagated + rounding * outer(counted + of_delta, a + of_a, layout, l - 2)
            bound[of_biases] = of_delta.sum(axis=0) + rounding * (counted + of_delta).sum(axis=0)
        return np.asarray(precision.sides * (bound + precision.tiny * (m + 3)))


def _through_rounded(slope: Rounded, s: Array, of_s: Array, precision: Precision) -> Array:
    """Return E of Σ′ᵀs, given the absolute values of s, and E_s."""
    of_d = slope.error()
    acted_on = slope.size if slope.acted_on is None else slope.acted_on
    e = through(slope.size, of_s) + through(of_d, s + of_s)
    e = e + gamma(7 + slope.roundings, precision.u) * through(acted_on + of_d, s + of_s)
    return np.asarray(e + precision.tiny * 8)


def _changed(parts: tuple[Any, ...], i: int, part: Any) -> tuple[Any, ...]:
    return (*parts[:i], part, *parts[i + 1 :])


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
class Pass:
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
    memory : dict
        What several mistakes need and compute once.
    """

    reference: Reference
    candidate: Array
    given: Array | None = None
    calls: Calls = field(default_factory=Calls)
    base: Predicted | None = None
    factor: float = 1.0
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
