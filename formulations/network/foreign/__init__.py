"""Networks of other libraries: PyTorch's modules with their losses, and scikit-learn's perceptrons."""

from __future__ import annotations

from formulations.network.foreign.losses import from_torch
from formulations.network.foreign.modules import module_of, network_of
from formulations.network.foreign.perceptrons import network_of_perceptron
from formulations.network.foreign.tracing import layers_in_order

__all__ = ["from_torch", "layers_in_order", "module_of", "network_of", "network_of_perceptron"]
