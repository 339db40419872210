"""The activations and costs that have a compiled form, and their numbers in compiled code."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.functions import (
    Activation,
    BinaryCrossEntropy,
    LeakyReLU,
    LogLikelihood,
    Quadratic,
    clamp,
    is_built_in,
)
from formulations.network import Tape

__all__ = [
    "COMPILED",
    "CROSS_ENTROPY",
    "OUTPUTS",
    "QUADRATIC",
    "SIGMOID_LIKELIHOOD",
    "SOFTMAX_LIKELIHOOD",
    "number_of",
    "output_of",
    "parameter_of",
]

COMPILED = ("sigmoid", "tanh", "relu", "leaky_relu", "identity", "square", "softmax")
"""Compiled code identifies each by its position."""

QUADRATIC, CROSS_ENTROPY, SOFTMAX_LIKELIHOOD, SIGMOID_LIKELIHOOD = range(4)

OUTPUTS: dict[tuple[type, str | None], int] = {
    (Quadratic, None): QUADRATIC,
    (BinaryCrossEntropy, "sigmoid"): CROSS_ENTROPY,
    (LogLikelihood, "softmax"): SOFTMAX_LIKELIHOOD,
    (LogLikelihood, "sigmoid"): SIGMOID_LIKELIHOOD,
}
"""The costs whose value and δ^L are compiled, with the output activation if they are combined with it, and the number
that identifies each in compiled code."""


def number_of(activation: Activation) -> int | None:
    """Return the number of an activation in compiled code; None if it has no compiled form."""
    if not is_built_in(activation):
        return None
    name = "leaky_relu" if isinstance(activation, LeakyReLU) else activation.name
    return COMPILED.index(name) if name in COMPILED else None


def parameter_of(activation: Activation, dtype: np.dtype[Any]) -> float:
    """Return the parameter of the compiled form: ν, or the clamp of the exponential."""
    return activation.negative_slope if isinstance(activation, LeakyReLU) else clamp(dtype)


def output_of(tape: Tape) -> int | None:
    """Return the number of the cost and the output activation in compiled code; None if they have no compiled form."""
    combined_with = None if tape.combined is None else tape.network.activations[-1].name
    return OUTPUTS.get((type(tape.cost), combined_with))
