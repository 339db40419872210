"""The built-in activations by name."""

from __future__ import annotations

import re

from formulations.exceptions import UnknownName, WrongType
from formulations.functions.activations.base import Activation
from formulations.functions.activations.coupled import Softmax
from formulations.functions.activations.logistic import Sigmoid, SiLU, Softplus, Tanh
from formulations.functions.activations.piecewise import ELU, LeakyReLU, ReLU
from formulations.functions.activations.smooth import GELU, Identity, Sine, Square

__all__ = ["ACTIVATIONS", "get_activation", "is_built_in"]

_BUILT_IN: tuple[Activation, ...] = (
    Sigmoid(),
    Tanh(),
    ReLU(),
    LeakyReLU(),
    ELU(),
    Softplus(),
    SiLU(),
    GELU(),
    Identity(),
    Square(),
    Sine(),
    Softmax(),
)

ACTIVATIONS: dict[str, Activation] = {built_in.name: built_in for built_in in _BUILT_IN}
"""Name → built-in activation."""

ELSEWHERE: dict[str, list[str]] = {
    "expit": ["sigmoid"],
    "hyperbolictangent": ["tanh"],
    "linear": ["identity"],
    "logistic": ["sigmoid"],
    "lrelu": ["leaky_relu"],
    "rectifier": ["relu"],
    "swish": ["silu"],
}
"""Names in other libraries (only lower-case letters and digits) → names here."""

_TYPES = frozenset(map(type, _BUILT_IN))


def is_built_in(activation: Activation) -> bool:
    """Return whether the activation is built in, with any parameters.

    Its class decides, not its name. For a layer with one function per neuron, pass each of its ``functions``.

    Examples
    --------
    >>> from formulations.functions.activations.custom import activation
    >>> import numpy as np
    >>> is_built_in(LeakyReLU(0.3)), is_built_in(activation(np.sin, np.cos, name="sine"))
    (True, False)
    """
    return type(activation) in _TYPES


def get_activation(name_or_object: str | Activation) -> Activation:
    """Return the activation of that name; an activation is returned as it is.

    Parameters
    ----------
    name_or_object : str or Activation
        A name in ``ACTIVATIONS``, the ``name`` of a leaky rectifier with another ν, or an activation.

    Returns
    -------
    Activation

    Raises
    ------
    UnknownName
        If there is no activation of this name.
    WrongType
        If it is neither a name nor an activation.
    InvalidInput
        If that ν is not in [0, 1).

    Examples
    --------
    >>> get_activation("relu"), get_activation("leaky_relu(negative_slope=0.25)")
    (ReLU(), LeakyReLU(negative_slope=0.25))
    """
    if isinstance(name_or_object, Activation):
        return name_or_object
    if not isinstance(name_or_object, str):
        raise WrongType(
            f"activation must be a name or an activation, got {type(name_or_object).__name__}; "
            "make one from your own functions with activation(f, slope)."
        )
    if name_or_object in ACTIVATIONS:
        return ACTIVATIONS[name_or_object]
    if with_slope := re.fullmatch(r"leaky_relu\(negative_slope=(\d*\.?\d+(?:e[+-]?\d+)?)\)", name_or_object):
        return LeakyReLU(float(with_slope[1]))
    raise UnknownName("activation", name_or_object, ACTIVATIONS, elsewhere=ELSEWHERE)
