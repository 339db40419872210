"""Activations in two pieces that meet at z = 0: relu, leaky_relu and elu.

At 0 each has, by convention, the left derivative: relu′(0) = 0, leaky_relu′(0) = ν, elu″(0) = 1. A finite difference
across a kink approximates neither side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from numbers import Real
from typing import final

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import InvalidInput, WrongType
from formulations.functions.activations import formulas
from formulations.functions.activations.base import Activation

__all__ = ["ELU", "LeakyReLU", "ReLU"]


@final
@dataclass(frozen=True)
class ReLU(Activation):
    """The rectifier max(z, 0), with slope 0 for z ≤ 0 and 1 for z > 0; value and slope are exact.

    A neuron whose z is negative for every example has the error 0 and does not learn.

    Examples
    --------
    >>> ReLU().value([-2.0, 0.0, 3.0]), ReLU().slope([-2.0, 0.0, 3.0])
    (array([0., 0., 3.]), array([0., 0., 1.]))
    """

    name = "relu"
    formula = staticmethod(formulas.leaky_relu)
    kinks = (0.0,)
    slope_bound = 1.0
    curvature_bound = 0.0

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write max(z, 0) and its sign."""
        np.maximum(z, 0, out=value)
        if slope is not None:
            np.sign(value, out=slope)

    def curvature(self, z: Array) -> Array:
        """Return 0, the curvature of both pieces."""
        return np.zeros_like(z)


@final
@dataclass(frozen=True)
class LeakyReLU(Activation):
    """The leaky rectifier max(z, νz), with slope ν for z ≤ 0 and 1 for z > 0.

    The slope is ν rounded to the dtype; the value has one more rounding.

    Parameters
    ----------
    negative_slope : float
        ν, at least 0 and less than 1.

    Raises
    ------
    WrongType
        If ``negative_slope`` is not a real number.
    InvalidInput
        If ``negative_slope`` is not in [0, 1).

    Examples
    --------
    >>> leaky = LeakyReLU(0.25)
    >>> leaky.value([-2.0, 3.0]), leaky.slope([-2.0, 0.0, 3.0])
    (array([-0.5,  3. ]), array([0.25, 0.25, 1.  ]))
    """

    negative_slope: float = 0.01
    kinks = (0.0,)
    slope_bound = 1.0
    curvature_bound = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.negative_slope, bool) or not isinstance(self.negative_slope, Real):
            raise WrongType(f"negative_slope must be a number, got {self.negative_slope!r}; omit it for 0.01.")
        if not 0 <= self.negative_slope < 1:
            raise InvalidInput(f"negative_slope must be in [0, 1), got {self.negative_slope!r}; omit it for 0.01.")

    @cached_property
    def name(self) -> str:  # type: ignore[override]  # frozen
        """``leaky_relu``, followed by ν if it is not the default."""
        default = self.negative_slope == type(self).negative_slope
        return "leaky_relu" if default else f"leaky_relu(negative_slope={self.negative_slope!r})"

    @cached_property
    def formula(self) -> formulas.Formula:  # type: ignore[override]  # frozen
        """The formula with this ν."""
        return partial(formulas.leaky_relu, negative_slope=self.negative_slope)

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write max(z, νz) and max(sign(z), ν)."""
        np.multiply(z, self.negative_slope, out=value)
        np.maximum(value, z, out=value)
        if slope is not None:
            np.sign(z, out=slope)
            np.maximum(slope, self.negative_slope, out=slope)

    def curvature(self, z: Array) -> Array:
        """Return 0, the curvature of both pieces."""
        return np.zeros_like(z)


@final
@dataclass(frozen=True)
class ELU(Activation):
    """The exponential linear unit: z for z > 0, e^z − 1 for z ≤ 0; slope 1 and e^z.

    The slope is continuous, so there is no kink, and a numerical derivative is correct at 0 too; only the curvature
    jumps there, from 1 to 0. The slope is computed as e^z, not as value + 1, and so keeps its digits for z ≪ 0.

    Examples
    --------
    >>> ELU().value([-1000.0, 0.0, 3.0]), ELU().slope([-1000.0, 0.0, 3.0])
    (array([-1.,  0.,  3.]), array([0., 1., 1.]))
    """

    name = "elu"
    formula = staticmethod(formulas.elu)
    slope_bound = 1.0
    curvature_bound = 1.0

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write max(expm1(min(z, 0)), z) and exp(min(z, 0))."""
        np.minimum(z, 0, out=value)
        if slope is not None:
            np.exp(value, out=slope)
        np.expm1(value, out=value)
        # e^z − 1 ≥ z everywhere, so the maximum selects the correct piece.
        np.maximum(value, z, out=value)

    def curvature(self, z: Array) -> Array:
        """Return e^z for z ≤ 0 and 0 for z > 0."""
        curvature = np.exp(np.minimum(z, 0))
        curvature[z > 0] = 0
        return curvature
