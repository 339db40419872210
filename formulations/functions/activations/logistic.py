r"""The logistic function σ, accurate also where the neuron saturates, and what is made of it.

The book's :math:`\sigma'(z) = \sigma(z)(1-\sigma(z))` has lost every digit at z = 37 in float64, exactly
where chapter 2 says that neurons learn slowly. Here one exponential serves both, without a mask:

.. math:: F = e^{\min(z,\,t)}, \qquad \sigma = \frac{F}{1+F}, \qquad \sigma' = \frac{\sigma}{1+F},

with t the largest integer for which :math:`e^{-t}` is a normal number (87, 708, 11355). Against 60 digits σ′
is within 6u for |z| ≤ 700 in float64 and within 8u for |z| ≤ 85 in float32, and σ is closer (u = eps/2).
Further figures below are for float64 and longdouble; float32, with its less accurate exp, costs 2u more.
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
    """Return t and 1 as arrays: NumPy takes half as long with them as with Python's numbers."""
    return np.array(clamp(dtype), dtype), np.array(1, dtype)


def _exponential(z: Array, out: Array) -> None:
    """Write E = exp(min(−z, t)) into ``out``; z ≫ 0 underflows to 0, which NumPy does not warn of."""
    # np.negative(z, out=column) writes wrong numbers for some strides in NumPy 2.4; the product does not.
    np.multiply(z, -1, out=out)
    np.minimum(out, clamp(z.dtype), out=out)
    np.exp(out, out=out)


def _sigma(exponential: Array, out: Array) -> None:
    """Write σ = 1/(1+E) into ``out``, which may be E itself."""
    np.add(exponential, 1, out=out)
    np.reciprocal(out, out=out)


@final
@dataclass(frozen=True)
class Sigmoid(Activation):
    r"""The book's neuron: :math:`\sigma(z) = 1/(1+e^{-z})` (Nielsen, eq. (3)).

    Relative accuracy of value and slope ends at \|z\| = t (87, 708, 11355), where both are about to leave the
    normal numbers; beyond, only an absolute bound of the smallest normal number's size holds.

    Examples
    --------
    >>> Sigmoid().value([0.0]), Sigmoid().slope([0.0])
    (array([0.5]), array([0.25]))
    """

    name = "sigmoid"
    analytic = True
    formula = staticmethod(formulas.sigmoid)
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
    r"""The hyperbolic tangent, with slope :math:`4E/(1+E)^2`, :math:`E = e^{-2|z|}`.

    The usual 1 − tanh² is exactly 0 from z = 19 on in float64. This slope keeps its digits up to
    \|z\| = t/2 (43, 354, 5677), from where on E is no normal number. Value and slope are odd and even in
    z bit by bit, within 4u and 6u of the true ones.

    Examples
    --------
    >>> Tanh().value([0.0]), Tanh().slope([0.0])
    (array([0.]), array([1.]))
    """

    name = "tanh"
    analytic = True
    formula = staticmethod(formulas.tanh)
    curvature_bound = 4 / (3 * math.sqrt(3))

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write tanh(z) and E·(2/(1+E))²."""
        if slope is not None:
            np.abs(z, out=slope)
            # Only so that doubling a z near finfo.max does not overflow: E is 0 long before.
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

    Value and slope are within 5u until they leave the normal numbers at z = −t. It has no plateau for z > 0:
    its outputs are no probabilities, and cross-entropy does not suit it.

    Examples
    --------
    >>> Softplus().slope([0.0]), Softplus().value([-1000.0, 1000.0])
    (array([0.5]), array([   0., 1000.]))
    """

    name = "softplus"
    analytic = True
    formula = staticmethod(formulas.softplus)
    curvature_bound = 0.25

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write max(ln(1+e^min(z, t)), z) and σ(z)."""
        np.minimum(z, clamp(z.dtype), out=value)
        np.exp(value, out=value)
        if slope is not None:
            # e^z/(1+e^z) is as good as 1/(1+e^-z), and shares the exponential with the value.
            np.add(value, 1, out=slope)
            np.divide(value, slope, out=slope)
        np.log1p(value, out=value)
        # ln(1+e^z) > z everywhere, so the larger of the two mends the clamp and changes nothing else.
        np.maximum(value, z, out=value)

    def curvature(self, z: Array) -> Array:
        """Return σ′(z)."""
        return Sigmoid().slope(z)


@lru_cache
def _vanishing(dtype: np.dtype[Any]) -> np.floating[Any]:
    """Return a number that no clamped σ exceeds at z ≤ −t, a few rounding errors of exp included."""
    t = dtype.type(clamp(dtype))
    floor: np.floating[Any] = np.exp(-t) * (1 + 16 * np.finfo(dtype).eps)
    return floor


@final
@dataclass(frozen=True)
class SiLU(Activation):
    r"""The sigmoid-weighted linear unit :math:`z\,\sigma(z)` ("swish"), slope :math:`\sigma(1+z(1-\sigma))`.

    1 − σ is taken as Eσ, which does not cancel. The slope changes sign at z = −1.278…; near there it is
    accurate absolutely only (to 4u). The value is within 5u for z ≥ −70 in float32, −670 in float64 and
    −11310 in longdouble; from there on both fade to 0, which they are for z ≤ −t.

    Examples
    --------
    >>> SiLU().value([-1000.0, 0.0, 1000.0]), SiLU().slope([0.0])
    (array([  -0.,    0., 1000.]), array([0.5]))
    """

    name = "silu"
    analytic = True
    formula = staticmethod(formulas.silu)
    curvature_bound = 0.5

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write zσ(z) and σ(1+z(1−σ))."""
        exponential = value if slope is None else slope
        _exponential(z, exponential)
        _sigma(exponential, value)
        # The clamp leaves σ(−∞) = exp(−t), which a z near −finfo.max would blow up to −3: take it off again.
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
        curvature = Sigmoid().slope(near)
        curvature *= 2 - near * np.tanh(near / 2)
        return curvature
