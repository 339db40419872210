r"""A derivative and its bound from a ladder of steps.

On the rungs h, h/4, h/16, … stand the central quotients D(h), and between two of them the value of Richardson's
extrapolation, whose error is of fourth order in h:

.. math:: R(h) = \frac{16 D(h/4) - D(h)}{15}

Four successive values whose largest difference is d give the bound 2d + 3 max(ε_f, u|f|)/h; the smallest bound wins.
While truncation dominates, the first difference is almost the error of the first value; while noise dominates,
the differences show it. Both are small together only where the values have converged, or where the quotients alias: a
function that oscillates within the steps looks constant. So a rung counts only if |f(x ± h) - f(x)| falls from there
on, rung by rung, down to the noise, and what the values below it differ by, beyond noise, widens the bound. So does
what the one-sided quotients differ by when they are extrapolated to h = 0, since kinks nearer than the steps leave the
central ones at a wrong value that looks converged.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from formulations.arrays import Array
from formulations.verification.tolerances import RESOLUTION

__all__ = ["FIRST", "FLOOR", "WIDENING", "Derivative", "Line", "differentiate_along"]

FIRST = 1 / 8
"""The first step, as a part of the scale; with :data:`scales.PART`, 0.08 |x_i|."""
WIDENING = 16.0
"""The largest step, in units of the scale, to which a ladder is extended upwards where noise blurs the first."""
RATIO = 4.0
VALUES = 4
"""The successive Richardson values that must agree."""
RUNGS = 8
"""The rungs of an ordinary ladder: 16 evaluations."""
MOST = 26
"""The rungs after which a ladder ends in any case; the last steps are near the distance between numbers."""
FALL = 0.5
"""|f(x ± h) - f(x)| must fall as this power of h at least; where f is differentiable, it falls as h or faster."""
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

    @property
    def blurred(self) -> Array:
        """Where the bound is too wide beside the quotients."""
        blurred: Array = ~(self.bound <= RESOLUTION * self.quotient)
        return blurred

    def agrees(self, other: Derivative) -> Array:
        """Return where two derivatives with finite bounds are compatible."""
        both = self.bound + other.bound
        agrees: Array = np.isfinite(both) & (np.abs(self.value - other.value) <= both)
        return agrees

    def or_sharper(self, other: Derivative) -> Derivative:
        """Return for each value this derivative, or another one if its bound is smaller."""
        sharper = other.bound < self.bound
        return Derivative(**{name: np.where(sharper, part, getattr(self, name)) for name, part in vars(other).items()})


@dataclass
class _Ladder:
    """The differences of f on the rungs, largest step first."""

    line: Line
    start: Array
    ratio: float = RATIO
    forward: list[float] = field(default_factory=list)
    backward: list[float] = field(default_factory=list)
    right: list[Array] = field(default_factory=list)
    left: list[Array] = field(default_factory=list)

    def rung(self, h: float, at: int | None = None) -> bool:
        """Evaluate f at x ± h; return whether both points are inside its domain."""
        after, before = self.line(h), self.line(-h)
        if after is None or before is None:
            return False
        (forward, right), (backward, left) = after, before
        at = len(self) if at is None else at
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

    def finer(self, first: int) -> _Ladder | None:
        """Return a ladder with a rung between each two of a window; None if one is outside the domain."""
        finer = _Ladder(self.line, self.start, math.sqrt(self.ratio))
        for name in ("forward", "backward", "right", "left"):
            getattr(finer, name).extend(getattr(self, name)[first : first + VALUES + 1])
        inside = [finer.rung(self.forward[first + k] / finer.ratio, at=2 * k + 1) for k in range(VALUES)]
        return finer if all(inside) else None

    def quotients(self, noise: Array, unit: float) -> _Quotients:
        """Return what the differences say about the derivative, for a noise of shape (k,)."""
        forward, backward = np.array(self.forward)[:, None], np.array(self.backward)[:, None]
        right, left, change, ratio = np.array(self.right), np.array(self.left), self.change, self.ratio
        scatter = np.maximum(noise, unit * (np.abs(self.start) + change))
        # The parabola through three points; with equal steps, the central quotient.
        central = (right * (backward / forward) - left * (forward / backward)) / (forward + backward)
        bend = (right / forward + left / backward) / 2
        falls = (change[1:] <= change[:-1] / ratio**FALL) | (change[1:] <= FLOOR * scatter[1:])
        return _Quotients(
            ratio=ratio,
            step=np.minimum(forward, backward),
            extrapolated=(ratio**2 * central[1:] - central[:-1]) / (ratio**2 - 1),
            onesided=np.maximum(np.abs(right) / forward, np.abs(left) / backward),
            bend=bend,
            corner=np.abs(ratio * bend[1:] - bend[:-1]) / (ratio - 1),
            roundoff=scatter / np.minimum(forward, backward),
            # From each rung on, down to the last.
            falling=np.flip(np.logical_and.accumulate(np.flip(falls, axis=0), axis=0), axis=0),
        )


@dataclass(frozen=True)
class _Quotients:
    """The quotients on each rung of a ladder, shape (rungs, k).

    Attributes
    ----------
    ratio : float
        How many times larger each step is than the next.
    step : ndarray of shape (rungs, 1)
        The steps.
    extrapolated : ndarray of shape (rungs - 1, k)
        Richardson's values; each one belongs to a rung and the next.
    onesided : ndarray
        The larger one-sided quotient, in absolute value.
    bend : ndarray
        Half the difference of the one-sided quotients, hf″/2 where f is smooth.
    corner : ndarray of shape (rungs - 1, k)
        What the bends of a rung and the next leave for h = 0: nothing where f is smooth, half the jump of f′ where it
        has a kink, also at a distance below both steps.
    roundoff : ndarray
        max(ε_f, u|f|)/h.
    falling : ndarray of bool, shape (rungs - 1, k)
        Whether the change of f falls from the rung on, down to the noise.
    """

    ratio: float
    step: Array
    extrapolated: Array
    onesided: Array
    bend: Array
    corner: Array
    roundoff: Array
    falling: Array

    def apart(self, value: Array, step: Array, bound: Array) -> Array:
        """Return how much the values below a step differ from one above, less the noise where it exceeds the bound."""
        noise = 3 * self.roundoff[1:]
        apart = np.abs(self.extrapolated - value) - np.where(noise <= bound, 0, noise)
        largest: Array = np.max(np.where(self.step[:-1] <= step, apart, 0), axis=0, initial=0)
        return largest

    def derivative(self, below: _Quotients) -> Derivative:
        """Return the derivative with the smallest bound of all windows whose rungs count.

        Parameters
        ----------
        below : _Quotients
            Those of the whole ladder, with which the values must agree.
        """
        best = _nothing(self.bend[0])
        for k in range(len(self.extrapolated) - VALUES + 1):
            last = k + VALUES
            window, value = self.extrapolated[k:last], self.extrapolated[k + 1]
            roundoff = self.roundoff[k : last + 1].max(axis=0)
            bound = 2 * (window.max(axis=0) - window.min(axis=0)) + 3 * roundoff
            # By chance, the kinks at two distances may leave nothing on one rung.
            corner = np.maximum(self.corner[last - 2 : last].max(axis=0) - 3 * roundoff, 0)
            kink = corner > np.maximum(bound, RESOLUTION * self.onesided[last])
            bound = bound + corner
            bound = np.maximum(bound, 2 * below.apart(value, self.step[last], bound))
            # Values that approach their limit approach it faster and faster, down to the noise.
            changes = np.abs(np.diff(window, axis=0))
            settled = changes[-1] <= np.maximum(changes[:-1].max(axis=0) / 4, 3 * roundoff)
            here = Derivative(
                value=value,
                bound=np.where(self.falling[k] & settled, bound, np.inf),
                step=np.broadcast_to(self.step[k + 2], value.shape),
                quotient=self.onesided[k : last + 1].max(axis=0),
                curvature=2 * np.abs(self.bend[k]) / self.step[k],
                kink=kink,
                stepped=best.stepped,
            )
            best = best.or_sharper(here)
        return best


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
    while h >= narrowest and len(ladder) < MOST:
        if not ladder.rung(h):
            # The rungs above are on the other side of a gap in the domain.
            ladder = _Ladder(line, start)
        elif h == step:
            _extend_upwards(ladder, step, widest, noise)
        h /= RATIO
        if len(ladder) > VALUES and _ends(ladder, noise, unit):
            break
    if len(ladder) <= VALUES:
        return _nothing(start)
    steps = _steps(ladder, unit)
    noise = np.maximum(noise, steps)
    quotients = ladder.quotients(noise, unit)
    found = quotients.derivative(quotients)
    blurred = found.blurred & ~found.kink & np.isfinite(found.bound)
    if blurred.any():
        # Rungs at half the distance have a larger smallest step, in which noise tells most. The largest step of a
        # window is two rungs above that of its value; one more may gain another digit.
        above = int(np.count_nonzero(quotients.step[:, 0] > found.step[blurred].max()))
        finer = ladder.finer(max(above - 3, 0))
        if finer is not None:
            found = found.or_sharper(finer.quotients(noise, unit).derivative(quotients))
    return replace(found, stepped=steps)


def _extend_upwards(ladder: _Ladder, step: float, widest: float, noise: Array) -> None:
    """Add rungs above the first, while the change of f does not stand out from the noise by eight digits."""
    h = step * RATIO
    while h <= widest and np.any(ladder.change[0] < 1e8 * noise) and ladder.rung(h, at=0):
        h *= RATIO


def _ends(ladder: _Ladder, noise: Array, unit: float) -> bool:
    """Return whether smaller steps would add nothing: all values are sharp, or lost in noise."""
    silent = ladder.change[-VALUES - 1 :] <= FLOOR * noise
    if len(ladder) < RUNGS and not silent[-1].all():
        return False
    quotients = ladder.quotients(noise, unit)
    found = quotients.derivative(quotients)
    sharp = (found.bound <= SHARP * found.quotient) & (len(ladder) >= RUNGS)
    settled = silent[-1] & (found.bound <= RESOLUTION * found.quotient)
    return bool(np.all(sharp | settled | silent.all(axis=0)))


def _steps(ladder: _Ladder, unit: float) -> Array:
    """Return the size of a step of f where it is constant near x and changes in steps further off, else 0."""
    change = ladder.change
    size = np.zeros(ladder.start.shape)
    for i in np.flatnonzero((change[-1] == 0) & (change.max(axis=0) > 0)):
        j = int(np.flatnonzero(change[:, i])[-1])
        # What rounding to the last place of f explains is no step.
        if change[j, i] <= 64 * unit * (abs(ladder.start[i]) + change[j, i]):
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
