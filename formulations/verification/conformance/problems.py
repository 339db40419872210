"""The problems on which laws are checked: the scenarios, and more in which a fault could hide."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from formulations.data import SCENARIOS, Problem, Scenario
from formulations.functions import ACTIVATIONS, Activation, PerNeuron
from formulations.network import Network
from formulations.verification.conformance.serves import Pair, Serves, without_factor

__all__ = ["PROBLEMS", "problems_for"]


def _random(
    sizes: list[int],
    activations: Any = ("tanh", "sigmoid"),
    m: int = 4,
    *,
    seed: int = 0,
    scale: float = 1.0,
    weighted: bool = False,
    cost: str = "quadratic",
    soft: bool = False,
) -> Callable[[np.dtype[Any]], Problem]:
    """Return a function that makes a random problem, with the same float32 numbers in every dtype."""

    def make(dtype: np.dtype[Any]) -> Problem:
        random = np.random.default_rng(seed)
        net = Network.random(sizes, activations, seed=random, dtype="float32")
        for b in net.biases:
            b[...] = random.normal(scale=0.3, size=b.shape)
        net.vector[...] *= np.float32(scale)
        X, Y = random.standard_normal((m, sizes[0])), random.uniform(0.1, 0.9, (m, sizes[-1]))
        if without_factor(cost) == "log_likelihood":
            classes = np.eye(sizes[-1])[random.integers(sizes[-1], size=m)]
            # Soft targets keep an entry of 0 in each example, and need not add up to 1.
            Y = Y * (1 - classes) if soft else classes
        weights = np.arange(1.0, m + 1).astype(dtype) if weighted else None
        return Problem(
            net.astype(dtype), X.astype("float32").astype(dtype), Y.astype("float32").astype(dtype), cost, weights
        )

    return make


def _integers(sizes: list[int], activations: list[Any], m: int, seed: int) -> Callable[[np.dtype[Any]], Problem]:
    def make(dtype: np.dtype[Any]) -> Problem:
        random = np.random.default_rng(seed)
        weights = [random.integers(-2, 3, (n, k)).astype(dtype) for k, n in pairwise(sizes)]
        biases = [random.integers(-2, 3, n).astype(dtype) for n in sizes[1:]]
        X, Y = (random.integers(-2, 3, (m, n)).astype(dtype) for n in (sizes[0], sizes[-1]))
        return Problem(Network(weights, biases, activations), X, Y)

    return make


def _sparse(activations: Any = ("tanh", "sigmoid"), cost: str = "quadratic") -> Callable[[np.dtype[Any]], Problem]:
    def make(dtype: np.dtype[Any]) -> Problem:
        random = np.random.default_rng(5)
        matrix = csr_array((random.normal(size=(5, 4)) * (random.random((5, 4)) < 0.6)).astype(dtype))
        dense = random.normal(size=(3, 5)).astype(dtype)
        net = Network([matrix, dense], [random.normal(size=5).astype(dtype), np.zeros(3, dtype)], activations)
        return Problem(net, random.normal(size=(4, 4)).astype(dtype), random.random((4, 3)).astype(dtype), cost)

    return make


def _one_function(activation: Activation) -> Scenario:
    name, last = activation.name, activation if activation.coupled else "identity"
    hidden = "tanh" if activation.coupled else activation
    return Scenario(
        f"activation_{name}",
        f"{name} in {'the output layer' if activation.coupled else 'a hidden layer'}",
        _random([3, 4, 3], [hidden, last], seed=6),
    )


_MORE = (
    Scenario("one_example", "a single example", _random([4, 5, 3], m=1)),
    Scenario("three_examples", "an odd number of examples", _random([4, 6, 2], m=3, seed=1)),
    Scenario("square_weights", "square weight matrices", _random([4, 4, 4, 4], ("tanh",) * 3, m=5, seed=2)),
    Scenario("one_wide", "layers of one neuron", _random([1, 1, 1], m=2, seed=3)),
    Scenario("more_examples", "more examples than neurons", _random([3, 2, 2], m=16, seed=4)),
    Scenario("single_layer", "no hidden layer", _random([5, 3], "sigmoid", m=4, seed=5)),
    Scenario("deep", "twelve layers", _random([3] * 12, "tanh", m=3, seed=7)),
    Scenario("vanishing", "small weights: the gradient fades", _random([4] * 5, "sigmoid", m=4, seed=8, scale=0.05)),
    Scenario("saturated", "large weights: neurons saturate", _random([4, 6, 4], "sigmoid", m=4, seed=9, scale=8)),
    Scenario("weighted", "sample weights", _random([4, 5, 3], m=5, seed=10, weighted=True)),
    Scenario(
        "factor",
        "a cost times a factor, with sample weights",
        _random([4, 5, 3], m=5, seed=21, weighted=True, cost="2/3 quadratic"),
    ),
    Scenario(
        "cross_entropy",
        "sigmoid outputs with their cost",
        _random([4, 5, 3], "sigmoid", m=4, seed=11, cost="binary_cross_entropy"),
    ),
    Scenario(
        "log_likelihood",
        "softmax outputs with their cost",
        _random([4, 5, 3], ["tanh", "softmax"], m=4, seed=12, cost="log_likelihood"),
    ),
    Scenario(
        "soft_targets",
        "softmax outputs, with targets and sample weights of any sum",
        _random([4, 5, 3], ["tanh", "softmax"], m=5, seed=19, scale=3, cost="log_likelihood", weighted=True, soft=True),
    ),
    Scenario(
        "log_likelihood_of_sigmoids",
        "sigmoid outputs with the log-likelihood",
        _random([4, 5, 3], "sigmoid", m=4, seed=20, cost="log_likelihood", soft=True),
    ),
    Scenario(
        "hidden_softmax", "a coupled hidden layer", _random([4, 5, 4, 3], ["tanh", "softmax", "sigmoid"], seed=13)
    ),
    Scenario(
        "per_neuron",
        "different activations in one layer",
        _random([3, 4, 2], [PerNeuron(["tanh", "sigmoid", "tanh", "sine"]), "sigmoid"], seed=14),
    ),
    Scenario("linear", "linear neurons only", _random([4, 5, 3], "identity", m=6, seed=15)),
    Scenario("sparse", "sparse weights", _sparse()),
    Scenario("integers", "integers, so that nothing is rounded", _integers([3, 3, 2], ["relu", "identity"], 4, 16)),
    Scenario("linear_integers", "linear neurons on integers", _integers([3, 3, 3, 2], ["identity"] * 3, 4, 17)),
    Scenario("square_integers", "square neurons on integers", _integers([2, 3, 2], ["square", "identity"], 2, 18)),
)

PROBLEMS: dict[str, Scenario] = {
    scenario.name: scenario for scenario in (*SCENARIOS.values(), *_MORE, *map(_one_function, ACTIVATIONS.values()))
}
"""Name → scenario."""

_SHAPES: tuple[tuple[str, tuple[int, ...], int, float], ...] = (
    ("one_example", (4, 5, 3), 1, 1.0),
    ("three_examples", (4, 6, 2), 3, 1.0),
    ("square_weights", (4, 4, 4, 4), 5, 1.0),
    ("one_wide", (1, 1, 1), 2, 1.0),
    ("more_examples", (3, 2, 2), 16, 1.0),
    ("single_layer", (5, 3), 4, 1.0),
    ("deep", (3,) * 7, 3, 1.0),
    ("saturated", (4, 6, 4), 4, 8.0),
)
"""Name, sizes, number of examples and scale of the weights."""


def problems_for(serves: Serves) -> dict[str, Scenario]:
    """Return all problems for a plain function: those of every backend, and in every shape what it serves."""
    if serves.main is None:
        return PROBLEMS
    cost = serves.main[2]
    named = _named(serves.main)
    shapes = _SHAPES
    if serves.sizes is not None:
        each = [("_".join(map(str, sizes)), sizes) for sizes in serves.sizes]
        shapes = tuple((f"{name}_m{m}", sizes, m, 1.0) for name, sizes in each for m in (1, 4))
    own = [
        (
            f"{named}_{name}",
            _random([*sizes], _layers(serves, serves.main, sizes), m, seed=21, scale=scale, cost=cost),
        )
        for name, sizes, m, scale in shapes
    ]
    if serves.sizes is None:
        own.append((f"{named}_sparse", _sparse(_layers(serves, serves.main, (4, 5, 3)), cost)))
    sizes = (4, 5, 3) if serves.sizes is None else max(serves.sizes, key=len)
    own += [
        (_named(pair), _random([*sizes], _layers(serves, pair, sizes), seed=22, cost=pair[2])) for pair in serves.more
    ]
    return PROBLEMS | {name: Scenario(name, "what a plain function serves", make) for name, make in own}


def _named(pair: Pair) -> str:
    return "_".join(pair).replace(" ", "_")


def _layers(serves: Serves, pair: Pair, sizes: tuple[int, ...]) -> list[Activation]:
    """Return the activations of a network with a pair's activations."""
    named = {each.name: each for each in (*serves.hidden, *serves.last)}
    return [*[named[pair[0]]] * (len(sizes) - 2), named[pair[1]]]
