"""A backward pass in replaceable parts, and the gradient that it predicts, each with the bound of its rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from formulations.arrays import Array, Layout, Precision, gamma
from formulations.verification.oracles import outer, through

__all__ = ["Parts", "Predicted", "Rounded", "rounding_of"]


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
