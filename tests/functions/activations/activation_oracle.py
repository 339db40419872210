"""The built-in activations in 60 digits, written from their definitions without code of the library."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np

mp.mp.dps = 60

FLOATS = (np.float32, np.float64, np.longdouble)
CLAMP = {np.float32: 87, np.float64: 708, np.longdouble: 11355}


def exact(x: Any) -> mp.mpf:
    """Return a number of any of the three dtypes without rounding."""
    mantissa, exponent = np.frexp(x)
    high = np.float64(mantissa)
    return mp.ldexp(mp.mpf(float(high)) + mp.mpf(float(mantissa - high)), int(exponent))


def exp(z):
    # e^(-10^6) is 0 for every dtype; the true exponent near finfo.max would need thousands of digits.
    return mp.exp(max(z, mp.mpf(-(10**6))))


def constant(c):
    return lambda _: mp.mpf(c)


def sigma(z):
    return 1 / (1 + exp(-z)) if z > 0 else exp(z) / (1 + exp(z))


def density(z):
    return exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


def normal(z):
    if abs(z) > 10**3:
        return mp.mpf(z > 0)
    return mp.erfc(-z / mp.sqrt(2)) / 2


def tanh(z):
    return mp.sign(z) if abs(z) > 10**6 else mp.tanh(z)


def sigma_slope(z):
    return sigma(z) * sigma(-z)


NU = mp.mpf(0.01)

ORACLE = {
    "sigmoid": (sigma, sigma_slope, lambda z: -sigma_slope(z) * tanh(z / 2)),
    "tanh": (tanh, lambda z: 4 * sigma_slope(2 * z), lambda z: -8 * tanh(z) * sigma_slope(2 * z)),
    "relu": (lambda z: max(z, 0), lambda z: mp.mpf(z > 0), constant(0)),
    "leaky_relu": (lambda z: z if z > 0 else NU * z, lambda z: 1 if z > 0 else NU, constant(0)),
    "elu": (
        lambda z: z if z > 0 else mp.expm1(max(z, -(10**6))),
        lambda z: mp.mpf(1) if z > 0 else exp(z),
        lambda z: mp.mpf(0) if z > 0 else exp(z),
    ),
    "softplus": (lambda z: max(z, 0) + mp.log1p(exp(-abs(z))), sigma, sigma_slope),
    "silu": (
        lambda z: z * sigma(z),
        lambda z: sigma(z) + z * sigma_slope(z),
        lambda z: sigma_slope(z) * (2 - z * tanh(z / 2)),
    ),
    "gelu": (
        lambda z: z * normal(z),
        lambda z: normal(z) + z * density(z),
        lambda z: density(z) * (2 - z * z),
    ),
    "identity": (lambda z: z, constant(1), constant(0)),
    "square": (lambda z: z * z, lambda z: 2 * z, constant(2)),
    "sine": (mp.sin, mp.cos, lambda z: -mp.sin(z)),
}


def silu_size(z):
    """Return σ + |z|σ′, which does not vanish at the zero of the slope of silu."""
    return sigma(z) + abs(z) * sigma_slope(z)


# The error of a derivative that changes sign is relative to the sum of the magnitudes of its terms.
SIZE = {
    ("silu", "slope"): silu_size,
    ("silu", "curvature"): lambda z: sigma_slope(z) * (2 + abs(z)),
    ("gelu", "slope"): lambda z: normal(z) + abs(z) * density(z),
    ("gelu", "curvature"): lambda z: density(z) * (2 + z * z),
}
