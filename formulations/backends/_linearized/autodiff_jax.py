r"""Jacobians and curvature by JAX's automatic differentiation, compiled.

.. math::

    \dot a^l = \mathrm{jvp}(a^l)(v), \qquad J^T u = \mathrm{vjp}(a^l)(u), \qquad
    H v = \mathrm{jvp}(\mathrm{grad}(C))(v)

All are linear in v or u. ``jax.linearize`` computes what they need of the point once and keeps it, and every product
is one compiled call; k of them are one call, too. A whole Jacobian is ``jacrev`` or ``jacfwd`` of one example, mapped
over all. None uses an equation of the chapter, which makes them a check of all other formulations; only the curvature
of the cost in a Gauss–Newton product is this library's.

They mislead if the first product is timed, which compiles them.

Source: J. Bradbury et al., "JAX: composable transformations of Python+NumPy programs" (2018).

>>> import pytest
>>> jax = pytest.importorskip("jax")
>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.hessian(net, [[1.0]], [[17.0]], backend="autodiff_jax").to_dense()[0, 0]  # (2·2·3)² + (2·9 − 17)·2·2
np.float64(148.0)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from importlib import import_module
from typing import Any, Literal

import numpy as np

from formulations.arrays import Array, Layout
from formulations.backends._base import PARAMETERS, Linearization, Where
from formulations.backends._shared import (
    curved_targets,
    differentiable_cost,
    differentiable_layers,
    double_precision,
    jax_engine,
    jax_scatter,
)
from formulations.functions import Activation, Cost
from formulations.network import Point

__all__ = ["JaxLinearization"]


class JaxLinearization(Linearization):
    """Products by forward and backward differentiation of the forward pass, compiled."""

    def __init__(self, point: Point, backend: Any) -> None:
        super().__init__(point, backend)
        self._network = point.network.layout, point.network.activations
        self._kept: dict[tuple[Any, ...], Any] = {}

    def push(self, directions: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jv of every direction by one forward differentiation."""
        return self._products(directions, of, wrt, at, "push")

    def pull(self, cotangents: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jᵀu of every cotangent by one backward differentiation."""
        return self._products(cotangents, of, wrt, at, "pull")

    def jacobian(self, of: int, wrt: int, order: str = "optimal") -> Array:
        """Return the Jacobians by ``jacrev`` or ``jacfwd`` of one example, mapped over all."""
        network, sizes = self.point.network, self.point.network.sizes
        forward = sizes[wrt - 1] < sizes[of - 1] if order == "optimal" else order == "forward"
        with double_precision():
            found = jacobians(*self._network, of, wrt, forward)(network.vector, self.point.tape.activations[wrt - 1])
            return np.asarray(found)

    def hessian_product(self, v: Array) -> Array:
        """Return Hv by the derivative of the gradient."""
        with double_precision():
            return np.asarray(product()(self._gradient, v))

    @cached_property
    def _gradient(self) -> Any:
        """The derivative of ∇C at the point."""
        tape = self.point.tape
        derivative = of_gradient(*self._network, tape.known_cost)
        return derivative(self.point.network.vector, tape.X, curved_targets(self.point), tape.share_column)

    def _products(self, V: Array, of: int, wrt: Where, at: Literal["a", "z"], way: Literal["push", "pull"]) -> Array:
        below = 1 if wrt == PARAMETERS else wrt
        with double_precision():
            if (of, wrt, at, way) not in self._kept:
                derivative = of_layers(*self._network, of, wrt, at, way)
                point = self.point
                self._kept[of, wrt, at, way] = derivative(point.network.vector, point.tape.activations[below - 1])
            return np.asarray(products()(self._kept[of, wrt, at, way], V))


@lru_cache(maxsize=128)
def of_layers(
    layout: Layout,
    activations: tuple[Activation, ...],
    of: int,
    wrt: Where,
    at: Literal["a", "z"],
    way: Literal["push", "pull"],
) -> Callable[..., Any]:
    """Return (vector, a^wrt or X) ↦ the products Jv or Jᵀu at this point, as a function that JAX can pass on."""
    jax = import_module("jax")
    between = differentiable_layers(jax_engine(), layout, activations, jax_scatter)
    position = ("z", "a").index(at)

    def derivative(vector: Any, a: Any) -> Any:
        if wrt == PARAMETERS:
            x = vector
            f = lambda parameters: between(parts(layout, parameters), a, 1, of)[position]  # noqa: E731
        else:
            x = a
            f = lambda a: between(parts(layout, vector), a, wrt, of)[position]  # noqa: E731
        if way == "push":
            return jax.linearize(f, x)[1]
        back = jax.vjp(f, x)[1]
        return jax.tree_util.Partial(lambda back, u: back(u)[0], back)

    made: Callable[..., Any] = jax.jit(derivative)
    return made


@lru_cache(maxsize=128)
def of_gradient(layout: Layout, activations: tuple[Activation, ...], cost: Cost) -> Callable[..., Any]:
    """Return (vector, X, targets, shares) ↦ the products Hv at this point, as a function that JAX can pass on."""
    jax = import_module("jax")
    value = differentiable_cost(jax_engine(), layout, activations, cost, jax_scatter, twice=True)

    def derivative(vector: Any, *examples: Any) -> Any:
        def gradient(vector: Any) -> Any:
            found, _ = jax.grad(value, has_aux=True)(parts(layout, vector), *examples)
            return jax.numpy.concatenate(found)

        return jax.linearize(gradient, vector)[1]

    made: Callable[..., Any] = jax.jit(derivative)
    return made


@lru_cache(maxsize=128)
def jacobians(
    layout: Layout, activations: tuple[Activation, ...], of: int, wrt: int, forward: bool
) -> Callable[..., Any]:
    """Return (vector, a^wrt) ↦ the Jacobians ∂a^of/∂a^wrt."""
    jax = import_module("jax")
    between = differentiable_layers(jax_engine(), layout, activations, jax_scatter)
    differentiate = jax.jacfwd if forward else jax.jacrev

    def found(vector: Any, a: Any) -> Any:
        w = parts(layout, vector)
        return jax.vmap(differentiate(lambda x: between(w, x[None], wrt, of)[1][0]))(a)

    made: Callable[..., Any] = jax.jit(found)
    return made


@lru_cache
def product() -> Callable[..., Any]:
    """Return (f, v) ↦ f(v), compiled for each f from the functions above."""
    made: Callable[..., Any] = import_module("jax").jit(lambda f, v: f(v))
    return made


@lru_cache
def products() -> Callable[..., Any]:
    """Return (f, V) ↦ f of each row of V."""
    jax = import_module("jax")
    made: Callable[..., Any] = jax.jit(lambda f, V: jax.vmap(f)(V))
    return made


def parts(layout: Layout, vector: Any) -> list[Any]:
    """Return w², b², w³, b³, …, each of them flat."""
    return [vector[part] for pair in layout.slices for part in pair]
