r"""Dual numbers, v + sε with ε² = 0, over the complex numbers: the formulas of activations and costs with their slopes.

.. math::

    f(v + s\varepsilon) = f(v) + f'(v)\, s\, \varepsilon

A formula computed with them returns the value and the derivative along s, both at complex v. Rounding apart, nothing is
approximated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.functions import COMPLEX, Engine

__all__ = ["DUAL", "Dual"]


@dataclass(frozen=True, eq=False)
class Dual:
    """An array of dual numbers.

    Parameters
    ----------
    value, slope : ndarray
        v and s, of one shape.
    """

    value: Any
    slope: Any

    # NumPy's arrays leave the operations to the methods here.
    __array_ufunc__ = None

    @property
    def real(self) -> Array:
        """The real part of v."""
        real: Array = self.value.real
        return real

    def __getitem__(self, at: Any) -> Dual:
        return Dual(self.value[at], self.slope[at])

    def sum(self, axis: int) -> Dual:
        """Return the sum over an axis."""
        return Dual(self.value.sum(axis), self.slope.sum(axis))

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.slope)

    def __add__(self, other: Any) -> Dual:
        w = _dual(other)
        return Dual(self.value + w.value, self.slope + w.slope)

    def __sub__(self, other: Any) -> Dual:
        return self + (-_dual(other))

    def __rsub__(self, other: Any) -> Dual:
        return _dual(other) + (-self)

    def __mul__(self, other: Any) -> Dual:
        w = _dual(other)
        return Dual(self.value * w.value, self.slope * w.value + self.value * w.slope)

    def __truediv__(self, other: Any) -> Dual:
        w = _dual(other)
        quotient = self.value / w.value
        return Dual(quotient, (self.slope - quotient * w.slope) / w.value)

    __radd__ = __add__
    __rmul__ = __mul__


def _dual(w: Any) -> Dual:
    """Return a dual number, or a constant as one."""
    return w if isinstance(w, Dual) else Dual(w, 0 * w)


def _exp(z: Dual) -> Dual:
    value = np.exp(z.value)
    return Dual(value, value * z.slope)


def _tanh(z: Dual) -> Dual:
    # 1 − tanh² would lose the slope of a saturated neuron.
    falling = np.exp(np.where(z.real > 0, -2 * z.value, 2 * z.value))
    return Dual(np.tanh(z.value), 4 * falling / (1 + falling) ** 2 * z.slope)


def _where(condition: Any, z: Any, w: Any) -> Dual:
    z, w = _dual(z), _dual(w)
    return Dual(np.where(condition, z.value, w.value), np.where(condition, z.slope, w.slope))


DUAL = Engine(
    exp=_exp,
    expm1=lambda z: Dual(COMPLEX.expm1(z.value), np.exp(z.value) * z.slope),
    log=lambda z: Dual(np.log(z.value), z.slope / z.value),
    log1p=lambda z: Dual(COMPLEX.log1p(z.value), z.slope / (1 + z.value)),
    sin=lambda z: Dual(np.sin(z.value), np.cos(z.value) * z.slope),
    tanh=_tanh,
    erfc=lambda z: Dual(COMPLEX.erfc(z.value), -2 / math.sqrt(math.pi) * np.exp(-z.value * z.value) * z.slope),
    where=_where,
    join=lambda columns: Dual(*(np.concatenate(parts, axis=1) for parts in zip(*map(_parts, columns), strict=True))),
    largest=lambda z: COMPLEX.largest(z.value),
)
"""The functions of dual numbers over the complex ones."""


def _parts(z: Dual) -> tuple[Array, Array]:
    return z.value, z.slope
