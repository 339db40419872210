"""Activations in two pieces that meet at z = 0: relu, leaky relu and elu.

At the seam each has, by convention, the derivative from the left: relu′(0) = 0, leaky_relu′(0) = its negative
slope, elu″(0) = 1. Finite differences across a kink measure neither side.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from formulations.activations.base import Activation, FloatArray
from formulations.exceptions import InvalidInput

__all__ = ["ELU", "LeakyReLU", "ReLU"]


@dataclass(frozen=True)
class ReLU(Activation):
    """The rectifier max(z, 0), with slope 0 for z ≤ 0 and 1 for z > 0; both are exact.

    A neuron whose z stays below 0 has the error 0 and learns nothing.

    Examples
    --------
    >>> ReLU().value([-2.0, 0.0, 3.0]), ReLU().slope([-2.0, 0.0, 3.0])
    (array([0., 0., 3.]), array([0., 0., 1.]))
    """

    name = "relu"
    kinks = (0.0,)
    curvature_bound = 0.0

    def evaluate(self, z: FloatArray, value: FloatArray, slope: FloatArray | None = None) -> None:
        """Write max(z, 0) and its sign."""
        np.maximum(z, 0, out=value)
        if slope is not None:
            np.sign(value, out=slope)

    def curvature(self, z: FloatArray) -> FloatArray:
        """Return 0, the curvature of both pieces."""
        return np.zeros_like(z)


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """The leaky rectifier max(z, νz), with slope ν for z ≤ 0 and 1 for z > 0.

    The slope is ν rounded to the dtype, and the value is rounded once more.

    Parameters
    ----------
    negative_slope : float
        ν, at least 0 and less than 1.

    Raises
    ------
    InvalidInput
        If `negative_slope` is not in [0, 1).

    Examples
    --------
    >>> leaky = LeakyReLU(0.25)
    >>> leaky.value([-2.0, 3.0]), leaky.slope([-2.0, 0.0, 3.0])
    (array([-0.5,  3. ]), array([0.25, 0.25, 1.  ]))
    """

    negative_slope: float = 0.01
    name: str = field(init=False, repr=False, compare=False)
    kinks = (0.0,)
    curvature_bound = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.negative_slope < 1:
            raise InvalidInput(
                f"negative_slope was expected in [0, 1), got {self.negative_slope!r}; the default is 0.01."
            )
        default = self.negative_slope == type(self).negative_slope
        name = "leaky_relu" if default else f"leaky_relu(negative_slope={self.negative_slope!r})"
        object.__setattr__(self, "name", name)

    def evaluate(self, z: FloatArray, value: FloatArray, slope: FloatArray | None = None) -> None:
        """Write max(z, νz) and max(sign(z), ν)."""
        np.multiply(z, self.negative_slope, out=value)
        np.maximum(value, z, out=value)
        if slope is not None:
            np.sign(z, out=slope)
            np.maximum(slope, self.negative_slope, out=slope)

    def curvature(self, z: FloatArray) -> FloatArray:
        """Return 0, the curvature of both pieces."""
        return np.zeros_like(z)


@dataclass(frozen=True)
class ELU(Activation):
    """The exponential linear unit: z for z > 0, e^z − 1 for z ≤ 0; slope 1 and e^z.

    Its slope is continuous, so it has no kink: a numerical derivative is right at 0 too. Only the curvature
    jumps there, from 1 to 0. The slope is e^z itself, not value + 1, and so keeps its digits for z ≪ 0.

    Examples
    --------
    >>> ELU().value([-1000.0, 0.0, 3.0]), ELU().slope([-1000.0, 0.0, 3.0])
    (array([-1.,  0.,  3.]), array([0., 1., 1.]))
    """

    name = "elu"
    curvature_bound = 1.0

    def evaluate(self, z: FloatArray, value: FloatArray, slope: FloatArray | None = None) -> None:
        """Write max(expm1(min(z, 0)), z) and exp(min(z, 0))."""
        np.minimum(z, 0, out=value)
        if slope is not None:
            np.exp(value, out=slope)
        np.expm1(value, out=value)
        # e^z − 1 ≥ z everywhere, so the larger of the two is the right piece.
        np.maximum(value, z, out=value)

    def curvature(self, z: FloatArray) -> FloatArray:
        """Return e^z for z ≤ 0 and 0 for z > 0."""
        curvature = np.exp(np.minimum(z, 0))
        curvature[z > 0] = 0
        return curvature
