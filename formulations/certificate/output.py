"""What a forward pass of its own can do to δ^L, and where the candidate's arithmetic ends.

What the terms of a cost handed in lose on the way to ∇_aC, as 1 − 1/(1 + a) does for small a, nobody knows: as for
activations in :mod:`formulations.certificate.reach`, it is evaluated in two precisions, and that is an estimate.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from formulations.certificate.algebra import fused_error, magnitudes, shares_of, through
from formulations.certificate.blocks import Matrices
from formulations.certificate.reach import PLACES, lost
from formulations.certificate.reference import Reference
from formulations.certificate.roundoff import Precision, gamma
from formulations.certificate.slopes import worse
from formulations.costs import COSTS, Cost, FusedOutput
from formulations.exceptions import FormulationsException
from formulations.parameters import Array
from formulations.tape import Tape

__all__ = ["alone", "of_last", "within_range"]

_OURS = {type(cost) for cost in COSTS.values()}


def of_last(tape: Tape, reference: Reference, of_a: Array, of_d: Matrices, precision: Precision) -> Array:
    """Return E of δ^L, by (BP1) from outputs and slopes that are known to E_a and E_d."""
    if tape.fused is not None:
        return _of_fused_output(tape.fused, tape, reference, of_a, precision)
    return _of_output(tape, reference, of_a, of_d, precision)


def alone(tape: Tape, precision: Precision) -> Array:
    """Return what turns an example's part into its gradient alone: one example at a time, the share comes last."""
    shares = shares_of(tape, precision.working)
    alone: Array = 1 / np.where(shares > 0, shares, 1)
    return alone


def within_range(e: Array, size: Array, precision: Precision) -> Array:
    """Return the bound, infinite beyond the largest number, where the candidate's arithmetic is another one."""
    return np.where(size + e <= precision.largest, e, np.inf)


def _of_fused_output(fused: FusedOutput, tape: Tape, reference: Reference, of_a: Array, precision: Precision) -> Array:
    targets = tape.targets.astype(precision.wide)
    _, size, k = fused_error(fused, reference.weighted_inputs[-1], reference.activations[-1], targets)
    if fused.complement is not None:
        of_a = np.abs(targets).astype(precision.working) * of_a
    elif fused.scale is not None:
        of_a = np.abs(fused.scale(targets)).astype(precision.working) * of_a
    shares = shares_of(tape, precision.working)
    e: Array = (of_a + gamma(k, precision.u) * (size.astype(precision.working) + of_a)) * shares + precision.tiny
    return e


def _of_output(tape: Tape, reference: Reference, of_a: Array, of_d: Matrices, precision: Precision) -> Array:
    u, slope = precision.u, reference.slopes[-1]
    output, targets = magnitudes((reference.activations[-1], tape.targets), precision.working)
    big = np.abs(reference.cost_gradient).astype(precision.working)
    gradient_of = _cost_gradient(tape.cost, tape, precision)
    e = of_a + 4 * u * (output + targets)
    of_g = _reach_by_coordinate(gradient_of, reference.activations[-1], e).astype(precision.working) + 8 * u * big
    of_g = of_g + _lost_by_cost(tape, reference, precision)
    of_g = within_range(of_g, big * alone(tape, precision), precision)
    rounding = gamma(5 + slope.roundings, u) * through(slope.acted_on + of_d, big + of_g)
    e = through(slope.size, of_g) + through(of_d, big + of_g) + rounding + precision.tiny * (5 + slope.gain)
    return within_range(e, through(slope.size, big) * alone(tape, precision), precision)


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
    # Towards 0, which hardly any cost's domain ends before.
    places = (outputs * outputs.dtype.type(1 - part / 1024) for part in range(PLACES))
    (found,) = lost(gradient_at, places, precision)
    e: Array = (found * shares_of(tape, precision.wide)).astype(precision.working)
    return e


def _reach_by_coordinate(function: Callable[[Array], Array], at: Array, e: Array) -> Array:
    """Return how far a function of each example's outputs moves, summed over moving every output by itself."""
    base = function(at)
    total = np.zeros_like(base)
    for j in range(at.shape[1]):
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
