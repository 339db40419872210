"""Networks of other libraries: PyTorch's modules with their losses, and scikit-learn's perceptrons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.network.foreign.losses import from_torch as from_torch
    from formulations.network.foreign.modules import module_of as module_of
    from formulations.network.foreign.modules import network_of as network_of
    from formulations.network.foreign.perceptrons import network_of_perceptron as network_of_perceptron
    from formulations.network.foreign.tracing import layers_in_order as layers_in_order
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "losses": ["from_torch"],
            "modules": ["module_of", "network_of"],
            "perceptrons": ["network_of_perceptron"],
            "tracing": ["layers_in_order"],
        },
    )
