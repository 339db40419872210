"""Random networks of every depth, width, activation, cost, scale and dtype, each drawn from its number."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from formulations.data import Problem
from formulations.functions import ACTIVATIONS, PerNeuron
from formulations.network import Network

__all__ = ["DEPTHS", "random_problem"]

DEPTHS = ((2, 4), (5, 8), (9, 16), (17, 30), (31, 50))
"""The least and the largest number of layers of each band; all bands are drawn equally often."""

WIDEST = {2: 48, 5: 24, 9: 12, 17: 8, 31: 6}
"""The widest layer of each band."""

ELEMENTWISE = tuple(name for name, activation in ACTIVATIONS.items() if not activation.coupled)


def random_problem(number: int, seed: int = 0) -> Problem:
    """Return the network with this number, with examples.

    Parameters
    ----------
    number : int
        The place in the series.
    seed : int
        The seed of the series.

    Returns
    -------
    Problem
        In float32 or float64. Some weights are so small that the gradient vanishes, or so large that neurons saturate.
    """
    random = np.random.default_rng([seed, number])
    lowest, highest = DEPTHS[number % len(DEPTHS)]
    sizes = random.integers(1, WIDEST[lowest], random.integers(lowest, highest, endpoint=True), endpoint=True).tolist()
    names: list[Any] = random.choice(ELEMENTWISE, len(sizes) - 1).tolist()
    cost = _draw_outputs(random, names, sizes)
    dtype = np.dtype(random.choice(["float32", "float64"]))
    net = Network.random(sizes, names, seed=random, dtype=dtype)
    for b in net.biases:
        b[...] = random.normal(scale=0.3, size=b.shape)
    # A factor that a shallow network hardly shows makes the gradient of a deep one explode or vanish.
    spread = 2.0 / len(sizes) ** 0.5
    net.vector[...] *= dtype.type(10 ** random.uniform(-spread, spread / 2))
    if random.random() < 0.1:
        pruned = [csr_array(np.where(random.random(w.shape) < 0.6, w, 0)) for w in net.weights]
        net = Network(pruned, [b.copy() for b in net.biases], net.activations)
    m = int(random.integers(1, 17))
    X = random.standard_normal((m, sizes[0])) * 10 ** random.uniform(-1, 0.5)
    Y = random.random((m, sizes[-1]))
    if cost == "log_likelihood":
        Y = np.eye(sizes[-1])[random.integers(sizes[-1], size=m)]
    weights = random.random(m) + 0.01 if random.random() < 0.2 else None
    return Problem(net, X.astype(dtype), Y.astype(dtype), cost, weights)


def _draw_outputs(random: np.random.Generator, names: list[Any], sizes: list[int]) -> str:
    """Replace an activation by a special layer in some networks, and return a cost that suits the outputs."""
    kind = random.random()
    if kind < 0.1:
        names[0] = PerNeuron(random.choice(ELEMENTWISE, sizes[1]).tolist())
    elif kind < 0.2:
        names[int(random.integers(len(names)))] = "softmax"
    if kind < 0.4:
        return "quadratic"
    if kind < 0.55:
        names[-1] = "sigmoid"
        return "binary_cross_entropy"
    if kind < 0.65:
        names[-1] = "softmax"
        return "log_likelihood"
    return "quadratic"
