r"""Steps of gradient descent, each compiled into one pass over the parameters.

The formulas are those of the optimizers in :mod:`formulations.training`, and so are the results but for rounding, since
a product may be contracted with a sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.backends._shared.compiled.compiler import compiled

__all__ = ["adam", "momentum"]


@compiled
def adam(parameters: Array, gradient: Array, mean: Array, square: Array, settings: Array, rate: Any) -> None:
    """Take one step of Adam; ``settings`` are β₁, 1 − β₁, β₂, 1 − β₂ and ε, and ``rate`` includes the correction."""
    beta_1, rest_1, beta_2, rest_2, epsilon = settings[0], settings[1], settings[2], settings[3], settings[4]
    for i in range(parameters.size):
        g = gradient[i]
        m = beta_1 * mean[i] + rest_1 * g
        v = beta_2 * square[i] + rest_2 * (g * g)
        mean[i] = m
        square[i] = v
        parameters[i] -= rate * (m / (np.sqrt(v) + epsilon))


@compiled
def momentum(parameters: Array, gradient: Array, velocity: Array, factor: Any, rate: Any, nesterov: bool) -> None:
    """Take one step of gradient descent with momentum μ, ``factor``, in Nesterov's form or the plain one."""
    for i in range(parameters.size):
        change = rate * gradient[i]
        v = factor * velocity[i] - change
        velocity[i] = v
        parameters[i] += factor * v - change if nesterov else v
