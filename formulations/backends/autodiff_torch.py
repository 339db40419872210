r"""Automatic differentiation by PyTorch.

.. math::

    \frac{\partial C}{\partial w^l}, \; \frac{\partial C}{\partial b^l} = \mathrm{autograd}(C)(w, b), \qquad
    C = \frac{1}{m} \sum_x C_x(a^L), \; a^l = \sigma(w^l a^{l-1} + b^l) \qquad (25)

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
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from formulations.arrays import SINGLE_AND_DOUBLE
from formulations.backends._base import Backend, Estimate, Tier
from formulations.backends._shared import (
    adopted_cost,
    differentiable_cost,
    estimate_dense,
    saturating,
    targets,
    vector_parts,
    why_not_autodiff,
)
from formulations.functions import Cost, Engine
from formulations.network import Gradient, Network, Tape

__all__ = ["AutodiffTorch"]


class AutodiffTorch(Backend):
    """The gradient of the cost by PyTorch's automatic differentiation."""

    name = "autodiff_torch"
    summary = "automatic differentiation by PyTorch (optional)"
    equations = ("25",)
    tier = Tier.FORWARD
    dtypes = SINGLE_AND_DOUBLE

    def why_not(self, network: Network, cost: Cost) -> str | None:
        """Return the reason if torch is absent or cannot differentiate the network."""
        return why_not_autodiff("torch", network) or super().why_not(network, cost)

    def prepare(self, network: Network, tape: Tape) -> tuple[Callable[..., Any], Any, Cost, Callable[..., Any]]:
        """Return a constructor of tensors, the package, the cost, and the cost in the package's functions."""
        torch, cost = import_module("torch"), tape.known_cost
        # On the CPU like NumPy's arrays, whatever the caller's default device.
        tensor = partial(torch.tensor, device="cpu")

        def scatter(entries: Any, rows: Any, columns: Any, shape: tuple[int, int]) -> Any:
            return entries.new_zeros(shape).index_put((tensor(rows).long(), tensor(columns).long()), entries)

        engine = saturating(torch_engine(torch), lambda array: array.detach())
        return tensor, torch, cost, differentiable_cost(engine, network.layout, network.activations, cost, scatter)

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write the engine's gradient; there is no δ."""
        tensor, torch, cost, value = tape.workspace
        Y = targets(network, tape, cost)
        # Copies, since the engine warns of read-only memory. Record even within the caller's no_grad or
        # inference_mode.
        with torch.inference_mode(False), torch.enable_grad():
            leaves = [tensor(part).requires_grad_() for part in vector_parts(network)]
            examples = (tensor(np.ascontiguousarray(array)) for array in (tape.X, Y, tape.share_column))
            C, outputs = value(leaves, *examples)
            found = torch.autograd.grad(C, leaves)
        for part, array in zip(vector_parts(gradient), found, strict=True):
            part[...] = array.numpy()
        gradient.cost = adopted_cost(tape, cost, C.item(), outputs.detach().numpy())
        gradient.errors = None

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate as for a recurrence, plus the recording of every operation; sparse weights become dense."""
        dense = estimate_dense(network, m, super().estimate(network, m))
        return replace(dense, calls=40 * len(network.activations))


def torch_engine(torch: Any) -> Engine:
    """Return PyTorch's functions."""
    return Engine(
        exp=torch.exp,
        expm1=torch.expm1,
        log=torch.log,
        log1p=torch.log1p,
        sin=torch.sin,
        tanh=torch.tanh,
        erfc=torch.special.erfc,
        where=torch.where,
        join=lambda columns: torch.cat(columns, dim=1),
        largest=lambda z: z.detach().amax(dim=1, keepdim=True),
    )
