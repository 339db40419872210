r"""The derivative of a function that takes complex numbers, from its values on a circle around x.

On the circle x + ρe^{iθ} an analytic function has the Fourier coefficients

.. math:: c_m = \frac{f^{(m)}(x)}{m!} \rho^m \quad (m \ge 0), \qquad c_m = 0 \quad (m < 0)

so c_1/ρ is its derivative, without any difference of nearby values. Code that takes complex numbers need not be
analytic: it may take an absolute value, a real part or a conjugate on the way. Then coefficients of negative
order appear, with the size of the damage. The derivative counts only if they, and c_0 - f(x), are lost in the roundoff
of f; and their size enters the bound. One circle proves nothing: around 0, z|z| is ρz on it. So :func:`believed` asks
for two of different radii, and for the ladder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from formulations.arrays import Array
from formulations.verification.certification.functions.ladder import FLOOR, Derivative

__all__ = ["believed", "differentiate_on_circle"]

POINTS = 16


def differentiate_on_circle(
    values: Callable[[complex], Array | None], start: Array, radius: float, noise: Array, unit: float
) -> Derivative | None:
    """Differentiate f along a line, by its values at complex distances.

    Parameters
    ----------
    values : callable (t) -> complex ndarray of shape (k,) or None
        The values at a complex distance t from x; None if f does not return complex numbers.
    start : ndarray of shape (k,)
        The values at t = 0.
    radius : float
        ρ.
    noise : ndarray of shape (k,)
        The noise of the values.
    unit : float
        u of the dtype of the values.

    Returns
    -------
    Derivative or None
        None if f does not take complex numbers; the bound is infinite for values that are not analytic.
    """
    found = []
    for angle in 2 * np.pi * np.arange(POINTS) / POINTS:
        value = values(radius * np.exp(1j * angle))
        if value is None:
            return None
        found.append(value)
    table = np.array(found)
    coefficients = np.fft.fft(table, axis=0) / POINTS
    first = coefficients[1]
    scatter = np.maximum(noise, unit * np.abs(table).max(axis=0))
    # Orders -1 to -8, into which those above 7 are folded; and what must vanish for a real function.
    negative = np.abs(coefficients[POINTS // 2 :]).max(axis=0)
    negative = np.max([negative, np.abs(coefficients[0] - start), np.abs(first.imag)], axis=0)
    analytic = negative <= FLOOR * scatter
    zero = np.zeros(start.shape)
    return Derivative(
        value=first.real / radius,
        bound=np.where(analytic, (2 * negative + 3 * scatter) / radius, np.inf),
        step=zero + radius,
        quotient=np.abs(table - start).max(axis=0) / radius,
        curvature=2 * np.abs(coefficients[2]) / radius / radius,
        kink=zero > 0,
        stepped=zero,
    )


def believed(larger: Derivative, smaller: Derivative, ladder: Derivative) -> Derivative:
    """Return the sharper of two circles, with an infinite bound where they or the ladder disagree."""
    agree = larger.agrees(smaller) & larger.agrees(ladder) & smaller.agrees(ladder)
    sharper = larger.or_sharper(smaller)
    return replace(sharper, bound=np.where(agree, sharper.bound, np.inf))
