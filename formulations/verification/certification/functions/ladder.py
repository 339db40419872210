r"""A derivative and its bound from a ladder of steps.

On the rungs h, h/4, h/16, … stand the central quotients D(h), and between two of them the value of Richardson's
extrapolation, whose error is of fourth order in h:

.. math:: R(h) = \frac{16 D(h/4) - D(h)}{15}

Four successive values whose largest difference is d give the bound 2d + 3 max(ε_f, u|f|)/h; the smallest bound wins.
While truncation dominates, the first difference is almost the error of the first value; while noise dominates,
the differences show it. Both are small together only where the values have converged, or where the quotients alias: a
function that oscillates within the steps looks constant. So a rung counts only if |f(x ± h) - f(x)| falls from there
on, rung by rung, down to the noise, and values below it must agree with it as far as noise lets them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass, field, replace

import numpy as np

from formulations.arrays import Array

__all__ = ["Derivative", "Line", "differentiate_along"]

RATIO = 4.0
VALUES = 4
"""The successive Richardson values that must agree."""
RUNGS = 8
"""The rungs of an ordinary ladder: 16 evaluations."""
MOST = 26
"""The rungs after which a ladder ends in any case; the last steps are near the distance between numbers."""
FALL = 2.0
"""Each rung must divide |f(x ± h) - f(x)| by this at least; where f is differentiable, by about 4 or more."""
FLOOR = 10.0
"""Differences below this multiple of the noise are noise: seven standard deviations of a difference of two values."""
SHARP = 1e-6
"""A bound below this fraction of the largest quotient ends the ladder."""

Line = Callable[[float], tuple[float, Array] | None]
"""A function of the distance t from x along a line: the distance, as far as it can be represented, and the values of f
there, of shape (k,); None outside the domain of f."""


@dataclass(frozen=True)
class Derivative:
    """The derivatives of k values along a line, with bounds.

    Attributes
    ----------
    value, bound : ndarray of shape (k,)
        The derivative, and a bound of its error; NaN and infinite where no rungs agree.
    step : ndarray of shape (k,)
        The step h of the value; NaN where there is none.
    quotient : ndarray of shape (k,)
        The largest one-sided quotient on the rungs that count.
    curvature : ndarray of shape (k,)
        |f″|, from the same rungs.
    kink : ndarray of bool, shape (k,)
        Whether the quotients from the left and from the right tend to different limits.
    stepped : ndarray of shape (k,)
        The size of a step if f is constant near x and changes in steps, else 0.
    """

    value: Array
    bound: Array
    step: Array
    quotient: Array
    curvature: Array
    kink: Array
    stepped: Array


@dataclass
class _Ladder:
    """The differences of f on the rungs, largest step first."""

    line: Line
    start: Array
    forward: list[float] = field(default_factory=list)
    backward: list[float] = field(default_factory=list)
    right: list[Array] = field(default_factory=list)
    left: list[Array] = field(default_factory=list)

    def rung(self, h: float, *, first: bool = False) -> bool:
        """Evaluate f at x ± h; return whether both points are inside its domain."""
        after, before = self.line(h), self.line(-h)
        if after is None or before is None:
            return False
        (forward, right), (backward, left) = after, before
        at = 0 if first else len(self.forward)
        self.forward.insert(at, forward)
        self.backward.insert(at, -backward)
        self.right.insert(at, right - self.start)
        self.left.insert(at, left - self.start)
        return True

    def __len__(self) -> int:
        return len(self.forward)

    @property
    def change(self) -> Array:
        """The larger of |f(x + h) - f(x)| and |f(x - h) - f(x)|, shape (rungs, k)."""
        return np.maximum(np.abs(self.right), np.abs(self.left))


def differentiate_along(
    line: Line, start: Array, step: float, widest: float, narrowest: float, noise: Array, unit: float
) -> Derivative:
    """Differentiate f along a line, at t = 0.

    Parameters
    ----------
    line : callable (t) -> (t, ndarray of shape (k,)) or None
        See :data:`Line`.
    start : ndarray of shape (k,)
        The values at t = 0.
    step, widest, narrowest : float
        The first step, the largest one, to which the ladder is extended if noise blurs the first, and the smallest.
    noise : ndarray of shape (k,)
        The noise of the values.
    unit : float
        u of the dtype of the values.
    """
    ladder = _Ladder(line, start)
    h = step
    for _ in range(MOST):
        if h < narrowest:
            break
        inside = ladder.rung(h)
        h /= RATIO
        if inside and len(ladder) == 1:
            _extend_upwards(ladder, step, widest, noise)
        if len(ladder) <= VALUES:
            continue
        found = _judge(ladder, noise, unit)
        change = ladder.change[-1]
        silent = change <= FLOOR * noise
        sharp = found.bound <= SHARP * found.quotient
        if np.all(silent | (sharp & (len(ladder) >= RUNGS))):
            break
    if len(ladder) <= VALUES:
        return _nothing(start)
    steps = _steps(ladder, noise)
    return replace(_judge(ladder, np.maximum(noise, steps), unit), stepped=steps)


def _extend_upwards(ladder: _Ladder, step: float, widest: float, noise: Array) -> None:
    """Add rungs above the first, while the change of f does not stand out from the noise by eight digits."""
    h = step * RATIO
    while h <= widest and np.any(ladder.change[0] < 1e8 * noise) and ladder.rung(h, first=True):
        h *= RATIO


def _steps(ladder: _Ladder, noise: Array) -> Array:
    """Return the size of a step of f where it is constant near x and changes in steps further off, else 0."""
    change = ladder.change
    size = np.zeros(noise.shape)
    for i in np.flatnonzero((change[-1] == 0) & (change.max(axis=0) > 0)):
        j = int(np.flatnonzero(change[:, i])[-1])
        # What rounding to the last place of f explains is no step.
        if change[j, i] <= 1024 * noise[i]:
            continue
        for side, difference in ((ladder.forward[j], ladder.right[j]), (-ladder.backward[j], ladder.left[j])):
            near = ladder.line(side * (1 - 2.0**-6)) if difference[i] else None
            # A smooth function that has changed within h still changes near x ± h.
            if near is not None and near[1][i] - ladder.start[i] == difference[i]:
                size[i] = change[j, i]
    return size


def _nothing(start: Array) -> Derivative:
    """Return the result if no rungs agree."""
    nan, zero = np.full(start.shape, np.nan), np.zeros(start.shape)
    return Derivative(nan, np.full(start.shape, np.inf), nan, zero, zero, zero > 0, zero)


def _judge(ladder: _Ladder, noise: Array, unit: float) -> Derivative:
    """Return the derivative with the smallest bound of all rungs that count."""
    forward, backward = np.array(ladder.forward)[:, None], np.array(ladder.backward)[:, None]
    right, left, change = np.array(ladder.right), np.array(ladder.left), ladder.change
    scatter = np.maximum(noise, unit * (np.abs(ladder.start) + change))
    # The parabola through three points; with equal steps, the central quotient.
    quotients = (right * backward / forward - left * forward / backward) / (forward + backward)
    onesided = np.maximum(np.abs(right) / forward, np.abs(left) / backward)
    bend = np.abs(right / forward + left / backward) / 2
    h = np.minimum(forward, backward)
    values = (RATIO**2 * quotients[1:] - quotients[:-1]) / (RATIO**2 - 1)
    falls = (change[1:] <= change[:-1] / FALL) | (change[1:] <= FLOOR * scatter[1:])
    # From each rung on, down to the last.
    counts = np.flip(np.logical_and.accumulate(np.flip(falls, axis=0), axis=0), axis=0)
    best = _nothing(ladder.start)
    for k in range(len(values) - VALUES + 1):
        last = k + VALUES
        window, value = values[k:last], values[k + 1]
        roundoff = np.max(scatter[k : last + 1] / h[k : last + 1], axis=0)
        bound = 2 * (window.max(axis=0) - window.min(axis=0)) + 3 * roundoff
        # The bend of a smooth f is divided by 4 on each rung.
        kink = (bend[last] > bend[k] / RATIO) & (bend[last] > 3 * roundoff)
        bound = bound + np.where(kink, bend[last], 0)
        below = np.abs(values[last:] - value) <= bound + 12 * scatter[last + 1 :] / h[last + 1 :]
        better = counts[k] & below.all(axis=0) & (bound < best.bound)
        here = Derivative(
            value,
            bound,
            np.broadcast_to(h[k + 2], value.shape),
            onesided[k : last + 1].max(axis=0),
            2 * bend[k] / h[k],
            kink,
            best.stepped,
        )
        best = Derivative(*(np.where(better, new, old) for new, old in zip(astuple(here), astuple(best), strict=True)))
    return best
