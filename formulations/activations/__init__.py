"""Activation functions: value, slope and curvature of each in one object.

Examples
--------
>>> from formulations.activations import get_activation
>>> get_activation("sigmoid").slope([0.0])
array([0.25])
"""

from __future__ import annotations

from formulations.activations.base import Activation
from formulations.activations.coupled import CoupledActivation, CoupledSlope, Softmax, through
from formulations.activations.custom import activation
from formulations.activations.custom_coupled import coupled_activation
from formulations.activations.logistic import Sigmoid, SiLU, Softplus, Tanh
from formulations.activations.per_neuron import PerNeuron
from formulations.activations.piecewise import ELU, LeakyReLU, ReLU
from formulations.activations.smooth import GELU, Identity, Sine, Square
from formulations.activations.table import ACTIVATIONS, get_activation, is_built_in

__all__ = [
    "ACTIVATIONS",
    "ELU",
    "GELU",
    "Activation",
    "CoupledActivation",
    "CoupledSlope",
    "Identity",
    "LeakyReLU",
    "PerNeuron",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Sine",
    "Softmax",
    "Softplus",
    "Square",
    "Tanh",
    "activation",
    "coupled_activation",
    "get_activation",
    "is_built_in",
    "through",
]
