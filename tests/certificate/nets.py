"""Networks and examples that the certificate's tests share, made from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

import formulations as fm
from formulations.activations import ACTIVATIONS
from formulations.certificate import Verdict, judge


@dataclass(frozen=True)
class Case:
    net: fm.Network
    X: Any
    Y: Any
    cost: str = "quadratic"
    sample_weight: Any = None

    def computed(self, backend: str) -> tuple[fm.Plan, fm.Gradient]:
        plan = fm.prepare(self.net, len(self.X), cost=self.cost, backend=backend)
        with np.errstate(all="ignore"):
            return plan, plan(self.X, self.Y, self.sample_weight)

    def verdict(self, backend: str) -> Verdict:
        plan, gradient = self.computed(backend)
        return judge(plan.backend, plan.tape, gradient)


def random_case(seed: int, dtype: str, *, widest: int = 12, deepest: int = 8) -> Case:
    """Return a network of random shape, activations and scale, from vanishing to saturated."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, widest + 1, random.integers(2, deepest + 1)).tolist()
    m = int(random.integers(1, 33))
    served = [name for name, activation in ACTIVATIONS.items() if activation.why_not(dtype) is None]
    names: list[Any] = random.choice(served, len(sizes) - 1).tolist()
    if seed % 5 == 0:
        names[0] = fm.PerNeuron(random.choice(served, sizes[1]).tolist())
    cost = "quadratic"
    if seed % 3 == 0:
        names[-1], cost = "sigmoid", "binary_cross_entropy"
    net = fm.Network.random(sizes, names, seed=seed, dtype=dtype)
    net.vector[...] *= net.dtype.type(10 ** random.uniform(-3, 1))
    if seed % 7 == 0:
        net = fm.Network([csr_array(w * (random.random(w.shape) < 0.5)) for w in net.weights], net.biases, names)
    X = random.standard_normal((m, sizes[0])) * 10 ** random.uniform(-2, 1)
    weights = random.random(m) + 0.01 if seed % 4 == 0 else None
    return Case(net, X.astype(dtype), random.random((m, sizes[-1])).astype(dtype), cost, weights)


def plain_case(seed: int = 0, scale: float = 1.0, dtype: str = "float64") -> Case:
    """Return a 4-4-4-4 network of sigmoids with five examples."""
    random = np.random.default_rng(seed)
    net = fm.Network.random([4, 4, 4, 4], seed=seed, dtype=dtype)
    net.vector[...] *= net.dtype.type(scale)
    return Case(net, random.standard_normal((5, 4)).astype(dtype), random.random((5, 4)).astype(dtype))
