r"""Difference schemes and the choice of their step.

A quotient of order p over a step h is off by a truncation of c·h^p, c made of the (p+1)-th derivative, and by a
roundoff of r·ε_C/h, ε_C that of one cost. Their sum is least at

.. math::

    h = \left( \frac{r \, \varepsilon_C}{p \, c} \right)^{1/(p+1)}.

Neither c nor ε_C is known beforehand. The rule replaces ε_C/c by eps and omits the other constants, whose (p+1)-th
root is near 1: h = eps^(1/(p+1)), in units of max(1, |θ|), since activations bend over lengths of 1. With it a
quotient keeps the fraction p/(p+1) of the digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import InvalidInput

__all__ = ["SCHEMES", "Difference", "Extrapolation", "Quotient", "Scheme", "derivative_along", "step_sizes"]


@dataclass(frozen=True)
class Scheme:
    """A difference quotient.

    Attributes
    ----------
    order : int
        The order of the truncation error in the step h.
    evaluations : int
        Evaluations of the cost for each parameter.
    roundoff : float
        The largest total rounding error of a quotient, in units of ε_C/h.
    reach : int
        The largest distance from the parameter, in steps, at which the cost is evaluated.
    """

    order: int
    evaluations: int
    roundoff: float
    reach: int = 1

    def relative_step(self, dtype: np.dtype[Any]) -> float:
        """Balance truncation, h^order, against roundoff, eps/h: h = eps^(1/(order + 1))."""
        return float(np.finfo(dtype).eps ** (1 / (self.order + 1)))


class Quotient(NamedTuple):
    """A difference quotient.

    Attributes
    ----------
    ahead, behind : float or ndarray of shape (m,)
        The costs at both ends of the step.
    width : float or ndarray of shape (m,)
        The distance between the ends.
    """

    ahead: Any
    behind: Any
    width: Any

    @property
    def value(self) -> Any:
        """The difference of the costs over the width."""
        return (self.ahead - self.behind) / self.width


class Extrapolation(NamedTuple):
    """Richardson's extrapolation of two central quotients, (4·D_h − D_2h)/3.

    Attributes
    ----------
    near, far : Quotient
        D_h and D_2h.
    """

    near: Quotient
    far: Quotient

    @property
    def value(self) -> Any:
        """The extrapolated quotient."""
        return (4 * self.near.value - self.far.value) / 3


@dataclass(frozen=True)
class Difference:
    """The difference quotient of a backend, as needed to judge it.

    Attributes
    ----------
    scheme : Scheme
        Its order and evaluations.
    relative_step : float or None
        The step in units of max(1, |θ|); None for that of the scheme.
    with_step : callable (float) -> Backend
        The same backend with another relative step.
    quotients : callable (network, tape[, l]) -> iterator of Quotient or Extrapolation, optional
        The quotients that the backend computes, of the parameters or of the weighted inputs of layer l.
    """

    scheme: Scheme
    relative_step: float | None
    with_step: Callable[[float], Any]
    quotients: Callable[..., Iterator[Quotient | Extrapolation]] | None = None


SCHEMES = {
    "forward": Scheme(order=1, evaluations=1, roundoff=2),
    "central": Scheme(order=2, evaluations=2, roundoff=1),
    # (4·D_h − D_2h)/3, of which D_2h has half the roundoff of D_h.
    "richardson": Scheme(order=4, evaluations=4, roundoff=1.5, reach=2),
}


def step_sizes(theta: Array, scheme: Scheme, relative: float | None = None) -> Array:
    """Return a step for each parameter, such that θ + h − θ is h exactly, shape (P + N,).

    Parameters
    ----------
    theta : ndarray of shape (P + N,)
        The parameters.
    scheme : Scheme
        The difference scheme, whose rule gives the default step.
    relative : float, optional
        The step in units of max(1, |θ|).

    Raises
    ------
    InvalidInput
        If a step is lost in rounding.
    """
    size = scheme.relative_step(theta.dtype) if relative is None else relative
    wanted = theta.dtype.type(size) * np.maximum(theta.dtype.type(1), np.abs(theta))
    exact: Array = (theta + wanted) - theta
    if not exact.all():
        raise InvalidInput(f"step {size:g} is lost in the rounding of {theta.dtype} parameters; take a larger one.")
    return exact


def derivative_along(
    f: Callable[[Array], Array], at: Array, v: Array, scheme: str, relative: float | None = None
) -> Array:
    """Return the difference quotient of f at a point, or at each of several, along a direction.

    The step is the longest that moves no component θ by more than the rule's step for it, h·max(1, |θ|); along a unit
    vector it is that step.

    Parameters
    ----------
    f : callable (points) -> ndarray
        The function, of an array with the shape of ``at``. With several points it returns a row for each.
    at, v : ndarray of shape (n,) or (rows, n)
        The points, and the directions.
    scheme : str
        One of :data:`SCHEMES`.
    relative : float, optional
        h; by default by the scheme's rule.

    Raises
    ------
    InvalidInput
        If a step is lost in rounding.
    """
    rule = SCHEMES[scheme]
    size = at.dtype.type(rule.relative_step(at.dtype) if relative is None else relative)
    # A power of two brings the longest component near 1, so that no step is out of range.
    exponent = np.frexp(np.abs(v).max(axis=-1, keepdims=True))[1]
    unit = np.ldexp(v, -exponent)
    moved = np.abs(unit) / np.maximum(at.dtype.type(1), np.abs(at))
    j = moved.argmax(axis=-1, keepdims=True)
    moves = np.take_along_axis(unit, j, axis=-1) != 0
    step = size / np.where(moves, np.take_along_axis(moved, j, axis=-1), 1) * unit

    def quotient(ahead: Array, behind: Array) -> Quotient:
        # The distance between the ends, as rounded, in the component that moves most.
        width = np.take_along_axis(ahead - behind, j, axis=-1)
        if (moves & (width == 0)).any():
            raise InvalidInput(f"step {size:g} is lost in the rounding of {at.dtype} numbers; take a larger one.")
        scale = np.divide(width, np.take_along_axis(unit, j, axis=-1), out=np.ones_like(width), where=moves)
        return Quotient(f(ahead), f(behind), scale)

    found: Quotient | Extrapolation
    if scheme == "forward":
        found = quotient(at + step, at)
    elif scheme == "central":
        found = quotient(at + step, at - step)
    else:
        found = Extrapolation(quotient(at + step, at - step), quotient(at + 2 * step, at - 2 * step))
    derivative: Array = np.ldexp(found.value, exponent)
    return derivative
