"""Random initial weights and biases."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import InvalidInput, UnknownName

__all__ = ["INITIALIZATIONS", "draw"]

# Standard deviations of the weights and of the biases of a layer, from (n_{l−1}, n_l).
INITIALIZATIONS: dict[str, Callable[[int, int], tuple[float, float]]] = {
    # Nielsen, chapter 1: N(0, 1) for weights and biases.
    "book": lambda _, __: (1.0, 1.0),
    # Glorot & Bengio 2010, Equation (12), with a normal distribution of the same variance.
    "glorot": lambda fan_in, fan_out: (math.sqrt(2.0 / (fan_in + fan_out)), 0.0),
    # He et al. 2015, Equation (10).
    "he": lambda fan_in, _: (math.sqrt(2.0 / fan_in), 0.0),
}


def draw(
    shapes: Iterable[tuple[int, int]], generator: np.random.Generator, dtype: np.dtype[Any], init: str
) -> Iterator[tuple[Array, Array]]:
    """Yield each layer's weights, shape (n_l, n_{l−1}), and biases, from pairs (n_{l−1}, n_l).

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
    for fan_in, fan_out in shapes:
        of_weights, of_biases = INITIALIZATIONS[init](fan_in, fan_out)
        try:
            weights = of_weights * generator.standard_normal((fan_out, fan_in))
        except (MemoryError, ValueError):
            raise InvalidInput(
                f"a layer of {fan_out} neurons with {fan_in} inputs does not fit into memory; take smaller sizes."
            ) from None
        # 0 times a negative number is −0, and −0 + 0 is 0.
        biases = of_biases * generator.standard_normal(fan_out) + 0.0
        yield weights.astype(dtype), biases.astype(dtype)
