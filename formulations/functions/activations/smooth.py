"""Smooth activations that are not logistic: identity, square, sine and gelu."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import scipy

from formulations.arrays import Array
from formulations.functions.activations import formulas
from formulations.functions.activations.base import Activation
from formulations.functions.activations.logistic import clamp

__all__ = ["GELU", "Identity", "Sine", "Square"]


@final
@dataclass(frozen=True)
class Identity(Activation):
    """σ(z) = z, the linear neuron of the book's last exercise in chapter 2; exact.

    A network of linear neurons is one affine map, whatever its depth.

    Examples
    --------
    >>> Identity().value([3.0]), Identity().slope([3.0])
    (array([3.]), array([1.]))
    """

    name = "identity"
    analytic = True
    formula = staticmethod(formulas.identity)
    slope_bound = 1.0
    curvature_bound = 0.0

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write z and 1."""
        np.copyto(value, z)
        if slope is not None:
            slope.fill(1)

    def curvature(self, z: Array) -> Array:
        """Return 0."""
        return np.zeros_like(z)


@final
@dataclass(frozen=True)
class Square(Activation):
    """z² with slope 2z, for exact tests in integers: the value is correctly rounded, the slope exact.

    The value overflows beyond |z| = √finfo.max, the slope beyond finfo.max/2, and NumPy warns.

    Examples
    --------
    >>> Square().value([3.0]), Square().slope([3.0])
    (array([9.]), array([6.]))
    """

    name = "square"
    analytic = True
    formula = staticmethod(formulas.square)
    curvature_bound = 2.0

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write z² and 2z."""
        np.square(z, out=value)
        if slope is not None:
            np.add(z, z, out=slope)

    def curvature(self, z: Array) -> Array:
        """Return 2."""
        return np.full_like(z, 2)


@final
@dataclass(frozen=True)
class Sine(Activation):
    """sin(z) with slope cos(z): the activation of periodic networks.

    For large |z| adjacent floating-point numbers are more than a period apart: the result is correct for the given z,
    but a rounding error in z makes it meaningless.

    Examples
    --------
    >>> Sine().value([0.0]), Sine().slope([0.0])
    (array([0.]), array([1.]))
    """

    name = "sine"
    analytic = True
    formula = staticmethod(formulas.sine)
    slope_bound = 1.0
    curvature_bound = 1.0

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write sin(z) and cos(z)."""
        np.sin(z, out=value)
        if slope is not None:
            np.cos(z, out=slope)

    def curvature(self, z: Array) -> Array:
        """Return −sin(z)."""
        curvature = np.sin(z)
        return np.negative(curvature, out=curvature)


@final
@dataclass(frozen=True)
class GELU(Activation):
    r"""The Gaussian error linear unit :math:`z\,\Phi(z)`, exact (not its tanh approximation).

    The slope is Φ + zφ and the curvature φ·(2 − z²), with Φ and φ the standard normal distribution and density.
    Rounding the exponent z²/2 gives φ and the lower tail of Φ a relative error of up to 2.5z²u: three digits at
    z = −20. Near its zero at z = −0.752… the slope has a bounded absolute error, not a relative one.

    longdouble is refused because SciPy has no Φ of that precision.

    Examples
    --------
    >>> GELU().value([-100.0, 0.0, 100.0]), GELU().slope([0.0])
    (array([ -0.,   0., 100.]), array([0.5]))
    >>> GELU().why_not("longdouble")
    'gelu needs the error function, which SciPy lacks in longdouble; use float64 or float32'
    """

    name = "gelu"
    analytic = True
    formula = staticmethod(formulas.gelu)
    slope_bound = (1 + math.erf(1)) / 2 + math.exp(-1) / math.sqrt(math.pi)  # at z = √2
    curvature_bound = 2 / math.sqrt(2 * math.pi)

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write zΦ(z) and Φ(z) + zφ(z)."""
        if slope is not None:
            _clipped(z, slope)
            _density(slope, value)
            slope *= value
        scipy.special.ndtr(z, out=value)
        if slope is not None:
            slope += value
        value *= z

    def curvature(self, z: Array) -> Array:
        """Return φ(z)(2 − z²)."""
        near, curvature = np.empty_like(z), np.empty_like(z)
        _clipped(z, near)
        _density(near, curvature)
        curvature *= 2 - np.square(near)
        return curvature

    def why_not(self, dtype: npt.DTypeLike) -> str | None:
        """Return None for float32 and float64, else the reason."""
        reason = super().why_not(dtype)
        if reason is None and np.dtype(dtype).itemsize > np.dtype(np.float64).itemsize:
            return f"{self.name} needs the error function, which SciPy lacks in longdouble; use float64 or float32"
        return reason


def _clipped(z: Array, out: Array) -> None:
    """Write z into ``out``, clipped where φ is 0, so that z² cannot overflow."""
    bound = 2 * math.sqrt(2 * clamp(z.dtype))
    np.clip(z, -bound, bound, out=out)


def _density(z: Array, out: Array) -> None:
    """Write φ(z) into ``out``."""
    np.square(z, out=out)
    out *= -0.5
    np.exp(out, out=out)
    out *= 1 / math.sqrt(2 * math.pi)
