r"""The logistic function σ, which keeps its digits for saturated neurons, and activations built on it.

The book's :math:`\sigma'(z) = \sigma(z)(1-\sigma(z))` has lost every digit at z = 37 in float64, exactly
where chapter 2 says that neurons learn slowly. Here one exponential gives both, without a mask:

.. math:: F = e^{\min(z,\,t)}, \qquad \sigma = \frac{F}{1+F}, \qquad \sigma' = \frac{\sigma}{1+F},

with t the largest integer for which :math:`e^{-t}` is a normal number (87, 708, 11355). Compared with 60 digits, σ′
is within 6u for |z| ≤ 700 in float64 and within 8u for |z| ≤ 85 in float32, and σ is closer (u = eps/2).
The figures below are for float64 and longdouble; float32 adds 2u, since its exp has larger errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

import numpy as np

from formulations.arrays import Array
from formulations.functions.activations import formulas
from formulations.functions.activations.base import Activation

__all__ = ["SiLU", "Sigmoid", "Softplus", "Tanh", "clamp"]


@lru_cache
def clamp(dtype: np.dtype[Any]) -> float:
    """Return t, the largest integer for which exp(−t) is a normal number of ``dtype``.

    Examples
    --------
    >>> clamp(np.dtype("float32")), clamp(np.dtype("float64"))
    (87.0, 708.0)
    """
    return float(np.floor(-np.log(np.finfo(dtype).smallest_normal)))


@lru_cache
def _constants(dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Return t and 1 as arrays, which NumPy handles in half the time of Python numbers."""
    return np.array(clamp(dtype), dtype), np.array(1, dtype)


def _exponential(z: Array, out: Array) -> None:
    """Write E = exp(min(−z, t)) into ``out``; for z ≫ 0 it underflows to 0, without a warning from NumPy."""
    # In NumPy 2.4, np.negative(z, out=column) writes wrong numbers for some strides; the product does not.
    np.multiply(z, -1, out=out)
    np.minimum(out, clamp(z.dtype), out=out)
    np.exp(out, out=out)


def _sigma(exponential: Array, out: Array) -> None:
    """Write σ = 1/(1+E) into ``out``, which may be ``exponential``."""
    np.add(exponential, 1, out=out)
    np.reciprocal(out, out=out)


@final
@dataclass(frozen=True)
class Sigmoid(Activation):
    r"""The book's neuron: :math:`\sigma(z) = 1/(1+e^{-z})` (Nielsen, eq. (3)).

    The relative error of value and slope is bounded up to |z| = t (87, 708, 11355), where both approach the smallest
    normal number; beyond, the error is bounded by that number.

    Examples
    --------
    >>> Sigmoid().value([0.0]), Sigmoid().slope([0.0])
    (array([0.5]), array([0.25]))
    """

    name = "sigmoid"
    analytic = True
    formula = staticmethod(formulas.sigmoid)
    slope_bound = 0.25
    curvature_bound = 1 / (6 * math.sqrt(3))

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write F/(1+F) and σ/(1+F)."""
        t, one = _constants(z.dtype)
        np.minimum(z, t, out=value)
        np.exp(value, value)
        if slope is not None:
            np.add(value, one, slope)
            np.divide(value, slope, value)
            np.divide(value, slope, slope)
            return
        rows = max(1, 2**12 // value.shape[-1])
        for start in range(0, len(value), rows):
            part = value[start : start + rows]
            np.divide(part, part + one, part)

    def curvature(self, z: Array) -> Array:
        """Return σ″ = −σ′·tanh(z/2): the book's σ′(1−2σ) cancels at z = 0."""
        curvature = self.slope(z)
        curvature *= np.tanh(z * -0.5)
        return curvature


@final
@dataclass(frozen=True)
class Tanh(Activation):
    """The hyperbolic tangent, with slope :math:`4E/(1+E)^2`, :math:`E = e^{-2|z|}`.

    In float64, the usual 1 − tanh² is exactly 0 from z = 19 on. This slope keeps its digits up to
    |z| = t/2 (43, 354, 5677), beyond which E is not a normal number. The value is odd in z bit by bit and within 4u
    of the true one; the slope is even and within 6u.

    Examples
    --------
    >>> Tanh().value([0.0]), Tanh().slope([0.0])
    (array([0.]), array([1.]))
    """

    name = "tanh"
    analytic = True
    formula = staticmethod(formulas.tanh)
    slope_bound = 1.0
    curvature_bound = 4 / (3 * math.sqrt(3))

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write tanh(z) and E·(2/(1+E))²."""
        if slope is not None:
            np.abs(z, out=slope)
            # Doubling a z near finfo.max would overflow; E is 0 long before.
            np.minimum(slope, clamp(z.dtype), out=slope)
            slope *= -2
            np.exp(slope, out=slope)
            np.add(slope, 1, out=value)
            np.divide(2, value, out=value)
            slope *= value
            slope *= value
        np.tanh(z, out=value)

    def curvature(self, z: Array) -> Array:
        """Return −2·tanh(z)·tanh′(z)."""
        value, curvature = np.empty_like(z), np.empty_like(z)
        self.evaluate(z, value, curvature)
        curvature *= value
        curvature *= -2
        return curvature


@final
@dataclass(frozen=True)
class Softplus(Activation):
    r"""The smooth ramp :math:`\ln(1+e^z)`, whose slope is σ and whose curvature is σ′.

    Value and slope are within 5u down to z = −t, where they leave the normal numbers. The value is unbounded for
    z > 0, so its outputs are not probabilities and do not suit the cross-entropy.

    Examples
    --------
    >>> Softplus().slope([0.0]), Softplus().value([-1000.0, 1000.0])
    (array([0.5]), array([   0., 1000.]))
    """

    name = "softplus"
    analytic = True
    formula = staticmethod(formulas.softplus)
    slope_bound = 1.0
    curvature_bound = 0.25

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write max(ln(1+e^min(z, t)), z) and σ(z)."""
        np.minimum(z, clamp(z.dtype), out=value)
        np.exp(value, out=value)
        if slope is not None:
            # e^z/(1+e^z) is as precise as 1/(1+e^-z), and shares the exponential with the value.
            np.add(value, 1, out=slope)
            np.divide(value, slope, out=slope)
        np.log1p(value, out=value)
        # ln(1+e^z) > z everywhere, so the maximum undoes the clamp and changes nothing else.
        np.maximum(value, z, out=value)

    def curvature(self, z: Array) -> Array:
        """Return σ′(z)."""
        return Sigmoid().slope(z)


@lru_cache
def _vanishing(dtype: np.dtype[Any]) -> np.floating[Any]:
    """Return an upper bound of every clamped σ at z ≤ −t, plus a few rounding errors of exp."""
    t = dtype.type(clamp(dtype))
    floor: np.floating[Any] = np.exp(-t) * (1 + 16 * np.finfo(dtype).eps)
    return floor


@final
@dataclass(frozen=True)
class SiLU(Activation):
    r"""The sigmoid-weighted linear unit :math:`z\,\sigma(z)` ("swish"), slope :math:`\sigma(1+z(1-\sigma))`.

    1 − σ is computed as Eσ, which does not cancel. Near its zero at z = −1.278… the slope has a bounded absolute error
    (4u), not a relative one. The value is within 5u for z ≥ −70 in float32, −670 in float64 and −11310 in longdouble;
    below, value and slope decrease to 0, which they reach at z = −t.

    Examples
    --------
    >>> SiLU().value([-1000.0, 0.0, 1000.0]), SiLU().slope([0.0])
    (array([  -0.,    0., 1000.]), array([0.5]))
    """

    name = "silu"
    analytic = True
    formula = staticmethod(formulas.silu)
    slope_bound = 1.0998393201288669  # at z = 2.399…, where z·tanh(z/2) = 2
    curvature_bound = 0.5

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write zσ(z) and σ(1+z(1−σ))."""
        exponential = value if slope is None else slope
        _exponential(z, exponential)
        _sigma(exponential, value)
        # The clamp leaves σ(−∞) = exp(−t), which a z near −finfo.max would turn into −3: subtract it.
        np.subtract(value, _vanishing(z.dtype), out=value)
        np.maximum(value, 0, out=value)
        if slope is not None:
            slope *= value
            slope *= z
            slope += 1
            slope *= value
        value *= z

    def curvature(self, z: Array) -> Array:
        """Return σ′(z)(2 − z·tanh(z/2))."""
        t = clamp(z.dtype)
        near = np.clip(z, -t, t)
        # σ′ is even, and its clamp keeps it from 0 at positive z alone.
        curvature = Sigmoid().slope(-np.abs(z))
        curvature *= 2 - near * np.tanh(near / 2)
        return curvature
