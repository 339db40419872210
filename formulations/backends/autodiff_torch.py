r"""Automatic differentiation by PyTorch.

.. math::

    \frac{\partial C}{\partial w^l}, \; \frac{\partial C}{\partial b^l} = \mathrm{autograd}(C)(w, b), \qquad
    C = \frac{1}{m} \sum_x C_x(a^L), \; a^l = \sigma(w^l a^{l-1} + b^l) \tag{25}

It uses no formula of the chapter: the engine records the forward pass and applies the chain rule backwards. That is
(BP1)–(BP4) again, in independent code, and therefore a check of all other backends.

It needs the package torch: ``pip install torch``. A user-defined cost is unknown to the engine, which
then starts at its ∇_aC. Sparse weights are made dense, with gradients on their pattern only.

It misleads as a measure of the cost of backpropagation: small networks pay for the recording, not the arithmetic.

Source: A. Paszke et al., "Automatic differentiation in PyTorch" (2017).

>>> import pytest
>>> torch = pytest.importorskip("torch")
>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="autodiff_torch").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from formulations.backends._base import Estimate, Linearization
from formulations.backends._shared import (
    AutodiffBackend,
    adopted_cost,
    differentiable_cost,
    estimate_dense,
    recording,
    targets,
    torch_engine,
    torch_scatter,
    torch_tensor,
    vector_parts,
)
from formulations.functions import Cost
from formulations.network import Gradient, Network, Point, Tape

__all__ = ["AutodiffTorch"]


class AutodiffTorch(AutodiffBackend):
    """The gradient of the cost by PyTorch's automatic differentiation."""

    name = "autodiff_torch"
    summary = "automatic differentiation by PyTorch (optional)"
    equations = ("25",)
    package = "torch"

    def prepare(self, network: Network, tape: Tape) -> tuple[Callable[..., Any], Any, Cost, Callable[..., Any]]:
        """Return a constructor of tensors, the package, the cost, and the cost in the package's functions."""
        torch, cost = import_module("torch"), tape.known_cost
        value = differentiable_cost(torch_engine(), network.layout, network.activations, cost, torch_scatter)
        return torch_tensor(), torch, cost, value

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write the engine's gradient; there is no δ."""
        tensor, torch, cost, value = tape.workspace
        Y = targets(network, tape, cost)
        with recording():
            leaves = [tensor(part).requires_grad_() for part in vector_parts(network)]
            examples = (tensor(np.ascontiguousarray(array)) for array in (tape.X, Y, tape.share_column))
            C, outputs = value(leaves, *examples)
            found = torch.autograd.grad(C, leaves)
        for part, array in zip(vector_parts(gradient), found, strict=True):
            part[...] = array.numpy()
        gradient.cost = adopted_cost(tape, cost, C.item(), outputs.detach().numpy())
        gradient.errors = None

    def linearize(self, point: Point) -> Linearization:
        """Return the engine's derivatives, forward and backward."""
        from formulations.backends._linearized import TorchLinearization

        return TorchLinearization(point, self)

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate as for a recurrence, plus the recording of every operation; sparse weights become dense."""
        dense = estimate_dense(network, m, super().estimate(network, m))
        return replace(dense, calls=40 * len(network.activations))
