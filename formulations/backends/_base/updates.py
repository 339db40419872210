"""Compiled steps of the optimizers, which a backend may provide."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

__all__ = ["CompiledUpdates"]


class CompiledUpdates(NamedTuple):
    """Steps over flat vectors, in place. They differ by rounding only from those that NumPy takes.

    Attributes
    ----------
    adam : callable (parameters, gradient, mean, square, settings, rate)
        A step of Adam. ``settings`` is an array of β₁, 1 − β₁, β₂, 1 − β₂ and ε; ``rate`` includes the correction of
        the means, and is a scalar of the parameters' dtype.
    momentum : callable (parameters, gradient, velocity, momentum, rate, nesterov)
        A step of gradient descent with momentum, in Nesterov's form or the plain one.
    """

    adam: Callable[..., None]
    momentum: Callable[..., None]
