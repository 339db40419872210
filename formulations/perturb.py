"""Perturbation: difference schemes and the choice of a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.exceptions import InvalidInput
from formulations.parameters import Array

__all__ = ["SCHEMES", "Scheme", "steps"]


@dataclass(frozen=True)
class Scheme:
    """A difference quotient.

    Attributes
    ----------
    order : int
        The truncation error is of this order in the step h.
    evaluations : int
        Costs evaluated for each parameter.
    """

    order: int
    evaluations: int

    def relative_step(self, dtype: np.dtype[Any]) -> float:
        """Balance truncation, h^order, against roundoff, eps/h: h = eps^(1/(order + 1))."""
        return float(np.finfo(dtype).eps ** (1 / (self.order + 1)))


SCHEMES = {"forward": Scheme(order=1, evaluations=1), "central": Scheme(order=2, evaluations=2)}


def steps(theta: Array, scheme: Scheme, relative: float | None = None) -> Array:
    """Return a step for each parameter, such that θ + h − θ is h exactly, shape (P + N,).

    Parameters
    ----------
    theta : ndarray of shape (P + N,)
        The parameters.
    scheme : Scheme
        The difference scheme, whose rule is used where no step is given.
    relative : float, optional
        The step in units of max(1, |θ|).

    Raises
    ------
    InvalidInput
        Where a step is so small that it perturbs nothing.
    """
    size = scheme.relative_step(theta.dtype) if relative is None else relative
    wanted = theta.dtype.type(size) * np.maximum(theta.dtype.type(1), np.abs(theta))
    exact: Array = (theta + wanted) - theta
    if not exact.all():
        raise InvalidInput(f"step {size:g} is lost in the rounding of {theta.dtype} parameters; take a larger one.")
    return exact
