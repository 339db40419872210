r"""What a forward pass of its own can do to δ^L and to C, and where the candidate's arithmetic ends.

Between the reference's outputs and the candidate's, ∇_aC stays within E_G of its value at the reference's, so that

.. math:: E_C = \sum (|\nabla_a C| + E_G)(E_a + 4u(|a| + |y|)) + \gamma_{m n_L + 16} \sum_x |C_x|

with each example's share in ∇_aC and C_x. Where the output is combined, C is a function of z^L, and :math:`\partial C /
\partial z^L = \delta^L` takes the place of ∇_aC, and :math:`E_z + 8u|z|` that of E_a. A candidate from elsewhere may
still compute C from a^L, by 1 − a for instance: it is granted the larger of the two, which is infinite where the output
is saturated.

What the terms of a cost handed in lose on the way to ∇_aC, as 1 − 1/(1 + a) does for small a, nobody knows: as for
activations in :mod:`formulations.verification.tolerances.activation_bounds`, it is evaluated in two precisions, and
that is an estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import FormulationsException
from formulations.functions import COSTS, CombinedOutput, Cost, LogLikelihood
from formulations.network import Tape
from formulations.verification.oracles import (
    Formulas,
    Matrices,
    Precision,
    Reference,
    fused_error,
    gamma,
    magnitudes,
    shares_of,
    through,
    worse,
)
from formulations.verification.tolerances.activation_bounds import PLACES, lost

__all__ = ["alone", "of_cost", "of_last", "within_range"]

_OURS = {type(cost) for cost in COSTS.values()}
"""Costs whose roundoff is known, and which sum a term for each output."""


def of_last(tape: Tape, reference: Reference, of_a: Array, of_d: Matrices, precision: Precision) -> Array:
    """Return E of δ^L, by (BP1) from outputs and slopes that are known to E_a and E_d."""
    if tape.combined is not None:
        return _of_combined_output(tape.combined, tape, reference, of_a, precision)
    return _of_output(tape, reference, of_a, of_d, precision)


def alone(tape: Tape, precision: Precision) -> Array:
    """Return what turns an example's part into its gradient alone: one example at a time, the share comes last."""
    shares = shares_of(tape, precision.working)
    alone: Array = 1 / np.where(shares > 0, shares, 1)
    return alone


def within_range(e: Array, size: Array, precision: Precision) -> Array:
    """Return the bound, infinite beyond the largest number, where the candidate's arithmetic is another one."""
    return np.where(size + e <= precision.largest, e, np.inf)


def _of_combined_output(
    combined: CombinedOutput, tape: Tape, reference: Reference, of_a: Array, precision: Precision
) -> Array:
    targets = tape.targets.astype(precision.wide)
    _, size, k = fused_error(combined, reference.weighted_inputs[-1], reference.activations[-1], targets)
    if precision.formulas is not Formulas.CAREFUL:
        # JAX takes σ as the slope of log(1 + e^z), e^(z − log(1 + e^z)): a logarithm of z's size is rounded there.
        z, a = magnitudes((reference.weighted_inputs[-1], reference.activations[-1]), precision.working)
        of_a = of_a + 2 * precision.u * z * (a if combined.complement is None else 1 - a)
    if combined.complement is not None:
        of_a = np.abs(targets).astype(precision.working) * of_a
    elif combined.scale is not None:
        of_a = np.abs(combined.scale(targets)).astype(precision.working) * of_a
    shares = shares_of(tape, precision.working)
    e: Array = (of_a + gamma(k, precision.u) * (size.astype(precision.working) + of_a)) * shares + precision.tiny
    return e


def _of_output(tape: Tape, reference: Reference, of_a: Array, of_d: Matrices, precision: Precision) -> Array:
    u, slope = precision.u, reference.slopes[-1]
    big = np.abs(reference.cost_gradient).astype(precision.working)
    _, moved = _moved_by_outputs(tape, reference, of_a, precision)
    of_g = moved + 8 * u * big + _lost_by_cost(tape, reference, precision)
    of_g = within_range(of_g, big * alone(tape, precision), precision)
    rounding = gamma(5 + slope.roundings, u) * through(slope.acted_on + of_d, big + of_g)
    e = through(slope.size, of_g) + through(of_d, big + of_g) + rounding + precision.tiny * (5 + slope.gain)
    return within_range(e, through(slope.size, big) * alone(tape, precision), precision)


def _moved_by_outputs(tape: Tape, reference: Reference, of_a: Array, precision: Precision) -> tuple[Array, Array]:
    """Return E of a^L with the rounding of a − y, and how far ∇_aC moves with it."""
    output, targets = magnitudes((reference.activations[-1], tape.targets), precision.working)
    e = of_a + 4 * precision.u * (output + targets)
    gradient_of = _cost_gradient(tape.cost, tape, precision)
    moved = _reach_by_coordinate(gradient_of, reference.activations[-1], e, sums=type(tape.cost) in _OURS)
    return e, moved.astype(precision.working)


def of_cost(tape: Tape, reference: Reference, of_z: Array, of_a: Array, of_delta: Array, precision: Precision) -> float:
    """Return E of C, from what is known of z^L, a^L and δ^L; infinite where no bound holds."""
    u, working = precision.u, precision.working
    shares = shares_of(tape, working)
    count = tape.targets.size + 16
    if tape.combined is None:
        moved = _cost_by_outputs(tape, reference, np.abs(reference.cost_gradient).astype(working), of_a, precision)
    else:
        z, targets = magnitudes((reference.weighted_inputs[-1], tape.targets), working)
        delta = np.abs((reference.errors or ())[-1]).astype(working)
        moved = float(((delta + of_delta) * (of_z + 8 * u * z)).sum())
        if tape.network.activations[-1].coupled:
            # The logarithm of a sum less z: C may be much smaller than both.
            n, largest = z.shape[1], z.max(axis=1, keepdims=True)
            each = gamma(n + 4, u) + 4 * u * (2 * largest + math.log(n))
            moved += float((shares * targets * each).sum())
        if precision.formulas is not Formulas.CAREFUL:
            moved = max(
                moved + 4 * u * float((shares * z * (1 + targets)).sum()), _by_unfused(tape, reference, of_a, precision)
            )
    values, lost_by_values = _values(tape, reference, precision)
    rounding = gamma(count, u) * float((shares[:, 0] * values).sum()) + float((shares[:, 0] * lost_by_values).sum())
    e = moved + rounding + count * float(precision.tiny)
    return e if math.isfinite(e) else math.inf


def _cost_by_outputs(tape: Tape, reference: Reference, big: Array, of_a: Array, precision: Precision) -> float:
    """Return how far C moves with the outputs, by the mean value theorem."""
    e, of_g = _moved_by_outputs(tape, reference, of_a, precision)
    moved = float(((big + of_g) * e).sum())
    return moved if math.isfinite(moved) else math.inf


def _by_unfused(tape: Tape, reference: Reference, of_a: Array, precision: Precision) -> float:
    """Return how far C moves where it is computed from the outputs, though it has a form combined with them."""
    try:
        gradient = _cost_gradient(tape.cost, tape, precision)(reference.activations[-1])
    except FormulationsException:
        return math.inf
    # 1 − a is rounded, too.
    return _cost_by_outputs(
        tape, reference, np.abs(gradient).astype(precision.working), of_a + 2 * precision.u, precision
    )


def _cost_gradient(cost: Cost | None, tape: Tape, precision: Precision) -> Callable[[Array], Array]:
    targets, shares = tape.targets.astype(precision.wide), shares_of(tape, precision.wide)

    def gradient_of(outputs: Array) -> Array:
        result = np.zeros_like(outputs)
        if cost is not None:
            cost.evaluate(outputs, targets, result)
        result *= shares
        return result

    return gradient_of


def _lost_by_cost(tape: Tape, reference: Reference, precision: Precision) -> Array | float:
    """Return what a cost handed in loses on its way to ∇_aC; nothing where it refuses the lower precision."""
    cost, other = tape.cost, worse(precision.dtype, precision.wide)
    if cost is None or type(cost) in _OURS or cost.why_not(other):
        return 0.0
    rounded = tape.targets.astype(other)

    def gradient_at(outputs: Array) -> tuple[Array, ...]:
        result = np.zeros_like(outputs)
        try:
            cost.evaluate(outputs, rounded.astype(outputs.dtype), result)
        except Exception:  # whatever a stranger's function raises where a rounded output is out of its domain
            result[...] = np.nan
        return (result,)

    outputs = reference.activations[-1]
    (found,) = lost(gradient_at, _places(outputs), precision)
    e: Array = (found * shares_of(tape, precision.wide)).astype(precision.working)
    return e


def _values(tape: Tape, reference: Reference, precision: Precision) -> tuple[Array, Array | float]:
    """Return the sum of the absolute terms of each example's cost, shape (m,), and what the terms of a user's lose."""
    wide, working, cost = precision.wide, precision.working, tape.known_cost
    targets, outputs, z = tape.targets.astype(wide), reference.activations[-1], reference.weighted_inputs[-1]
    if tape.combined is not None:
        return np.abs(tape.combined.value(z, targets)).astype(working), 0.0
    values = np.abs(cost.evaluate(outputs, targets)).astype(working)
    if type(cost) is LogLikelihood:
        # An output above 1 has a term of the other sign.
        terms = np.abs(targets * np.log(outputs, out=np.zeros_like(outputs), where=targets != 0))
        return terms.sum(axis=1).astype(working), 0.0
    other = worse(precision.dtype, wide)
    if type(cost) in _OURS or cost.why_not(other):
        return values, 0.0
    rounded = tape.targets.astype(other)

    def value_at(outputs: Array) -> tuple[Array, ...]:
        try:
            return (cost.evaluate(outputs, rounded.astype(outputs.dtype)),)
        except Exception:  # whatever a stranger's function raises where a rounded output is out of its domain
            return (np.full(len(outputs), np.nan),)

    (found,) = lost(value_at, _places(outputs), precision)
    return values, found.astype(working)


def _places(outputs: Array) -> Iterator[Array]:
    """Yield the outputs, and others towards 0, which hardly any cost's domain ends before."""
    return (outputs * outputs.dtype.type(1 - part / 1024) for part in range(PLACES))


def _reach_by_coordinate(function: Callable[[Array], Array], at: Array, e: Array, *, sums: bool) -> Array:
    """Return how far ∇_aC of each example moves, summed over moving every output by itself.

    If the cost sums a term for each output, ∂C/∂a_j depends on a_j alone, and all outputs are moved at once.
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
                # The end of the cost's domain is nearer than the outputs' bound.
                ends.append(np.full_like(base, np.inf))
        total += np.maximum(*ends)
    return total
