"""Is a slope the derivative of its function? Judged by finite differences that bound their own error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.differentiate import derivative

from formulations.activations.base import FloatArray
from formulations.exceptions import WrongDerivative

__all__ = ["check_derivative", "sample_points"]

_Function = Callable[[FloatArray], FloatArray]
_Float64 = npt.NDArray[np.float64]

_POINTS = 33
# A function is trusted to 8 rounding errors of its value and of its argument, as σ′ here is.
_ROUNDINGS = 8 * np.finfo(np.float64).eps / 2
# scipy.differentiate's error is the last change; ten of them cover a change that is small by accident.
_SAFETY = 10
# Half of the 0.05 % that must be seen: an estimate less certain than this proves nothing.
_RESOLUTION = 2.5e-4


@dataclass(frozen=True)
class _Estimate:
    """Numerical derivatives, with what truncation and what rounding can have done to each."""

    derivative: _Float64
    truncation: _Float64
    rounding: _Float64

    @property
    def tolerance(self) -> _Float64:
        return self.truncation + self.rounding


def sample_points(domain: tuple[float, float], kinks: tuple[float, ...]) -> tuple[_Float64, _Float64]:
    """Return points spread over the domain and, for each, a step that crosses neither an end nor a kink.

    Each smooth piece gets its share of the points, at least four, at the middles of equal intervals. One more lies
    next to 0, where most kinks are: so near that every stencil crosses it, off centre because |z| looks flat at 0.
    """
    low, high = domain
    ends = [low, *sorted({kink for kink in kinks if low < kink < high}), high]
    points, steps = [], []
    for left, right in pairwise(ends):
        count = max(4, round(_POINTS * (right - left) / (high - low)))
        piece = left + (right - left) * (np.arange(count) + 0.5) / count
        if left < 0 < right:
            piece = np.append(piece[piece != 0], (right - left) * 2.0**-30)
        points.append(piece)
        steps.append(np.minimum(piece - left, right - piece))
    # One part in 2^20 is kept back, so that rounding cannot carry a stencil over the end.
    return np.concatenate(points), np.minimum(np.concatenate(steps) * (1 - 2.0**-20), (high - low) / 16)


def _estimate(f: _Function, points: _Float64, steps: _Float64) -> _Estimate:
    result = derivative(f, points, initial_step=steps)
    # After nit halvings of an eighth-order stencil its smallest arm is this long.
    arm = steps / 2.0 ** (result.nit + 2)
    size = np.max([np.abs(f(points + side * steps)) for side in (-1, 0, 1)], axis=0)
    # Where f is small it has often passed through numbers of size 1, as ln(1 + e^z) has for z ≪ 0.
    size = np.maximum(size, min(1.0, float(np.max(size))))
    size += (np.abs(points) + steps) * np.abs(result.df)
    truncation = np.where(np.isfinite(result.error), _SAFETY * result.error, np.inf)
    return _Estimate(np.asarray(result.df), truncation, 2 * _ROUNDINGS * size / arm)


def _best_estimate(f: _Function, points: _Float64, steps: _Float64) -> _Estimate:
    """Start from three step sizes, since one that oscillates or grows fast never settles from a long one."""
    best = _estimate(f, points, steps)
    for shorter in (8, 64):
        other = _estimate(f, points, steps / shorter)
        better = other.tolerance < best.tolerance
        best = _Estimate(
            np.where(better, other.derivative, best.derivative),
            np.where(better, other.truncation, best.truncation),
            np.where(better, other.rounding, best.rounding),
        )
    return best


def check_derivative(
    f: _Function,
    slope: _Function,
    points: _Float64,
    steps: _Float64,
    names: tuple[str, str] = ("f", "slope"),
) -> None:
    """Compare `slope` with the numerical derivative of `f`, point by point.

    The tolerance at a point is ten times the estimate's own error, plus what eight rounding errors in f and
    in its argument do to the difference quotient, plus as many in the slope itself.

    Parameters
    ----------
    f, slope : callable
        Functions of a float64 array, element by element, finite on the domain.
    points, steps : ndarray, shape (p,)
        Where to compare, and how far from there f may be evaluated.
    names : tuple of str
        What to call the two in messages.

    Raises
    ------
    WrongDerivative
        If the two differ, or if the numerical derivative does not settle; the point is named.
    """
    with np.errstate(all="ignore"):
        estimate = _best_estimate(f, points, steps)
        said = slope(points)
    scale = np.max(np.abs(estimate.derivative), where=np.isfinite(estimate.truncation), initial=0)
    # Where rounding alone exceeds it, f is flat there, and the truncation is no cause for doubt.
    unsettled = estimate.truncation > np.maximum(_RESOLUTION * scale, estimate.rounding)
    if unsettled.any():
        worst = int(np.argmax(np.where(unsettled, estimate.truncation, 0)))
        raise WrongDerivative(
            f"{names[0]} was expected to be smooth away from its kinks, but its numerical derivative at"
            f" z = {points[worst]:.6g} does not settle; declare kinks=(...) there, or narrow the domain"
        )
    tolerance = estimate.tolerance + _ROUNDINGS * np.abs(said)
    difference = np.abs(said - estimate.derivative)
    wrong = ~(difference <= tolerance)
    if wrong.any():
        worst = int(np.argmax(np.where(wrong, difference / np.maximum(tolerance, np.finfo(float).tiny), 0)))
        raise WrongDerivative(
            f"{names[1]} was expected to be the derivative of {names[0]}: at z = {points[worst]:.6g} the"
            f" numerical one is {estimate.derivative[worst]:.9g} (give or take {tolerance[worst]:.1g}), and"
            f" {names[1]} gave {said[worst]:.9g}; correct it, or declare kinks=(...) if there is a kink"
        )
