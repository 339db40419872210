"""The base class of activations: a function with its slope σ′ and, if known, its curvature σ″."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from formulations.arrays import DTYPES, Array, quiet
from formulations.exceptions import Refused, WrongType
from formulations.functions.activations.formulas import COMPLEX, Formula
from formulations.functions.final_classes import refuse_final_bases

__all__ = ["Activation"]


class Activation(ABC):
    """An activation: by default element by element, :math:`a_j = f(z_j)` with slope :math:`f'(z_j)`.

    The book's σ and σ′ (Nielsen, chapter 2, eq. (23) and (BP1)) are one object, so that a function always has its
    own slope, and one call computes both from the same exponential.

    Derive from this class to define a custom activation; concrete activations are final.

    Attributes
    ----------
    name : str
        Its name in tables, flags and messages.
    kinks : tuple of float
        The points at which f is not differentiable. By convention, the slope there is the left derivative.
    slope_bound : float or None
        The supremum of |f′| over the real line, of a coupled f that of all |∂a_j/∂z_j|; None if it is unknown or
        infinite.
    curvature_bound : float or None
        The supremum of |f″| over the real line away from the kinks; None if it is unknown or infinite.
    coupled : bool
        Whether Σ′(z) has off-diagonal entries, so that no element-wise product can express it.
    analytic : bool
        Whether f extends to complex z as an analytic function, without |z| and without pieces.
    formula : callable (engine, z) -> array, or None
        f in the functions of an engine, for other number systems; None if it is unknown.

    Notes
    -----
    An activation is immutable and keeps no state between calls. A class that overrides ``evaluate`` of a custom class
    must also override the attributes and methods that describe that function.
    """

    name: str
    kinks: tuple[float, ...] = ()
    slope_bound: float | None = None
    curvature_bound: float | None = None
    coupled: bool = False
    analytic: bool = False
    formula: Formula | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        refuse_final_bases(
            cls, "derive from formulations.Activation, or call formulations.activation or coupled_activation"
        )

    @abstractmethod
    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write f(z) into ``value`` and f′(z) into ``slope``.

        Parameters
        ----------
        z : ndarray of shape (m, n)
            Weighted inputs; left unchanged.
        value : ndarray of shape (m, n)
            Receives f(z). Has the dtype of z and shares no memory with ``z`` or ``slope``.
        slope : ndarray of shape (m, n), optional
            Receives f′(z), under the same conditions. Without it, the value has the same bits.
        """

    def slope_buffer(self, z: Array, a: Array, buffer: Array) -> Any:  # noqa: ARG002
        """Return the object in which a tape keeps the slope at z and a: by default ``buffer``, shape (m, n)."""
        return buffer

    @property
    def has_curvature(self) -> bool:
        """Whether the curvature is known."""
        return type(self).curvature is not Activation.curvature

    def curvature(self, z: Array) -> Any:  # noqa: ARG002 - for subclasses
        """Return f″(z) in a new array.

        Parameters
        ----------
        z : ndarray of shape (m, n)
            Weighted inputs; left unchanged.

        Returns
        -------
        ndarray of shape (m, n)
            The second derivative away from the kinks, so 0 for relu; at a kink or a jump, the left limit. If the
            activation is coupled, a ``CoupledCurvature``.

        Raises
        ------
        Refused
            If the curvature is unknown.
        """
        raise Refused(
            f"the activation must have a curvature, got {self.name!r}, which has none; "
            "pass one: activation(f, slope, curvature=...)."
        )

    def curvature_at(self, z: Array, a: Array) -> Any:  # noqa: ARG002 - for subclasses
        """Return the curvature at z and a = f(z), both of shape (m, n); see ``curvature``."""
        return self.curvature(z)

    def complex_value(self, z: Array) -> Array:
        """Return f(z) for complex z, in a new array of its shape and dtype.

        Raises
        ------
        Refused
            If f is not known to be analytic.
        """
        if not self.analytic or self.formula is None:
            raise Refused(f"the activation must be analytic, got {self.name!r}, which is not; use a smooth one.")
        value: Array = self.formula(COMPLEX, z)
        return value

    @quiet
    def value(self, z: npt.ArrayLike) -> Array:
        """Return f(z) in a new array of z's shape and dtype.

        Raises
        ------
        WrongType
            If the dtype of ``z`` is not one that a network can have.
        """
        array = _floating(z)
        value = np.empty_like(array)
        self.evaluate(array, value)
        return value

    @quiet
    def slope(self, z: npt.ArrayLike) -> Array:
        """Return f′(z) in a new array of z's shape and dtype.

        Raises
        ------
        WrongType
            If the dtype of ``z`` is not one that a network can have.
        """
        array = _floating(z)
        value, slope = np.empty_like(array), np.empty_like(array)
        self.evaluate(array, value, slope)
        return slope

    def why_not(self, dtype: npt.DTypeLike) -> str | None:
        """Return None, or the reason why the activation does not support ``dtype``."""
        if np.dtype(dtype) in DTYPES:
            return None
        return f"{self.name} supports float32, float64 and longdouble, not {np.dtype(dtype)}"

    def why_not_width(self, n: int) -> str | None:  # noqa: ARG002 - one function for all neurons fits every width
        """Return None, or the reason why the activation does not fit a layer of ``n`` neurons."""
        return None

    def slope_entries(self, n: int) -> int:
        """Return the entries of σ′(z) of ``n`` neurons for one example: n, or n² if the activation is coupled."""
        return n * n if self.coupled else n

    @property
    def functions(self) -> tuple[Activation, ...]:
        """The distinct functions of the neurons, in order of appearance."""
        return (self,)

    def neuron(self, j: int) -> Activation:  # noqa: ARG002 - every neuron has the same function
        """Return the function of neuron ``j`` (counted from 0)."""
        return self


def _floating(z: npt.ArrayLike) -> Array:
    array = np.asarray(z)
    if array.dtype not in DTYPES:
        raise WrongType(
            f"z must be float32, float64 or longdouble, got {array.dtype}; "
            "convert it, for instance with numpy.asarray(z, dtype=float)."
        )
    return array
