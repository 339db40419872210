"""Approximations that frameworks use instead of an activation, as activations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from formulations.arrays import Array
from formulations.functions import GELU, Activation, PerNeuron
from formulations.network import Network

__all__ = ["with_gelu_by_tanh"]


@dataclass(frozen=True)
class _GELUByTanh(Activation):
    """½z(1 + tanh √(2/π)(z + 0.044715z³))."""

    name = "gelu_by_tanh"

    def evaluate(self, z: Array, value: Array, slope: Array | None = None) -> None:
        """Write the approximation and its slope."""
        factor, cubic = np.sqrt(2 / np.pi), 0.044715
        t = np.tanh(factor * (z + cubic * z**3))
        value[...] = z / 2 * (1 + t)
        if slope is not None:
            slope[...] = (1 + t) / 2 + z / 2 * (1 - t) * (1 + t) * factor * (1 + 3 * cubic * z**2)


def with_gelu_by_tanh(network: Network) -> Network | None:
    """Return a copy of the network with gelu approximated by tanh, or None if it has no gelu."""
    activations = [_approximated(activation) for activation in network.activations]
    if activations == list(network.activations):
        return None
    return Network(network.weights, network.biases, activations)


def _approximated(function: Activation) -> Activation:
    if isinstance(function, PerNeuron):
        return PerNeuron(map(_approximated, function.members))
    return _GELUByTanh() if type(function) is GELU else function
