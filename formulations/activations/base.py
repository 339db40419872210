"""What an activation is: a function, its slope σ′ and, where known, its curvature σ″, in one object."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from formulations.exceptions import Refused, WrongType

__all__ = ["DTYPES", "Activation", "FloatArray"]

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]

DTYPES = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.longdouble))
"""The dtypes that a network can have."""


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

    Notes
    -----
    An activation is immutable and remembers nothing between calls.
    """

    name: str
    kinks: tuple[float, ...] = ()
    curvature_bound: float | None = None
    coupled: bool = False

    @abstractmethod
    def evaluate(self, z: FloatArray, value: FloatArray, slope: FloatArray | None = None) -> None:
        """Write f(z) into `value` and f′(z) into `slope`, in one go.

        Parameters
        ----------
        z : ndarray, shape (m, n)
            Weighted inputs; not changed.
        value : ndarray, shape (m, n)
            Receives f(z). Of z's dtype; does not share memory with `z` or `slope`.
        slope : ndarray, shape (m, n), optional
            Receives f′(z), on the same terms; None computes the value alone, with the same bits.
        """

    def curvature(self, z: FloatArray) -> FloatArray:  # noqa: ARG002 - for those that know theirs
        """Return f″(z) in a new array.

        Parameters
        ----------
        z : ndarray, shape (m, n)
            Weighted inputs; not changed.

        Returns
        -------
        ndarray, shape (m, n)
            The second derivative; at a point where it jumps, the one from the left.

        Raises
        ------
        Refused
            Where the curvature is not known.
        """
        raise Refused(
            f"a curvature was expected of the activation {self.name!r}, which has none;"
            " hand one over with activation(f, slope, curvature=...)."
        )

    def value(self, z: npt.ArrayLike) -> FloatArray:
        """Return f(z) in a new array of z's shape and dtype.

        Raises
        ------
        WrongType
            If `z` is not made of floating-point numbers that a network can have.
        """
        array = _floating(z)
        value = np.empty_like(array)
        self.evaluate(array, value)
        return value

    def slope(self, z: npt.ArrayLike) -> FloatArray:
        """Return f′(z) in a new array of z's shape and dtype.

        Raises
        ------
        WrongType
            If `z` is not made of floating-point numbers that a network can have.
        """
        array = _floating(z)
        value, slope = np.empty_like(array), np.empty_like(array)
        self.evaluate(array, value, slope)
        return slope

    def why_not(self, dtype: npt.DTypeLike) -> str | None:
        """Return None, or the reason why arrays of `dtype` cannot be served."""
        if np.dtype(dtype) in DTYPES:
            return None
        return f"{self.name} serves float32, float64 and longdouble, not {np.dtype(dtype)}"

    def why_not_width(self, n: int) -> str | None:  # noqa: ARG002 - one function for all neurons fits every width
        """Return None, or the reason why a layer of `n` neurons cannot be served."""
        return None

    @property
    def functions(self) -> tuple[Activation, ...]:
        """The distinct functions in it, in order of appearance: itself, unless neurons differ."""
        return (self,)

    def neuron(self, j: int) -> Activation:  # noqa: ARG002 - every neuron has the same function here
        """Return the function of neuron `j` (counted from 0)."""
        return self


def _floating(z: npt.ArrayLike) -> FloatArray:
    array = np.asarray(z)
    if array.dtype not in DTYPES:
        raise WrongType(
            f"z was expected in float32, float64 or longdouble, got {array.dtype};"
            " convert it first, for instance with numpy.asarray(z, dtype=float)."
        )
    return array
