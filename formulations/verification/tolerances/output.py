r"""Bounds at the output: how far δ^L and C can be from the reference's.

Between the reference's outputs and the candidate's, ∇_aC stays within E_G of its value at the reference's, so that

.. math:: E_C = \sum (|\nabla_a C| + E_G)(E_a + 4u(|a| + |y|)) + \gamma_{m n_L + 16} \sum_x |C_x|

with each example's share in ∇_aC and C_x. If cost and output activation have a combined form, C is a function of z^L,
and :math:`\partial C / \partial z^L = \delta^L` takes the place of ∇_aC, and :math:`E_z + 8u|z|` that of E_a. A
candidate from elsewhere may still compute C from a^L, by 1 − a for instance. It is granted the larger of the two
bounds, which is infinite if the output is saturated.

The library cannot know what the terms of a user-defined cost lose on the way to ∇_aC, as 1 − 1/(1 + a) does for small
a. As for activations (:mod:`formulations.verification.tolerances.activations`), the cost is evaluated in two
precisions, and the result is an estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np

from formulations.arrays import Array, Precision, gamma
from formulations.exceptions import FormulationsException
from formulations.functions import COSTS, CombinedOutput, LogLikelihood
from formulations.verification.oracles import Matrices, Reference, combined_error, magnitudes, shares_of, through, worse
from formulations.verification.tolerances.activations import PLACES, lost
from formulations.verification.tolerances.customary import Formulas

__all__ = ["OutputBounds"]

_OURS = {type(cost) for cost in COSTS.values()}
"""Costs whose roundoff is known, and which sum one term for each output."""


class OutputBounds:
    """Bounds of δ^L and C, given those of z^L, a^L and σ′(z^L).

    Parameters
    ----------
    reference : Reference
        Its tape supplies the examples and the cost.
    precision : Precision
        That of the candidate and of the reference.
    formulas : Formulas
        The formulas that the candidate may use for its activations.
    """

    def __init__(self, reference: Reference, precision: Precision, formulas: Formulas) -> None:
        self._reference, self._precision, self._formulas = reference, precision, formulas
        self._tape = reference.tape
        self._shares = shares_of(reference.tape, precision.working)
        self._targets = reference.tape.targets.astype(precision.wide)
        self._outputs = reference.activations[-1]

    @cached_property
    def unshared(self) -> Array:
        """1/share, shape (m, 1): a candidate that takes one example at a time multiplies by the share last."""
        unshared: Array = 1 / np.where(self._shares > 0, self._shares, 1)
        return unshared

    def error(self, of_a: Array, of_d: Matrices) -> Array:
        """Return E of δ^L by (BP1), given E_a and E_d of the output layer."""
        if self._tape.combined is not None:
            return self._combined_error(self._tape.combined, of_a)
        reference, precision = self._reference, self._precision
        u, slope = precision.u, reference.slopes[-1]
        big = np.abs(reference.cost_gradient).astype(precision.working)
        of_g = self.cost_gradient(of_a)
        rounding = gamma(5 + slope.roundings, u) * through(slope.acted_on + of_d, big + of_g)
        e = through(slope.size, of_g) + through(of_d, big + of_g) + rounding + precision.tiny * (5 + slope.gain)
        return precision.within_range(e, through(slope.size, big) * self.unshared)

    def cost_gradient(self, of_a: Array) -> Array:
        """Return E of ∇_aC, given E_a of the output layer."""
        big = np.abs(self._reference.cost_gradient).astype(self._precision.working)
        _, moved = self._moved(of_a)
        of_g = moved + 8 * self._precision.u * big + self._lost_by_cost()
        return self._precision.within_range(of_g, big * self.unshared)

    def cost(self, of_z: Array, of_a: Array, of_delta: Array, factor: float) -> float:
        """Return E of C, given those of z^L, a^L and δ^L and γ of the sum; infinite if no bound holds."""
        tape, shares = self._tape, self._shares
        if tape.combined is None:
            moved = self._cost_by_outputs(self._reference.cost_gradient, of_a)
        else:
            moved = self._cost_by_weighted_inputs(of_z, of_delta)
            if self._formulas is not Formulas.CAREFUL:
                z, targets = magnitudes((self._reference.weighted_inputs[-1], tape.targets), self._precision.working)
                rounded = 4 * self._precision.u * float((shares * z * (1 + targets)).sum())
                moved = max(moved + rounded, self._cost_uncombined(of_a))
        values, lost_by_values = self._values()
        rounding = factor * float((shares[:, 0] * values).sum())
        rounding += float((shares[:, 0] * lost_by_values).sum())
        e = moved + rounding + (tape.targets.size + 16) * float(self._precision.tiny)
        return e if math.isfinite(e) else math.inf

    def _combined_error(self, combined: CombinedOutput, of_a: Array) -> Array:
        precision, z = self._precision, self._reference.weighted_inputs[-1]
        _, size, k = combined_error(combined, z, self._outputs, self._targets)
        if self._formulas is not Formulas.CAREFUL:
            # JAX takes σ as the slope of log(1 + e^z), e^(z − log(1 + e^z)), and rounds a logarithm of z's size.
            z, a = magnitudes((z, self._outputs), precision.working)
            of_a = of_a + 2 * precision.u * z * (a if combined.complement is None else 1 - a)
        if combined.complement is not None:
            of_a = np.abs(self._targets).astype(precision.working) * of_a
        elif combined.scale is not None:
            of_a = np.abs(combined.scale(self._targets)).astype(precision.working) * of_a
        rounding = gamma(k, precision.u) * (size.astype(precision.working) + of_a)
        e: Array = (of_a + rounding) * self._shares + precision.tiny
        return e

    def _moved(self, of_a: Array) -> tuple[Array, Array]:
        """Return E of a^L with the rounding of a − y, and how far ∇_aC moves with it."""
        output, targets = magnitudes((self._outputs, self._tape.targets), self._precision.working)
        e = of_a + 4 * self._precision.u * (output + targets)
        moved = _moved_by_coordinate(self._cost_gradient, self._outputs, e, sums=type(self._tape.cost) in _OURS)
        return e, moved.astype(self._precision.working)

    def _cost_by_outputs(self, cost_gradient: Array, of_a: Array) -> float:
        """Return how far C moves with the outputs, by the mean value theorem."""
        e, of_g = self._moved(of_a)
        moved = float(((np.abs(cost_gradient).astype(self._precision.working) + of_g) * e).sum())
        return moved if math.isfinite(moved) else math.inf

    def _cost_by_weighted_inputs(self, of_z: Array, of_delta: Array) -> float:
        """Return how far C moves with z^L, of which it is a function if it is combined with the output activation."""
        u, working = self._precision.u, self._precision.working
        z, targets = magnitudes((self._reference.weighted_inputs[-1], self._tape.targets), working)
        delta = np.abs((self._reference.errors or ())[-1]).astype(working)
        moved = float(((delta + of_delta) * (of_z + 8 * u * z)).sum())
        if self._tape.network.activations[-1].coupled:
            # The logarithm of a sum minus z: C may be much smaller than either.
            n, largest = z.shape[1], z.max(axis=1, keepdims=True)
            each = gamma(n + 4, u) + 4 * u * (2 * largest + math.log(n))
            moved += float((self._shares * targets * each).sum())
        return moved

    def _cost_uncombined(self, of_a: Array) -> float:
        """Return how far C moves if it is computed from the outputs although a combined form exists."""
        try:
            gradient = self._cost_gradient(self._outputs)
        except FormulationsException:
            return math.inf
        # 1 − a is rounded, too.
        return self._cost_by_outputs(gradient, of_a + 2 * self._precision.u)

    def _cost_gradient(self, outputs: Array) -> Array:
        """Return ∇_aC of the mean cost at other outputs, in the reference's precision."""
        result = np.zeros_like(outputs)
        if self._tape.cost is not None:
            self._tape.cost.evaluate(outputs, self._targets, result)
        result *= shares_of(self._tape, self._precision.wide)
        return result

    def _lost_by_cost(self) -> Array | float:
        """Return what a user-defined cost loses on the way to ∇_aC; nothing if it refuses the lower precision."""
        cost, precision = self._tape.cost, self._precision
        other = worse(precision.dtype, precision.wide)
        if cost is None or type(cost) in _OURS or cost.why_not(other):
            return 0.0
        rounded = self._tape.targets.astype(other)

        def gradient_at(outputs: Array) -> tuple[Array, ...]:
            result = np.zeros_like(outputs)
            try:
                cost.evaluate(outputs, rounded.astype(outputs.dtype), result)
            except Exception:  # a user's function may raise anything if a rounded output is outside its domain
                result[...] = np.nan
            return (result,)

        (found,) = lost(gradient_at, self._places(), precision)
        e: Array = (found * shares_of(self._tape, precision.wide)).astype(precision.working)
        return e

    def _values(self) -> tuple[Array, Array | float]:
        """Return the sum of the absolute terms of each example's cost, shape (m,), and what a user's terms lose."""
        tape, precision, cost = self._tape, self._precision, self._tape.known_cost
        working, targets, outputs = precision.working, self._targets, self._outputs
        if tape.combined is not None:
            return np.abs(tape.combined.value(self._reference.weighted_inputs[-1], targets)).astype(working), 0.0
        values = np.abs(cost.evaluate(outputs, targets)).astype(working)
        if type(cost) is LogLikelihood:
            # The term of an output above 1 has the other sign.
            terms = np.abs(targets * np.log(outputs, out=np.zeros_like(outputs), where=targets != 0))
            return terms.sum(axis=1).astype(working), 0.0
        other = worse(precision.dtype, precision.wide)
        if type(cost) in _OURS or cost.why_not(other):
            return values, 0.0
        rounded = tape.targets.astype(other)

        def value_at(outputs: Array) -> tuple[Array, ...]:
            try:
                return (cost.evaluate(outputs, rounded.astype(outputs.dtype)),)
            except Exception:  # a user's function may raise anything if a rounded output is outside its domain
                return (np.full(len(outputs), np.nan),)

        (found,) = lost(value_at, self._places(), precision)
        return values, found.astype(working)

    def _places(self) -> Iterator[Array]:
        """Yield the outputs, and others closer to 0, which lie within the domain of almost any cost."""
        return (self._outputs * self._outputs.dtype.type(1 - part / 1024) for part in range(PLACES))


def _moved_by_coordinate(function: Callable[[Array], Array], at: Array, e: Array, *, sums: bool) -> Array:
    """Return how far ∇_aC of each example moves, summed over moving every output by itself.

    If the cost sums one term for each output, ∂C/∂a_j depends on a_j alone, and all outputs are moved at once.
    """
    base = function(at)
    total = np.zeros_like(base)
    for j in (slice(None),) if sums else range(at.shape[1]):
        ends = []
        for sign in (1, -1):
            moved = at.copy()
            moved[:, j] += sign * e[:, j]
            try:
                ends.append(np.abs(function(moved) - base))
            except FormulationsException:
                # The cost's domain ends within the bound of the outputs.
                ends.append(np.full_like(base, np.inf))
        total += np.maximum(*ends)
    return total
