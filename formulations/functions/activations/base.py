"""What an activation is: a function, its slope σ′ and, where known, its curvature σ″, in one object."""

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
    r"""A function that acts on every weighted input by itself: :math:`a_j = f(z_j)`, slope :math:`f'(z_j)`.

    The book's σ and σ′ (Nielsen, chapter 2, eq. (23) and (BP1)) are kept together, so that nobody can pair a
    function with another one's slope, and so that one call can share the exponential between the two.

    Attributes
    ----------
    name : str
        What it is called in tables, flags and messages.
    kinks : tuple of float
        Where the function is not differentiable. There the slope is, by convention, that from the left.
    curvature_bound : float or None
        The supremum of \|f″\| over the real line away from the kinks; None where unknown or infinite.
    coupled : bool
        True where the slope is not diagonal, so that no element-wise product can express it.
    analytic : bool
        True where f has complex values that belong to the same function, without |z| and without pieces.
    formula : callable (engine, z) -> array, or None
        f in the functions of an engine, so that another number system can compute it; None where it is not known.

    Notes
    -----
    An activation is immutable and remembers nothing between calls.
    """

    name: str
    kinks: tuple[float, ...] = ()
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
        """Write f(z) into ``value`` and f′(z) into ``slope``, in one go.

        Parameters
        ----------
        z : ndarray of shape (m, n)
            Weighted inputs; not changed.
        value : ndarray of shape (m, n)
            Receives f(z). Of z's dtype; does not share memory with ``z`` or ``slope``.
        slope : ndarray of shape (m, n), optional
            Receives f′(z), on the same terms; None computes the value alone, with the same bits.
        """

    def slope_buffer(self, z: Array, a: Array, buffer: Array) -> Any:  # noqa: ARG002
        """Return where a tape keeps the slope at z and a: the buffer that it offers, shape (m, n)."""
        return buffer

    def curvature(self, z: Array) -> Array:  # noqa: ARG002 - for those that know theirs
        """Return f″(z) in a new array.

        Parameters
        ----------
        z : ndarray of shape (m, n)
            Weighted inputs; not changed.

        Returns
        -------
        ndarray of shape (m, n)
            The second derivative; at a point where it jumps, the one from the left.

        Raises
        ------
        Refused
            Where the curvature is not known.
        """
        raise Refused(
            f"the activation must have a curvature, got {self.name!r}, which has none; "
            "hand one over with activation(f, slope, curvature=...)."
        )

    def complex_value(self, z: Array) -> Array:
        """Return f(z) for complex z, in a new array of its shape and dtype.

        Raises
        ------
        Refused
            Where f is not analytic, or is not known to be.
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
            Where ``z`` is not made of floating-point numbers that a network can have.
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
            Where ``z`` is not made of floating-point numbers that a network can have.
        """
        array = _floating(z)
        value, slope = np.empty_like(array), np.empty_like(array)
        self.evaluate(array, value, slope)
        return slope

    def why_not(self, dtype: npt.DTypeLike) -> str | None:
        """Return None, or the reason why arrays of ``dtype`` cannot be served."""
        if np.dtype(dtype) in DTYPES:
            return None
        return f"{self.name} serves float32, float64 and longdouble, not {np.dtype(dtype)}"

    def why_not_width(self, n: int) -> str | None:  # noqa: ARG002 - one function for all neurons fits every width
        """Return None, or the reason why a layer of ``n`` neurons cannot be served."""
        return None

    def slope_entries(self, n: int) -> int:
        """Return the entries of σ′(z) of ``n`` neurons for one example: n, or n² if the activation is coupled."""
        return n * n if self.coupled else n

    @property
    def functions(self) -> tuple[Activation, ...]:
        """The distinct functions in it, in order of appearance: itself, unless neurons differ."""
        return (self,)

    def neuron(self, j: int) -> Activation:  # noqa: ARG002 - every neuron has the same function here
        """Return the function of neuron ``j`` (counted from 0)."""
        return self


def _floating(z: npt.ArrayLike) -> Array:
    array = np.asarray(z)
    if array.dtype not in DTYPES:
        raise WrongType(
            f"z must be float32, float64 or longdouble, got {array.dtype}; "
            "convert it first, for instance with numpy.asarray(z, dtype=float)."
        )
    return array
