"""Random initial weights and biases."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import InvalidInput, UnknownName
from formulations.functions import Activation, LeakyReLU, ReLU, Tanh

__all__ = ["INITIALIZATIONS", "draw"]

Draw: TypeAlias = Callable[[np.random.Generator, tuple[int, int], Activation], tuple[Array, Array]]
"""Draws the weights, shape (n_l, n_{l−1}), and the biases of a layer with this activation."""


def _normal(deviations: Callable[[int, int], tuple[float, float]]) -> Draw:
    """Return a function that draws normal numbers; their standard deviations follow from (n_{l−1}, n_l)."""

    def drawn(generator: np.random.Generator, shape: tuple[int, int], _: Activation) -> tuple[Array, Array]:
        of_weights, of_biases = deviations(shape[1], shape[0])
        weights = of_weights * generator.standard_normal(shape)
        # 0 times a negative number is −0, and −0 + 0 is 0.
        return weights, of_biases * generator.standard_normal(shape[0]) + 0.0

    return drawn


def _orthogonal(generator: np.random.Generator, shape: tuple[int, int], activation: Activation) -> tuple[Array, Array]:
    """Draw orthonormal rows or columns, whichever are fewer, and multiply each row by its neuron's gain."""
    fan_out, fan_in = shape
    factor, triangle = np.linalg.qr(generator.standard_normal((max(shape), min(shape))))
    # The signs of LAPACK's factor follow a convention. With a positive diagonal of the triangle, the factor is
    # distributed uniformly (Mezzadri 2007).
    factor *= np.where(np.diagonal(triangle) < 0, -1.0, 1.0)
    gains = np.array([_gain(activation.neuron(j)) for j in range(fan_out)])
    return gains[:, None] * (factor if fan_out >= fan_in else factor.T), np.zeros(fan_out)


def _gain(activation: Activation) -> float:
    """Return what torch.nn.init.calculate_gain recommends, and 1 for functions that it does not know."""
    if isinstance(activation, ReLU):
        return math.sqrt(2.0)
    if isinstance(activation, LeakyReLU):
        return math.sqrt(2.0 / (1.0 + activation.negative_slope**2))
    return 5.0 / 3.0 if isinstance(activation, Tanh) else 1.0


INITIALIZATIONS: dict[str, Draw] = {
    # Nielsen, chapter 1: N(0, 1) for weights and biases.
    "book": _normal(lambda _, __: (1.0, 1.0)),
    # Glorot & Bengio 2010, Equation (12), with a normal distribution of the same variance.
    "glorot": _normal(lambda fan_in, fan_out: (math.sqrt(2.0 / (fan_in + fan_out)), 0.0)),
    # He et al. 2015, Equation (10).
    "he": _normal(lambda fan_in, _: (math.sqrt(2.0 / fan_in), 0.0)),
    # Saxe, McClelland & Ganguli 2014.
    "orthogonal": _orthogonal,
}


def draw(
    layers: Iterable[tuple[tuple[int, int], Activation]],
    generator: np.random.Generator,
    dtype: np.dtype[Any],
    init: str,
) -> Iterator[tuple[Array, Array]]:
    """Yield each layer's weights, shape (n_l, n_{l−1}), and biases, from that shape and the layer's activation.

    The numbers are drawn in double precision and then rounded, so that every dtype gives the same network.

    Raises
    ------
    UnknownName
        If no initialisation has the name ``init``.
    InvalidInput
        If a layer does not fit into memory.
    """
    if not isinstance(init, str) or init not in INITIALIZATIONS:
        raise UnknownName("initialisation", init, INITIALIZATIONS)
    for shape, activation in layers:
        try:
            weights, biases = INITIALIZATIONS[init](generator, shape, activation)
        except (MemoryError, ValueError):
            raise InvalidInput(
                f"a layer of {shape[0]} neurons with {shape[1]} inputs does not fit into memory; take smaller sizes."
            ) from None
        yield weights.astype(dtype), biases.astype(dtype)
