"""The book's program: one example at a time, as columns, and a sum over the mini-batch, in plain NumPy.

Its σ′ is σ(1 − σ), its results are new arrays, and its sum is divided by m at the end. It uses nothing from this
library, so it takes as long as the chapter's program does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.comparison.race.contestant import Contestant, Kind, Ready, judge_elsewhere
from formulations.data import Problem
from formulations.exceptions import Refused

__all__ = ["BOOK"]


def sigmoid(z: Array) -> Array:
    """Return σ(z) as in the book."""
    result: Array = 1 / (1 + np.exp(-z))
    return result


def sigmoid_prime(z: Array) -> Array:
    """Return σ(z)(1 − σ(z)) as in the book."""
    result: Array = sigmoid(z) * (1 - sigmoid(z))
    return result


def backprop(weights: list[Array], biases: list[Array], x: Array, y: Array) -> tuple[Any, list[Array], list[Array]]:
    """Return C_x, ∂C_x/∂b and ∂C_x/∂w of one example, given as columns, by (25) and (BP1)–(BP4)."""
    activation, activations, zs = x, [x], []
    for w, b in zip(weights, biases, strict=True):
        z = np.dot(w, activation) + b
        zs.append(z)
        activation = sigmoid(z)
        activations.append(activation)
    cost_derivative = activations[-1] - y
    delta = cost_derivative * sigmoid_prime(zs[-1])
    nabla_b, nabla_w = [np.zeros_like(b) for b in biases], [np.zeros_like(w) for w in weights]
    nabla_b[-1], nabla_w[-1] = delta, np.dot(delta, activations[-2].T)
    for l in range(2, len(weights) + 1):
        delta = np.dot(weights[-l + 1].T, delta) * sigmoid_prime(zs[-l])
        nabla_b[-l] = delta
        nabla_w[-l] = np.dot(delta, activations[-l - 1].T)
    return 0.5 * np.sum(cost_derivative * cost_derivative), nabla_b, nabla_w


def _enter(problem: Problem) -> Ready:
    net = problem.network
    if problem.cost != "quadratic" or net.activation_names != "sigmoid":
        raise Refused("the book's program needs sigmoid neurons and the quadratic cost.")
    weights, biases = list(net.weights), [b.reshape(-1, 1) for b in net.biases]
    columns = [(x.reshape(-1, 1), y.reshape(-1, 1)) for x, y in zip(problem.X, problem.Y, strict=True)]
    m = net.dtype.type(len(columns))

    def call() -> tuple[Any, list[Array], list[Array]]:
        cost = net.dtype.type(0)
        nabla_b, nabla_w = [np.zeros_like(b) for b in biases], [np.zeros_like(w) for w in weights]
        for x, y in columns:
            C, delta_nabla_b, delta_nabla_w = backprop(weights, biases, x, y)
            cost = cost + C
            nabla_b = [total + part for total, part in zip(nabla_b, delta_nabla_b, strict=True)]
            nabla_w = [total + part for total, part in zip(nabla_w, delta_nabla_w, strict=True)]
        return cost / m, [b / m for b in nabla_b], [w / m for w in nabla_w]

    def verdict(result: tuple[Any, list[Array], list[Array]]) -> Any:
        cost, nabla_b, nabla_w = result
        parts = [part.ravel() for pair in zip(nabla_w, nabla_b, strict=True) for part in pair]
        return judge_elsewhere(problem, cost, np.concatenate(parts))

    return Ready(call, verdict)


BOOK = Contestant("book's loop", Kind.LOOP, _enter)
"""The chapter's program."""
