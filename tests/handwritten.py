"""Backpropagation as a user writes it: one example at a time, column by column, sharing no code with the library."""

from __future__ import annotations

import numpy as np

import formulations as fm

SLOPES = {
    "sigmoid": lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    "tanh": lambda z: 1 / np.cosh(z) ** 2,
    "sine": np.cos,
}
VALUES = {"sigmoid": lambda z: 1 / (1 + np.exp(-z)), "tanh": np.tanh, "sine": np.sin}


def gradient(net: fm.Network, X, Y, cost: str = "quadratic"):
    """Return (weights, biases)."""
    names = [activation.name for activation in net.activations]
    weights, biases = [0 * w for w in net.weights], [0 * b for b in net.biases]
    for x, y in zip(X, Y, strict=True):
        zs, activations = [], [x]
        for w, b, name in zip(net.weights, net.biases, names, strict=True):
            zs.append(w @ activations[-1] + b)
            activations.append(VALUES[name](zs[-1]))
        delta = activations[-1] - y
        if cost == "quadratic":
            delta = delta * SLOPES[names[-1]](zs[-1])
        for i in reversed(range(len(weights))):
            weights[i] += np.outer(delta, activations[i]) / len(X)
            biases[i] += delta / len(X)
            if i > 0:
                delta = (net.weights[i].T @ delta) * SLOPES[names[i - 1]](zs[i - 1])
    return weights, biases
