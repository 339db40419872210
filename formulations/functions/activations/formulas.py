r"""The activations as formulas for other number systems: complex numbers and automatic differentiation.

A formula uses the functions of an :class:`Engine` and no :math:`|z|`, so that it is analytic wherever the activation
is. It stays correct for saturated neurons: every exponential has a negative argument, so that neither it nor its
derivative overflows.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import scipy

__all__ = [
    "COMPLEX",
    "Engine",
    "Formula",
    "carries_derivative",
    "elu",
    "gelu",
    "identity",
    "imaginary_step",
    "leaky_relu",
    "sigmoid",
    "silu",
    "sine",
    "softmax",
    "softplus",
    "square",
    "tanh",
]


@dataclass(frozen=True)
class Engine:
    """The functions of one number system.

    Attributes
    ----------
    exp, expm1, log, log1p, sin, tanh, erfc : callable (z) -> array
        Element by element; ``erfc`` is 1 − erf, without the cancellation where erf is close to 1.
    where : callable (condition, z, w) -> array
        Like ``numpy.where``.
    join : callable (columns) -> array of shape (m, n)
        Arrays of m rows side by side.
    largest : callable (z) -> array of shape (m, 1)
        The largest real part in each row, as a constant.
    """

    exp: Callable[[Any], Any]
    expm1: Callable[[Any], Any]
    log: Callable[[Any], Any]
    log1p: Callable[[Any], Any]
    sin: Callable[[Any], Any]
    tanh: Callable[[Any], Any]
    erfc: Callable[[Any], Any]
    where: Callable[[Any, Any, Any], Any]
    join: Callable[[Sequence[Any]], Any]
    largest: Callable[[Any], Any]


Formula: TypeAlias = Callable[[Engine, Any], Any]
"""f(z) in the functions of an engine, for z of shape (m, n)."""

COMPLEX = Engine(
    exp=np.exp,
    expm1=np.expm1,
    log=np.log,
    # numpy.log1p loses the digits of a small real part.
    log1p=lambda w: 2 * np.arctanh(w / (2 + w)),
    sin=np.sin,
    tanh=np.tanh,
    erfc=lambda z: scipy.special.erfc(z),  # SciPy loads it when it is first used
    where=np.where,
    join=lambda columns: np.concatenate(columns, axis=1),
    largest=lambda z: z.real.max(axis=1, keepdims=True),
)
"""Complex numbers, computed by NumPy and SciPy."""


def imaginary_step(dtype: np.dtype[Any]) -> Any:
    """Return h, a power of two near 10⁻²⁰ (10⁻⁹ in float32): h² is below rounding, and h·f′ above underflow."""
    return dtype.type(2.0**-30 if dtype == np.float32 else 2.0**-66)


def carries_derivative(f: Callable[[Any], Any], z: Any, direction: Any, derivative: Any) -> bool:
    """Return whether f accepts complex z, and Im f(z + ihv)/h is the derivative of f along v.

    Parameters
    ----------
    f : callable (z) -> array
        Any exception that it raises means no.
    z, direction : ndarray
        The point z and the direction v.
    derivative : ndarray
        The derivative along v, computed with real numbers.
    """
    h = imaginary_step(z.dtype)
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            # A cast to real numbers warns, and drops the derivative.
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            found = np.asarray(f(z + 1j * h * direction))
    except Exception:
        return False
    if found.dtype != np.result_type(z.dtype, np.complex64) or found.shape != derivative.shape:
        return False
    # An analytic f agrees up to rounding; any other f is wrong in its first digits somewhere.
    margin = np.sqrt(np.finfo(z.dtype).eps) * (1 + np.abs(derivative))
    return bool(np.all(np.abs(found.imag / h - derivative) <= margin))


def sigmoid(engine: Engine, z: Any) -> Any:
    """Return 1/(1+F) for positive z, else F/(1+F), with F = e^−|z|: no overflow, and no derivative rounded to 0."""
    positive = z.real > 0
    falling = engine.exp(engine.where(positive, -z, z))
    return engine.where(positive, 1 + 0 * falling, falling) / (1 + falling)


def softplus(engine: Engine, z: Any) -> Any:
    """Return ln(1+e^z) = max(z, 0) + ln(1+F), with F = e^−|z|."""
    positive = z.real > 0
    falling = engine.exp(engine.where(positive, -z, z))
    return engine.where(positive, z, 0 * z) + engine.log1p(falling)


def softmax(engine: Engine, z: Any) -> Any:
    """Return e^z / Σe^z of each row, after subtracting the largest z."""
    exponentials = engine.exp(z - engine.largest(z))
    return exponentials / exponentials.sum(1)[:, None]


def tanh(engine: Engine, z: Any) -> Any:
    """Return tanh(z)."""
    return engine.tanh(z)


def silu(engine: Engine, z: Any) -> Any:
    """Return zσ(z)."""
    return z * sigmoid(engine, z)


def gelu(engine: Engine, z: Any) -> Any:
    """Return zΦ(z), Φ(z) = ½erfc(−z/√2)."""
    return z * (0.5 * engine.erfc(-math.sqrt(0.5) * z))


def identity(engine: Engine, z: Any) -> Any:  # noqa: ARG001 - needs no function of the engine
    """Return z."""
    return z


def square(engine: Engine, z: Any) -> Any:  # noqa: ARG001 - needs no function of the engine
    """Return z²."""
    return z * z


def sine(engine: Engine, z: Any) -> Any:
    """Return sin(z)."""
    return engine.sin(z)


def leaky_relu(engine: Engine, z: Any, negative_slope: float = 0) -> Any:
    """Return z for positive z, else νz; real numbers only."""
    return engine.where(z > 0, z, negative_slope * z)


def elu(engine: Engine, z: Any) -> Any:
    """Return z for positive z, else e^z − 1; real numbers only."""
    # An exponential that overflows in the branch not taken would still spoil the derivative: 0·∞.
    return engine.where(z > 0, z, engine.expm1(engine.where(z > 0, 0 * z, z)))
