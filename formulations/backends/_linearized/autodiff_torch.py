r"""Jacobians and curvature by PyTorch's automatic differentiation.

.. math::

    J^T u = \mathrm{vjp}(a^l)(u), \qquad J v = \mathrm{vjp}(u \mapsto J^T u)(v), \qquad
    H v = \nabla_w \left((\nabla_w C)^T v\right)

:math:`J^T u` is linear in u, and its own vjp is Jv: that is faster than the engine's ``jvp``, whose levels all threads
of a process share, so that two of them spoil each other's numbers. k products with a Jacobian are one call. The
Hessian product differentiates the gradient's own backward pass backwards, and the recording of both passes is kept.
None uses an equation of the chapter, which makes them a check of all other formulations; only the curvature of the cost
in a Gauss–Newton product is this library's.

They mislead as a measure of cost, as the engine's gradients do.

Source: A. Paszke et al., "Automatic differentiation in PyTorch" (2017).

>>> import pytest
>>> torch = pytest.importorskip("torch")
>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.hessian(net, [[1.0]], [[17.0]], backend="autodiff_torch").to_dense()[0, 0]  # (2·2·3)² + (2·9 − 17)·2·2
np.float64(148.0)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import Any, Literal

import numpy as np

from formulations.arrays import Array
from formulations.backends._base import PARAMETERS, Linearization, Where
from formulations.backends._shared import (
    curved_targets,
    differentiable_cost,
    differentiable_layers,
    recording,
    torch_engine,
    torch_scatter,
    torch_tensor,
)

__all__ = ["TorchLinearization"]


class TorchLinearization(Linearization):
    """Products by backward differentiation, of the forward pass and of the backward pass itself."""

    def push(self, directions: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jv of every direction by differentiating Jᵀu in u, backwards."""
        torch = import_module("torch")
        with recording():
            outputs, back = torch.func.vjp(*self._function(of, wrt, at))
            _, forth = torch.func.vjp(lambda u: back(u)[0], torch.zeros_like(outputs))
            pushed: Array = torch.vmap(lambda v: forth(v)[0])(_tensor(directions)).numpy()
        return pushed

    def pull(self, cotangents: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jᵀu of every cotangent by one backward differentiation."""
        torch = import_module("torch")
        with recording():
            _, back = torch.func.vjp(*self._function(of, wrt, at))
            pulled: Array = torch.vmap(lambda u: back(u)[0])(_tensor(cotangents)).numpy()
        return pulled

    def hessian_product(self, v: Array) -> Array:
        """Return Hv, the gradient of (∇C)ᵀv."""
        torch = import_module("torch")
        vector, gradient = self._recorded
        (product,) = torch.autograd.grad(gradient, vector, _tensor(v), retain_graph=True)
        found: Array = product.numpy()
        return found

    @cached_property
    def _recorded(self) -> tuple[Any, Any]:
        """The parameters, and ∇C with the recording of both passes."""
        point, torch = self.point, import_module("torch")
        network, tape = point.network, point.tape
        value = differentiable_cost(
            torch_engine(), network.layout, network.activations, tape.known_cost, torch_scatter, twice=True
        )
        Y = curved_targets(point)
        with recording():
            vector = _tensor(network.vector).requires_grad_()
            given = tuple(map(_tensor, Y)) if isinstance(Y, tuple) else _tensor(Y)
            C, _ = value(self._parts(vector), _tensor(tape.X), given, _tensor(tape.share_column))
            (gradient,) = torch.autograd.grad(C, vector, create_graph=True)
        return vector, gradient

    def _function(self, of: int, wrt: Where, at: Literal["a", "z"]) -> tuple[Callable[[Any], Any], Any]:
        """Return a^of or z^of as a function, and the value of its argument: a^wrt, or the vector of parameters."""
        point = self.point
        vector = _tensor(point.network.vector)
        between, position = self._layers, ("z", "a").index(at)
        if wrt == PARAMETERS:
            X = _tensor(point.tape.X)
            return (lambda parameters: between(self._parts(parameters), X, 1, of)[position]), vector
        parts = self._parts(vector)
        return (lambda a: between(parts, a, wrt, of)[position]), _tensor(point.tape.activations[wrt - 1])

    def _parts(self, vector: Any) -> Any:
        """Return w², b², w³, b³, …, each of them flat."""
        return vector.split([part.stop - part.start for pair in self.point.network.layout.slices for part in pair])

    @cached_property
    def _layers(self) -> Callable[..., tuple[Any, Any]]:
        network = self.point.network
        return differentiable_layers(torch_engine(), network.layout, network.activations, torch_scatter)


def _tensor(array: Array) -> Any:
    return torch_tensor()(np.ascontiguousarray(array))
