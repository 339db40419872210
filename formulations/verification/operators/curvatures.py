"""How far a candidate's σ″(z) and ∇²_aC can be from the reference's.

As for the slopes (:mod:`formulations.verification.tolerances.activations`), the curvature is evaluated at both ends of
the interval of z. Its own rounding is at most 8u times the sum of |σ″|, |σ′| and |σ|, since a curvature made of
activations and slopes, such as σ′(1 − 2σ), loses no more than its terms; the built-in ones stay below 2u. Beside a
kink the slope jumps, which E_d covers, and the curvature is that of the two pieces. The rounding of a
user-defined function is estimated from two precisions.

A candidate from elsewhere may differentiate a customary formula. Its loss in value and slope
(:mod:`formulations.verification.tolerances.customary`), propagated to first order through the curvature, such as −2ad
for tanh, is at most

==========  ===========================
activation  loss
==========  ===========================
sigmoid     2u
tanh        28u
softplus    2u
elu         2u
gelu        4u
silu        (4 + 2·min(|z|, 38))u
==========  ===========================

The curvature of a built-in cost is diagonal, a sum of at most two positive terms with 12 roundings. That of a
user-defined cost is a matrix for each example, formed from its products with unit vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from formulations.arrays import Array, Precision
from formulations.exceptions import FormulationsException
from formulations.functions import (
    COSTS,
    ELU,
    GELU,
    Activation,
    Cost,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
    is_built_in,
)
from formulations.verification.oracles import Matrices, Slope, worse
from formulations.verification.tolerances import PLACES, Formulas, granted, lost

__all__ = ["cost_curvature", "curvature_bound"]

NEAR = 0.25
"""The longest distance in z over which the ends of an interval bound a curvature."""

_OURS = {type(cost) for cost in COSTS.values()}

_LOSSES: dict[type[Activation], Callable[[Array], Any]] = {
    Sigmoid: lambda _: 2,
    Tanh: lambda _: 28,
    Softplus: lambda _: 2,
    ELU: lambda _: 2,
    GELU: lambda _: 4,
    SiLU: lambda z: 4 + 2 * np.minimum(np.abs(z), 38),
}
"""What the curvature of a customary formula loses, in units of u."""


def curvature_bound(
    activation: Activation, z: Array, e: Array, precision: Precision, formulas: Formulas = Formulas.CAREFUL
) -> Array:
    """Return E of σ″(z) of an element-wise activation, shape (m, n), for z that is off by at most ``e``."""
    e = e + 8 * precision.u * np.abs(z)
    here: Array = activation.curvature(z)
    ends = [np.abs(activation.curvature(at) - here) for at in (z + e, z - e)]
    value, slope = np.empty_like(z), np.empty_like(z)
    activation.evaluate(z, value, slope)
    size = (np.abs(here) + np.abs(slope) + np.abs(value)).astype(precision.working)
    found: Array = np.where(e <= NEAR, np.maximum(*ends), np.inf).astype(precision.working)
    # The candidate's function may underflow to 0 earlier.
    found = found + 8 * precision.u * size + 8 * precision.tiny * (1 + np.abs(z).astype(precision.working))
    if formulas is not Formulas.CAREFUL:
        # An approximation, as of softplus by z, is off in the curvature by no more than in the slope.
        found += granted(activation, z, e, formulas, precision.u)[1].astype(precision.working)
        for j in range(z.shape[1]):
            loss = _LOSSES.get(type(activation.neuron(j)))
            found[:, j] += 0 if loss is None else precision.u * np.asarray(loss(z[:, j]), precision.working)
    if all(map(is_built_in, activation.functions)) or activation.why_not(worse(precision.dtype, precision.wide)):
        return found
    places = (z * z.dtype.type(1 + part / 1024) for part in range(PLACES))
    (unseen,) = lost(lambda at: (activation.curvature(at),), places, precision)
    bound: Array = found + unseen.astype(precision.working)
    return bound


def cost_curvature(
    cost: Cost, outputs: Array, targets: Array, of_a: Array, precision: Precision
) -> tuple[Slope, Matrices]:
    """Return ∇²_aC_x of each example, and E of it, for outputs that are off by at most ``of_a``, shape (m, n_L).

    Like a slope, it is a diagonal, shape (m, n_L), or blocks, shape (m, n_L, n_L).
    """
    if type(cost) in _OURS:
        curvature, roundings = _diagonal, 12
    else:
        curvature, roundings = _blocks, 2 * outputs.shape[1] + 12
    here = curvature(cost, outputs, targets)
    size = np.abs(here).astype(precision.working)
    moved = np.zeros_like(size)
    if of_a.any():
        columns = (slice(None),) if curvature is _diagonal else range(outputs.shape[1])
        for j in columns:
            step = np.zeros_like(outputs)
            step[:, j] = of_a[:, j]
            ends = (_difference(curvature, cost, at, targets, here) for at in (outputs + step, outputs - step))
            moved += np.maximum(*ends).astype(precision.working)
    if curvature is _blocks and not cost.why_not(worse(precision.dtype, precision.wide)):
        places = (outputs * outputs.dtype.type(1 - part / 1024) for part in range(PLACES))
        (unseen,) = lost(lambda at: (_blocks(cost, at, targets.astype(at.dtype)),), places, precision)
        moved += unseen.astype(precision.working)
    return Slope(here, size, roundings), moved


def _diagonal(cost: Cost, outputs: Array, targets: Array) -> Array:
    diagonal: Array = cost.curvature_product(outputs, targets, np.ones_like(outputs))
    return diagonal


def _blocks(cost: Cost, outputs: Array, targets: Array) -> Array:
    columns = []
    for k in range(outputs.shape[1]):
        unit = np.zeros_like(outputs)
        unit[:, k] = 1
        columns.append(cost.curvature_product(outputs, targets, unit))
    return np.stack(columns, axis=2)


def _difference(curvature: Any, cost: Cost, at: Array, targets: Array, here: Array) -> Array:
    try:
        change: Array = np.abs(curvature(cost, at, targets) - here)
    except FormulationsException:
        # The cost's domain ends within the bound of the outputs.
        change = np.full_like(here, np.inf)
    return change
