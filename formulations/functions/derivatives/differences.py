"""Numerical derivatives with error bounds, to check user-supplied derivatives.

One check serves slopes (element by element), gradients of costs and Jacobian matrices (row by row). Its tolerance is
the sum of ten times the error estimate of the numerical derivative, the effect on the difference quotient of eight
rounding errors in the function and its argument, and eight rounding errors of the user-supplied derivative. The check
finds a derivative that is off by 0.05 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from formulations.arrays import Array
from formulations.exceptions import WrongDerivative

__all__ = ["NumericalDerivative", "differentiate", "differentiate_entries", "differentiate_rows"]

# A function may have 8 rounding errors in its value and its argument, like σ′ in this package.
_ROUNDINGS = 8 * np.finfo(np.float64).eps / 2
# The error estimate of scipy.differentiate is the last change, which may be small by accident.
_SAFETY = 10
# Half of the 0.05 % that the check must find: a less certain estimate decides nothing.
_RESOLUTION = 2.5e-4
# The divisors of the longest step.
_SHORTER = np.array([1.0, 8.0, 64.0])


@dataclass(frozen=True)
class NumericalDerivative:
    """Numerical derivatives with bounds on their truncation and rounding errors.

    Attributes
    ----------
    derivative, truncation, rounding : ndarray, all of one shape
        The derivatives, and bounds on the two parts of their errors; an unknown truncation error is infinite.
    """

    derivative: Array
    truncation: Array
    rounding: Array

    @property
    def T(self) -> NumericalDerivative:
        """The same with reversed axes, to check a transposed matrix."""
        return NumericalDerivative(self.derivative.T, self.truncation.T, self.rounding.T)

    @property
    def tolerance(self) -> Array:
        """The bound on the error of the derivatives: truncation plus rounding."""
        total: Array = self.truncation + self.rounding
        return total

    def unsettled(self) -> tuple[int, ...] | None:
        """Return the index at which the estimate is least certain, if it is too uncertain to judge by, else None."""
        scale = np.max(np.abs(self.derivative), where=np.isfinite(self.truncation), initial=0)
        # A function whose rounding error exceeds it is flat, and its truncation gives no reason for doubt.
        doubtful = self.truncation > np.maximum(_RESOLUTION * scale, self.rounding)
        return _worst(doubtful, self.truncation)

    def judge(
        self, said: Array, names: tuple[str, str], place: Callable[[tuple[int, ...]], str], *, rough: str, wrong: str
    ) -> None:
        """Refuse a derivative that differs from this one, or a function that has none.

        Parameters
        ----------
        said : ndarray of the estimate's shape
            The user-supplied derivative at the same points.
        names : (str, str)
            The names of the function and its derivative in messages.
        place : callable (index) -> str
            The name of a point in messages.
        rough, wrong : str
            The remedies for a numerical derivative that does not converge, and for a derivative that differs.

        Raises
        ------
        WrongDerivative
            If the two differ, or the numerical derivative does not converge; names the point.
        """
        at = self.unsettled()
        if at is not None:
            raise WrongDerivative(
                f"{names[0]} must be smooth, but its numerical derivative at {place(at)} does not converge; {rough}."
            )
        tolerance = self.tolerance + _ROUNDINGS * np.abs(said)
        difference = np.abs(said - self.derivative)
        at = _worst(~(difference <= tolerance), difference / np.maximum(tolerance, np.finfo(np.float64).tiny))
        if at is not None:
            raise WrongDerivative(
                f"{names[1]} must be the derivative of {names[0]}, got {said[at]:.9g} at {place(at)}, where the "
                f"numerical one is {self.derivative[at]:.9g} (give or take {tolerance[at]:.1g}); {wrong}."
            )


def _worst(found: Array, size: Array) -> tuple[int, ...] | None:
    if not found.any():
        return None
    # NaN counts as the worst.
    flat = int(np.argmax(np.where(found, np.nan_to_num(size, nan=np.inf), -1)))
    return tuple(int(i) for i in np.unravel_index(flat, found.shape))


def _by_step(f: Callable[..., Array], points: Array, steps: Array, which: tuple[Array, ...]) -> NumericalDerivative:
    """Differentiate by several step sizes at once, along the first axis."""
    result = scipy.differentiate.derivative(f, points, args=which, initial_step=steps)
    # The smallest step of an eighth-order stencil after nit halvings.
    arm = steps / 2.0 ** (result.nit + 2)
    size = np.max([np.abs(f(points + side * steps, *which)) for side in (-1, 0, 1)], axis=0)
    # A small value often comes from intermediate numbers of size 1, as ln(1 + e^z) does for z ≪ 0.
    size = np.maximum(size, np.fmin(1.0, np.max(size, axis=tuple(range(1, size.ndim)), keepdims=True)))
    size += (np.abs(points) + steps) * np.abs(result.df)
    truncation = np.where(np.isfinite(result.error), _SAFETY * result.error, np.inf)
    return NumericalDerivative(np.asarray(result.df), truncation, 2 * _ROUNDINGS * size / arm)


def differentiate(
    f: Callable[..., Array], points: Array, steps: Array, which: tuple[Array, ...] = ()
) -> NumericalDerivative:
    """Differentiate a function of one variable, element by element.

    It starts from three step sizes, since a long one never converges for a function that oscillates or grows fast.

    Parameters
    ----------
    f : callable (t, *which) -> ndarray
        Acts element by element on float64 arrays of any shape.
    points, steps : ndarray, both of one shape
        The points, and how far from each f may be evaluated.
    which : tuple of ndarray of that shape
        Further arguments of f, entry by entry.

    Returns
    -------
    NumericalDerivative
        Of the shape of ``points``; each entry is the estimate with the smallest tolerance of the three.
    """
    steps = steps / _SHORTER.reshape(-1, *[1] * points.ndim)
    points, *which_ones = (np.broadcast_to(each, steps.shape) for each in (points, *which))
    with np.errstate(all="ignore"):
        found = _by_step(f, points, steps, tuple(which_ones))
        tolerance = found.tolerance
        best = np.zeros((1, *points.shape[1:]), int)
        for i in range(1, len(tolerance)):
            best[:, tolerance[i] < np.take_along_axis(tolerance, best, axis=0)[0]] = i
    return NumericalDerivative(
        *(np.take_along_axis(each, best, axis=0)[0] for each in (found.derivative, found.truncation, found.rounding))
    )


def differentiate_rows(
    f: Callable[[Array], Any], x: Array, step: float, entries: Array | None = None
) -> NumericalDerivative:
    """Differentiate a function of rows at one row; return its gradient or Jacobian matrix.

    Parameters
    ----------
    f : callable (b, n) -> (b,) or (b, k)
        Maps each row independently.
    x : ndarray of shape (n,)
        The row.
    step : float
        How far from ``x`` f may be evaluated, in each coordinate.
    entries : ndarray of int, optional
        The coordinates j; by default all.

    Returns
    -------
    NumericalDerivative
        ∂f/∂x_j of shape (n,), or ∂f_i/∂x_j of shape (k, n), for the n chosen coordinates.

    Examples
    --------
    >>> found = differentiate_rows(lambda rows: rows**2, np.array([1.0, 3.0]), 0.5)
    >>> np.round(found.derivative, 9) + 0.0
    array([[2., 0.],
           [0., 6.]])
    """
    outputs = np.asarray(f(x[None])).shape[1:]
    indices = np.indices((*outputs, x.size))
    if entries is not None:
        indices = indices[..., entries]
    j = indices[-1]
    return differentiate_entries(f, x, step, indices[0] if outputs else np.zeros_like(j), j)


def differentiate_entries(f: Callable[[Array], Any], x: Array, step: float, i: Array, j: Array) -> NumericalDerivative:
    """Differentiate a function of rows at one row; return chosen entries of its Jacobian matrix.

    Parameters
    ----------
    f : callable (b, n) -> (b,) or (b, k)
        Maps each row independently.
    x : ndarray of shape (n,)
        The row.
    step : float
        How far from ``x`` f may be evaluated, in each coordinate.
    i, j : ndarray of int, both of one shape
        The indices of the entries; i is 0 if f returns one number a row.

    Returns
    -------
    NumericalDerivative
        ∂f_i/∂x_j, of the shape of ``i``.
    """

    def along(t: Array, i: Array, j: Array) -> Array:
        rows = np.broadcast_to(x, (*t.shape, x.size)).copy()
        np.put_along_axis(rows, np.broadcast_to(j, t.shape)[..., None], t[..., None], axis=-1)
        values = np.asarray(f(rows.reshape(-1, x.size))).reshape(*t.shape, -1)
        return np.take_along_axis(values, np.broadcast_to(i, t.shape)[..., None], axis=-1)[..., 0]

    return differentiate(along, x[j], np.full(j.shape, float(step)), (i, j))
