"""Which activations have a compiled form, and how compiled code knows them; needs no compiler."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.activations import ACTIVATIONS, Activation
from formulations.activations.logistic import clamp
from formulations.activations.piecewise import LeakyReLU

__all__ = ["COMPILED", "number_of", "parameter_of"]

COMPILED = ("sigmoid", "tanh", "relu", "leaky_relu", "identity", "square")
"""Each is known to compiled code by its place."""


def number_of(activation: Activation) -> int | None:
    """Return what compiled code knows an activation by; None where it has no compiled form."""
    # By what it is, not by its name or kin alone: what users write may be called the same, and evaluate otherwise.
    if type(activation) is LeakyReLU:
        return COMPILED.index("leaky_relu")
    known = activation.name in COMPILED and activation == ACTIVATIONS[activation.name]
    return COMPILED.index(activation.name) if known else None


def parameter_of(activation: Activation, dtype: np.dtype[Any]) -> float:
    """Return the number that the compiled form takes: ν, or where the exponential is clamped."""
    return activation.negative_slope if isinstance(activation, LeakyReLU) else clamp(dtype)
