"""The activations that have a compiled form, and their numbers in compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.functions import Activation, LeakyReLU, clamp, is_built_in

__all__ = ["COMPILED", "number_of", "parameter_of"]

COMPILED = ("sigmoid", "tanh", "relu", "leaky_relu", "identity", "square")
"""Compiled code identifies each by its position."""


def number_of(activation: Activation) -> int | None:
    """Return the number of an activation in compiled code; None if it has no compiled form."""
    if not is_built_in(activation):
        return None
    name = "leaky_relu" if isinstance(activation, LeakyReLU) else activation.name
    return COMPILED.index(name) if name in COMPILED else None


def parameter_of(activation: Activation, dtype: np.dtype[Any]) -> float:
    """Return the parameter of the compiled form: ν, or the clamp of the exponential."""
    return activation.negative_slope if isinstance(activation, LeakyReLU) else clamp(dtype)
