"""Stacks of arrays over the examples, one for each direction: their products with weights and slopes.

A direction in the parameters has shape (P,), a stack of them (k, P); in a layer the shapes are (m, n) and (k, m, n).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import Array, Parameters
from formulations.backends._base import PARAMETERS, Where
from formulations.functions import CoupledSlope
from formulations.network import Point, outer_sums

__all__ = [
    "entries",
    "last_tangent",
    "parameter_sums",
    "slope_product",
    "stacked_product",
    "tangent_gradient",
    "tangent_inputs",
    "tangents",
    "transposed_slope_product",
]


def stacked_product(stack: Array, matrix: Any) -> Array:
    """Return the rows of every array times a matrix, dense or sparse: (k, m, n) @ (n, n') as one product."""
    k, m, n = stack.shape
    product: Array = stack.reshape(k * m, n) @ matrix
    return product.reshape(k, m, -1)


def entries(weights: Any) -> Array:
    """Return the numbers of a weight matrix as an array of which they are a view: the stored ones of a sparse one."""
    stored: Array = weights.data if issparse(weights) else weights
    return stored


def slope_product(slope: Any, stack: Array) -> Array:
    """Return Σ′v of every array, shape (k, m, n), for a diagonal slope (an array) or a coupled one."""
    if not isinstance(slope, CoupledSlope):
        scaled: Array = slope * stack
        return scaled
    product = np.empty_like(stack)
    for v, out in zip(stack, product, strict=True):
        out[...] = slope @ v
    return product


def transposed_slope_product(slope: Any, stack: Array) -> Array:
    """Return Σ′ᵀv of every array, shape (k, m, n)."""
    return slope_product(slope.T if isinstance(slope, CoupledSlope) else slope, stack)


def tangent_inputs(point: Point, directions: Array, l: int) -> Array:
    """Return v_w a^{l−1} + v_b of every direction (v_w, v_b) in the parameters, shape (k, m, n_l).

    This is ż^l as far as it comes from the layer's own parameters; wᵀȧ^{l−1} adds what comes from below.
    """
    network, a = point.network, point.tape.activations[l - 2]
    moved = np.empty((len(directions), point.m, network.sizes[l - 1]), network.dtype)
    for v, out in zip(directions, moved, strict=True):
        direction = Parameters(network.layout, v)
        out[...] = a @ direction.weights[l - 2].T
        out += direction.biases[l - 2]
    return moved


def tangents(
    point: Point,
    directions: Array,
    of: int,
    wrt: Where,
    at: Literal["a", "z"],
    slope: Callable[[int, Array], Array] | None = None,
) -> Iterator[tuple[Array, Array]]:
    """Yield ż and ȧ of every direction, in the layers above ``wrt`` up to ``of``: (25) differentiated.

    Parameters
    ----------
    point : Point
        The parameters and the examples.
    directions, of, wrt, at
        As in :meth:`Linearization.push`; at z, the last pair is ż^of twice.
    slope : callable (l, stack) -> stack, optional
        The products of Σ′(z^l) with every array.
    """
    product = slope or (lambda l, stack: slope_product(point.slopes[l - 2], stack))
    below = directions
    for l in range(2 if wrt == PARAMETERS else wrt + 1, of + 1):
        weights = point.network.weights[l - 2].T
        if wrt != PARAMETERS:
            z = stacked_product(below, weights)
        else:
            z = tangent_inputs(point, directions, l)
            if l > 2:
                z += stacked_product(below, weights)
        below = product(l, z) if l < of or at == "a" else z
        yield z, below


def last_tangent(
    point: Point,
    directions: Array,
    of: int,
    wrt: Where,
    at: Literal["a", "z"],
    slope: Callable[[int, Array], Array] | None = None,
) -> Array:
    """Return the last ȧ of :func:`tangents`, or ż at z, shape (k, m, n_of), keeping a layer at a time."""
    ((_, moved),) = deque(tangents(point, directions, of, wrt, at, slope), maxlen=1)
    return moved


def parameter_sums(point: Point, errors: Sequence[Array]) -> Array:
    """Return (BP3) and (BP4), summed over the examples, from the errors of the layers from the second on.

    Parameters
    ----------
    point : Point
        Its a^{l−1}.
    errors : sequence of ndarray of shape (k, m, n_l)
        k errors of each layer; those of the layers above the last one are 0.

    Returns
    -------
    ndarray of shape (k, P)
    """
    layout = point.network.layout
    sums = np.zeros((len(errors[0]), layout.count), point.network.dtype)
    for i, out in enumerate(sums):
        point.tape.collect([delta[i] for delta in errors], Parameters(layout, out))
    return sums


def tangent_gradient(point: Point, tangent_errors: Sequence[Array], tangent_activations: Sequence[Array]) -> Array:
    r"""Return the derivative of (BP3) and (BP4), :math:`\dot\delta^l (a^{l-1})^T + \delta^l (\dot a^{l-1})^T`.

    Parameters
    ----------
    point : Point
        Its a^{l−1} and δ^l.
    tangent_errors : sequence of ndarray of shape (m, n_l)
        The derivatives of δ², …, δ^L.
    tangent_activations : sequence of ndarray of shape (m, n_l)
        Those of a², …; the inputs do not move.

    Returns
    -------
    ndarray of shape (P,)
    """
    layout = point.network.layout
    product = Parameters(layout, np.empty(layout.count, point.network.dtype))
    point.tape.collect(tangent_errors, product)
    for i in range(1, len(layout.shapes)):
        stored = entries(product.weights[i])
        stored += outer_sums(point.errors[i], tangent_activations[i - 1], layout.patterns[i])
    return product.vector
