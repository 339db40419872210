"""The floor: only the matrix products of a gradient, on random data in buffers like a plan's."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from formulations.arrays import Array
from formulations.comparison.race.contestant import Contestant, Kind, Ready
from formulations.data import Problem

__all__ = ["FLOOR", "products_of"]


def products_of(problem: Problem) -> list[tuple[Array, Array, Array]]:
    """Return (left, right, out) of every product of (25), (BP2) and (BP4), in the order of a gradient.

    The error of the input layer is not needed.
    """
    sizes, m, dtype = problem.network.sizes, len(problem.X), problem.network.dtype
    generator = np.random.default_rng(0)

    def buffer(*shape: int) -> Array:
        return generator.random(shape).astype(dtype)

    weights = [buffer(n, below) for below, n in pairwise(sizes)]
    activations, errors = [buffer(m, n) for n in sizes], [buffer(m, n) for n in sizes[1:]]
    # No product reads what another writes, so that the numbers do not grow from call to call.
    forward = [(a, w.T, buffer(m, len(w))) for a, w in zip(activations, weights, strict=False)]
    back = [(delta, w, buffer(m, w.shape[1])) for delta, w in zip(errors[:0:-1], weights[:0:-1], strict=False)]
    gradients = [(delta.T, a, np.empty_like(w)) for delta, a, w in zip(errors, activations, weights, strict=False)]
    return [*forward, *back, *gradients]


def _enter(problem: Problem) -> Ready:
    products, dot = products_of(problem), np.dot

    def call() -> None:
        for left, right, out in products:
            dot(left, right, out)

    return Ready(call, None)


FLOOR = Contestant("floor", Kind.FLOOR, _enter)
"""The matrix products alone."""
