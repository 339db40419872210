"""Is this the derivative of that? Judged by finite differences that bound their own error.

One judgement serves slopes (element by element), gradients of costs and Jacobian matrices (row by row). Its tolerance
is ten times the numerical derivative's own error, plus what eight rounding errors in the function and in its argument
do to the difference quotient, plus as many in the derivative that was handed in. A derivative off by 0.05 % is found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from formulations.arrays import Array
from formulations.exceptions import WrongDerivative

__all__ = ["NumericalDerivative", "differentiate", "differentiate_rows"]

# A function is trusted to 8 rounding errors of its value and of its argument, as σ′ here is.
_ROUNDINGS = 8 * np.finfo(np.float64).eps / 2
# scipy.differentiate's error is the last change; ten of them cover a change that is small by accident.
_SAFETY = 10
# Half of the 0.05 % that must be seen: an estimate less certain than this proves nothing.
_RESOLUTION = 2.5e-4


@dataclass(frozen=True)
class NumericalDerivative:
    """Numerical derivatives, with what truncation and what rounding can have done to each.

    Attributes
    ----------
    derivative, truncation, rounding : ndarray, all of one shape
        The derivatives, and bounds on the two parts of their error; a truncation that is not known is infinite.
    """

    derivative: Array
    truncation: Array
    rounding: Array

    @property
    def T(self) -> NumericalDerivative:
        """The same with its axes reversed, for a matrix that should be the transposed one."""
        return NumericalDerivative(self.derivative.T, self.truncation.T, self.rounding.T)

    @property
    def tolerance(self) -> Array:
        """How far the derivatives may be off, both parts together."""
        total: Array = self.truncation + self.rounding
        return total

    def unsettled(self) -> tuple[int, ...] | None:
        """Return where the estimate says too little to judge by, the worst such place, or None."""
        scale = np.max(np.abs(self.derivative), where=np.isfinite(self.truncation), initial=0)
        # Where rounding alone exceeds it, the function is flat, and the truncation is no cause for doubt.
        doubtful = self.truncation > np.maximum(_RESOLUTION * scale, self.rounding)
        return _worst(doubtful, self.truncation)

    def judge(
        self, said: Array, names: tuple[str, str], place: Callable[[tuple[int, ...]], str], *, rough: str, wrong: str
    ) -> None:
        """Refuse a derivative that is not this one, or a function that has none.

        Parameters
        ----------
        said : ndarray of the estimate's shape
            The derivative that was handed in, at the same places.
        names : (str, str)
            What to call the function and its derivative in messages.
        place : callable (index) -> str
            What to call a place in messages.
        rough, wrong : str
            The remedies for a function that does not settle, and for a derivative that differs.

        Raises
        ------
        WrongDerivative
            Where the two differ, or where the numerical derivative does not settle; the place is named.
        """
        at = self.unsettled()
        if at is not None:
            raise WrongDerivative(
                f"{names[0]} must be smooth, but its numerical derivative at {place(at)} does not settle; {rough}."
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
    # NaN is the worst of all.
    flat = int(np.argmax(np.where(found, np.nan_to_num(size, nan=np.inf), -1)))
    return tuple(int(i) for i in np.unravel_index(flat, found.shape))


def _single(f: Callable[..., Array], points: Array, steps: Array, which: tuple[Array, ...]) -> NumericalDerivative:
    result = scipy.differentiate.derivative(f, points, args=which, initial_step=steps)
    # After nit halvings of an eighth-order stencil its smallest arm is this long.
    arm = steps / 2.0 ** (result.nit + 2)
    size = np.max([np.abs(f(points + side * steps, *which)) for side in (-1, 0, 1)], axis=0)
    # Where f is small it has often passed through numbers of size 1, as ln(1 + e^z) has for z ≪ 0.
    size = np.maximum(size, min(1.0, float(np.max(size))))
    size += (np.abs(points) + steps) * np.abs(result.df)
    truncation = np.where(np.isfinite(result.error), _SAFETY * result.error, np.inf)
    return NumericalDerivative(np.asarray(result.df), truncation, 2 * _ROUNDINGS * size / arm)


def differentiate(
    f: Callable[..., Array], points: Array, steps: Array, which: tuple[Array, ...] = ()
) -> NumericalDerivative:
    """Differentiate a function of single numbers.

    It starts from three step sizes, since a function that oscillates or grows fast never settles from a long one.

    Parameters
    ----------
    f : callable (t, *which) -> ndarray
        Acts element by element on float64 arrays of any shape.
    points, steps : ndarray, both of one shape
        Where to differentiate, and how far from there f may be evaluated.
    which : tuple of ndarray of that shape
        Handed on to f, entry by entry.

    Returns
    -------
    NumericalDerivative
        In the shape of ``points``; of the three, each place has the one with the smallest tolerance.
    """
    with np.errstate(all="ignore"):
        best = _single(f, points, steps, which)
        for shorter in (8, 64):
            other = _single(f, points, steps / shorter, which)
            better = other.tolerance < best.tolerance
            best = NumericalDerivative(
                np.where(better, other.derivative, best.derivative),
                np.where(better, other.truncation, best.truncation),
                np.where(better, other.rounding, best.rounding),
            )
    return best


def differentiate_rows(
    f: Callable[[Array], Any], x: Array, step: float, entries: Array | None = None
) -> NumericalDerivative:
    """Differentiate a function of rows at one row: its gradient, or its Jacobian matrix.

    Parameters
    ----------
    f : callable (b, n) -> (b,) or (b, k)
        Acts on each row by itself.
    x : ndarray of shape (n,)
        The row.
    step : float
        How far from it f may be evaluated, in each coordinate.
    entries : ndarray of int, optional
        The j to differentiate by; all of them by default.

    Returns
    -------
    NumericalDerivative
        ∂f/∂x_j in shape (n,), or ∂f_i/∂x_j in shape (k, n), for the n entries chosen.

    Examples
    --------
    >>> found = differentiate_rows(lambda rows: rows**2, np.array([1.0, 3.0]), 0.5)
    >>> np.round(found.derivative, 9)
    array([[2., 0.],
           [0., 6.]])
    """
    outputs = np.asarray(f(x[None])).shape[1:]

    def along(t: Array, i: Array, j: Array) -> Array:
        rows = np.broadcast_to(x, (*t.shape, x.size)).copy()
        np.put_along_axis(rows, np.broadcast_to(j, t.shape)[..., None], t[..., None], axis=-1)
        values = np.asarray(f(rows.reshape(-1, x.size))).reshape(*t.shape, -1)
        return np.take_along_axis(values, np.broadcast_to(i, t.shape)[..., None], axis=-1)[..., 0]

    indices = np.indices((*outputs, x.size))
    if entries is not None:
        indices = indices[..., entries]
    j = indices[-1]
    i = indices[0] if outputs else np.zeros_like(j)
    return differentiate(along, x[j], np.full(j.shape, float(step)), (i, j))
