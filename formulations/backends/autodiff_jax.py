r"""Automatic differentiation by JAX, which also compiles the program.

.. math::

    \frac{\partial C}{\partial w^l}, \; \frac{\partial C}{\partial b^l} = \mathrm{grad}(C)(w, b), \qquad
    C = \frac{1}{m} \sum_x C_x(a^L), \; a^l = \sigma(w^l a^{l-1} + b^l) \tag{25}

It uses no formula of the chapter: JAX traces the forward pass, transposes it, and compiles both into one program. That
is (BP1)–(BP4) again, in independent code, and therefore a check of all other backends.

It needs the package jax: ``pip install jax``. Double precision is enabled for each call only, and
JAX's settings are not changed. A user-defined cost is unknown to the engine, which then starts at its ∇_aC.
Sparse weights are made dense, with gradients on their pattern only.

It misleads if its first call is timed: compiling a network takes longer than thousands of its gradients. XLA flushes
subnormal numbers to zero.

Source: J. Bradbury et al., "JAX: composable transformations of Python+NumPy programs" (2018).

>>> import pytest
>>> jax = pytest.importorskip("jax")
>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="autodiff_jax").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from formulations.arrays import Layout
from formulations.backends._base import Estimate, Linearization
from formulations.backends._shared import (
    AutodiffBackend,
    adopted_cost,
    differentiable_cost,
    double_precision,
    estimate_dense,
    jax_engine,
    jax_scatter,
    targets,
    vector_parts,
)
from formulations.functions import Activation, Cost
from formulations.network import Gradient, Network, Point, Tape

__all__ = ["AutodiffJax"]


class AutodiffJax(AutodiffBackend):
    """The gradient of the cost by JAX's automatic differentiation, compiled."""

    name = "autodiff_jax"
    summary = "automatic differentiation by JAX, compiled (optional)"
    equations = ("25",)
    package = "jax"

    def prepare(self, network: Network, tape: Tape) -> tuple[Cost, Callable[..., Any]]:
        """Return the cost and a function of its value and gradient, which is compiled at the first call."""
        cost = tape.known_cost
        return cost, compiled(network.layout, network.activations, cost)

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write the engine's gradient; there is no δ."""
        cost, value_and_gradient = tape.workspace
        Y = targets(network, tape, cost)
        with double_precision():
            (C, outputs), found = value_and_gradient(vector_parts(network), tape.X, Y, tape.share_column)
        for part, array in zip(vector_parts(gradient), found, strict=True):
            part[...] = np.asarray(array)
        gradient.cost = adopted_cost(tape, cost, C, np.asarray(outputs))
        gradient.errors = None

    def linearize(self, point: Point) -> Linearization:
        """Return the engine's derivatives, forward and backward, compiled."""
        from formulations.backends._linearized import JaxLinearization

        return JaxLinearization(point, self)

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate as for a recurrence in one call, with its input and output arrays; sparse weights become dense."""
        dense = estimate_dense(network, m, super().estimate(network, m))
        return replace(dense, calls=10 + 4 * len(network.activations))


@lru_cache(maxsize=128)
def compiled(layout: Layout, activations: tuple[Activation, ...], cost: Cost) -> Callable[..., Any]:
    """Return (parameters, X, targets, shares) ↦ ((C, outputs), gradient), cached for each network."""
    jax = import_module("jax")
    value = differentiable_cost(jax_engine(), layout, activations, cost, jax_scatter)
    made: Callable[..., Any] = jax.jit(jax.value_and_grad(value, has_aux=True))
    return made
