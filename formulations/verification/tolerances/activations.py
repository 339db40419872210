r"""Bounds of an activation and its slope when z is off by at most E_z, their own rounding included.

*Element-wise activations.* Up to a distance of 1/4 the functions are evaluated at both ends of the interval. For a
monotone function this is exact. It is never wider than the mean value theorem's bound, needs no σ″ of a user-supplied
function, and includes kinks, for which a curvature formula is wrong (σ″ = 0 on both sides of relu's). Over a longer
interval a function can turn and come back, so sup|σ″|E_z is added to E_d, and E_a is (|d| + E_d)E_z.
If the candidate may use customary formulas, what they lose is added; see
:mod:`formulations.verification.tolerances.customary`. The library cannot know what a user-supplied function loses, as
log(1 + e^z) does for z ≪ 0. It evaluates the function in two precisions, at z and at places nearby, and allows four
times the largest difference. That is an estimate, not a proof. If the function refuses the lower precision, nothing is
added.

*Softmax.* With t_j = E_j + max_k E_k, a_j changes at most by the factor e^{±t_j}. Since all activations sum to 1, it
also changes by no more than the others together. The bound of Σ′ = diag(a) − aaᵀ follows from E_a.

*Other coupled activations.* Nothing is known of them between two points. Each z_k is moved by itself, and twice the sum
of the changes is allowed, for what moving together adds. If all E_z together exceed 1/4, there is no bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from formulations.arrays import Array, Precision, unit_roundoff
from formulations.functions import Activation, CoupledActivation, CoupledSlope, Softmax, is_built_in
from formulations.verification.oracles import Matrices, OuterBlocks, seen_rounding, sums_of_others, worse
from formulations.verification.tolerances.customary import Formulas, granted

__all__ = ["PLACES", "activation_bounds", "lost"]

NEAR = 0.25
"""The longest distance in z over which the ends of an interval bound a function: activations bend over lengths of 1."""

PLACES = 8
"""Places where a function's own roundoff is measured: at a single one it may vanish by accident."""


def activation_bounds(
    activation: Activation, z: Array, e: Array, precision: Precision, formulas: Formulas = Formulas.CAREFUL
) -> tuple[Array, Matrices]:
    """Return E_a, shape (m, n), and E_d of the slope, shape (m, n), or its blocks if the activation is coupled.

    Parameters
    ----------
    activation : Activation
        The layer's.
    z, e : ndarray of shape (m, n)
        Weighted inputs and E_z, both in the reference's precision.
    precision : Precision
        That of the candidate and of the reference.
    formulas : Formulas
        The formulas that the candidate may use.
    """
    # An activation that fades out may reach zero early, by the smallest normal number or by z times that.
    faded = 8 * precision.tiny * (1 + np.abs(z).astype(precision.working))
    # The change of a function is the difference of two values, each rounded in the reference's precision.
    u = precision.u + 2 * unit_roundoff(precision.wide)
    # Rounding an exponent, such as z²/2, has the effect of moving z.
    e = e + 8 * precision.u * np.abs(z)
    if isinstance(activation, Softmax):
        return _of_softmax(activation, z, e, (z.shape[1] + 8) * u, faded)
    if isinstance(activation, CoupledActivation):
        return _of_coupled(activation, z, e, (z.shape[1] + 8) * u, faded, precision)
    near, more = _of_neurons(activation, z, e, 8 * u, faded), granted(activation, z, e, formulas, precision.u)
    of_a, of_d = (own + part.astype(own.dtype) for own, part in zip(near, more, strict=True))
    user_supplied = not all(map(is_built_in, activation.functions))
    if user_supplied and not activation.why_not(worse(precision.dtype, precision.wide)):
        places = (z * z.dtype.type(1 + part / 1024) for part in range(PLACES))
        lost_a, lost_d = lost(lambda at: _both(activation, at), places, precision)
        of_a, of_d = of_a + lost_a.astype(of_a.dtype), of_d + lost_d.astype(of_d.dtype)
    return of_a, of_d


def _of_neurons(activation: Activation, z: Array, e: Array, rounding: float, faded: Array) -> tuple[Array, Array]:
    ends = [_both(activation, at) for at in (z, z + e, z - e)]
    (value, slope), (value_up, slope_up), (value_down, slope_down) = ends
    of_a = np.maximum(np.abs(value_up - value), np.abs(value_down - value))
    of_d = np.maximum(np.abs(slope_up - slope), np.abs(slope_down - slope))
    # Between distant ends a function can turn and come back, so its largest curvature decides.
    curvature = np.inf if activation.curvature_bound is None else activation.curvature_bound
    far_d = of_d + curvature * e
    far = ~(e <= NEAR)
    of_a = np.where(far, (np.abs(slope) + far_d) * e, of_a).astype(faded.dtype)
    of_d = np.where(far, far_d, of_d).astype(faded.dtype)
    a, d = np.abs(value).astype(faded.dtype), np.abs(slope).astype(faded.dtype)
    # Candidates that take σ′ as a(1 − a) are within 8u(|d| + |a|).
    return of_a + rounding * a + faded, of_d + rounding * (d + a) + faded


def lost(
    function: Callable[[Array], tuple[Array, ...]], places: Iterable[Array], precision: Precision
) -> tuple[Array, ...]:
    """Return what a user-supplied function loses by intermediate rounding, beyond the rounding of its results.

    Parameters
    ----------
    function : callable (ndarray) -> tuple of ndarray
        Returns its results in the dtype of its argument. It serves the candidate's dtype or, if the reference has the
        same one, the next lower.
    places : iterable of ndarray
        The arguments, in the reference's precision.
    precision : Precision
        That of the candidate and of the reference.

    Returns
    -------
    tuple of ndarray
        For each result, four times the largest difference, in units of the candidate's roundoff.
    """
    other = worse(precision.dtype, precision.wide)
    # Overflow in the candidate's own precision leaves no bound; overflow in a lower one says nothing.
    unknown = np.inf if other == precision.dtype else 0
    seen = []
    for place in places:
        rounded = place.astype(other)
        pairs = zip(function(rounded), function(rounded.astype(precision.wide)), strict=True)
        here = [np.abs(low - high) * (4 * precision.u / unit_roundoff(other)) for low, high in pairs]
        seen.append([np.where(np.isfinite(difference), difference, unknown) for difference in here])
    return tuple(np.max(differences, axis=0) for differences in zip(*seen, strict=True))


def _both(activation: Activation, z: Array) -> tuple[Array, Array]:
    """Return the value and the slope."""
    value, slope = np.empty_like(z), np.empty_like(z)
    activation.evaluate(z, value, slope)
    return value, slope


def _of_softmax(activation: Activation, z: Array, e: Array, rounding: float, faded: Array) -> tuple[Array, OuterBlocks]:
    a: Array = activation.value(z)
    t = e + e.max(axis=1, keepdims=True)
    moved = np.where(t < 1, a * np.expm1(np.minimum(t, 1)), 1)
    a = a.astype(faded.dtype)
    of_a = np.minimum(moved, sums_of_others(moved)).astype(faded.dtype) + rounding * a + faded
    pairs = (a, of_a), (of_a, a + of_a)
    return of_a, OuterBlocks(of_a + sum(x * y for x, y in pairs), pairs)


def _of_coupled(
    activation: CoupledActivation, z: Array, e: Array, rounding: float, faded: Array, precision: Precision
) -> tuple[Array, Array]:
    def at(place: Array) -> tuple[Array, Array]:
        value: Any = activation.value(place)
        return value, CoupledSlope(activation, place, value).blocks()

    value, blocks = at(z)
    other = worse(precision.dtype, precision.wide)
    seen = precision.u * seen_rounding(activation.value(z.astype(other)), value)
    of_a, of_d = np.zeros_like(value) + seen, np.zeros_like(blocks)
    for k in range(z.shape[1]):
        ends = []
        for sign in (1, -1):
            place = z.copy()
            place[:, k] += sign * e[:, k]
            ends.append([np.abs(end - here) for end, here in zip(at(place), (value, blocks), strict=True)])
        of_a += 2 * np.maximum(ends[0][0], ends[1][0])
        of_d += 2 * np.maximum(ends[0][1], ends[1][1])
    near = e.sum(axis=1) <= NEAR
    of_a = np.where(near[:, None], of_a, np.inf).astype(faded.dtype)
    of_d = np.where(near[:, None, None], of_d, np.inf).astype(faded.dtype)
    return of_a + rounding * np.abs(value).astype(faded.dtype) + faded, of_d + faded[:, None, :]
