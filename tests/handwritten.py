"""Backpropagation as a user writes it: one example at a time, column by column, with a switch for each mistake."""

from __future__ import annotations

import numpy as np

import formulations as fm

SLOPES = {
    "sigmoid": lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    "tanh": lambda z: 1 / np.cosh(z) ** 2,
    "sine": np.cos,
}
VALUES = {"sigmoid": lambda z: 1 / (1 + np.exp(-z)), "tanh": np.tanh, "sine": np.sin}


def gradient(net: fm.Network, X, Y, mistake: str = "", layer: int | None = None, cost: str = "quadratic"):
    """Return (weights, biases) with a mistake in one layer, or in all where none is named."""
    names = [activation.name for activation in net.activations]
    W, m, last = net.weights, len(X), len(net.sizes)
    weights, biases = [0 * w for w in W], [0 * b for b in net.biases]

    def here(name: str, l: int) -> bool:
        return mistake == name and layer in (None, l)

    for x in range(m):
        if (mistake, x) == ("example_dropped", m - 1):
            continue
        zs, activations = [], [X[x]]
        for w, b, name in zip(W, net.biases, names, strict=True):
            zs.append(w @ activations[-1] + b)
            activations.append(VALUES[name](zs[-1]))

        def slope(l: int, zs=zs, activations=activations):
            z, a = zs[l - 2], activations[l - 1]
            if here("slope_missing", l):
                return np.ones_like(z)
            if here("value_for_slope", l):
                return a
            if here("slope_at_activation", l):
                return SLOPES[names[l - 2]](a)
            if here("logistic_slope", l):
                return a * (1 - a)
            if here("slope_of_other_layer", l):
                return SLOPES[names[l - 3]](zs[l - 3])
            return SLOPES[names[l - 2]](z)

        delta = activations[-1] - Y[x]
        if mistake == "factor_two":
            delta = 2 * delta
        if cost == "quadratic":
            delta = delta * slope(last)
        for l in range(last, 1, -1):
            if l < last:
                w = W[l - 1]
                carry = w if here("weights_transposed", l) else w.T
                if here("weights_of_other_layer", l):
                    carry = W[l - 2].T
                delta = (carry @ delta) * slope(l)
                if here("sign_in_layer", l):
                    delta = -delta
            a = activations[l - 2]
            if here("input_of_next_layer", l):
                a = activations[l - 1]
            if l > 2 and here("weighted_input_for_activation", l):
                a = zs[l - 3]
            share = {"sum_for_mean": 1, "mean_twice": m**2}.get(mistake, m)
            if mistake == "one_example":
                weights[l - 2], biases[l - 2] = 0 * weights[l - 2], 0 * biases[l - 2]
            if not here("weights_lost", l):
                weights[l - 2] = weights[l - 2] + np.outer(delta, a) / share
            if not here("biases_lost", l):
                biases[l - 2] = biases[l - 2] + delta / share
    for l in range(2, last + 1):
        if here("gradient_transposed", l):
            weights[l - 2] = weights[l - 2].T
        if here("sign_of_weights", l):
            weights[l - 2] = -weights[l - 2]
        if here("sign_of_biases", l):
            biases[l - 2] = -biases[l - 2]
    if mistake == "sign":
        weights, biases = [-w for w in weights], [-b for b in biases]
    if mistake == "half":
        weights, biases = [w / 2 for w in weights], [b / 2 for b in biases]
    if mistake == "nothing_computed":
        weights, biases = [0 * w for w in weights], [0 * b for b in biases]
    if mistake == "layers_reversed":
        weights, biases = weights[::-1], biases[::-1]
    return weights, biases
