"""Which activations have a compiled form, and how compiled code knows them; needs no compiler."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.functions import Activation, LeakyReLU, clamp, is_built_in

__all__ = ["COMPILED", "number_of", "parameter_of"]

COMPILED = ("sigmoid", "tanh", "relu", "leaky_relu", "identity", "square")
"""Each is known to compiled code by its place."""


def number_of(activation: Activation) -> int | None:
    """Return what compiled code knows an activation by; None if it has no compiled form."""
    if not is_built_in(activation):
        return None
    name = "leaky_relu" if isinstance(activation, LeakyReLU) else activation.name
    return COMPILED.index(name) if name in COMPILED else None


def parameter_of(activation: Activation, dtype: np.dtype[Any]) -> float:
    """Return the number that the compiled form takes: ν, or where the exponential is clamped."""
    return activation.negative_slope if isinstance(activation, LeakyReLU) else clamp(dtype)
