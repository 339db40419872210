"""The gradient in fractions, example by example and neuron by neuron; it shares no code with the library."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

ZERO, ONE, QUARTER = Fraction(0), Fraction(1), Fraction(1, 4)

# Value and slope of the activations that are rational, at a rational point.
RATIONAL = {
    "identity": (lambda z: z, lambda _: ONE),
    "relu": (lambda z: z if z > 0 else ZERO, lambda z: ONE if z > 0 else ZERO),
    "square": (lambda z: z * z, lambda z: 2 * z),
    "leaky": (lambda z: z if z > 0 else QUARTER * z, lambda z: ONE if z > 0 else QUARTER),
}

# For z ≥ 0, at least as large as |value| and |slope| above at ±z: what they are dominated by.
DOMINATING = {name: RATIONAL["square" if name == "square" else "identity"] for name in RATIONAL}


@dataclass
class Exact:
    cost: Fraction
    weights: list
    biases: list
    errors: list
    largest: Fraction


def gradient(weights, biases, names, X, Y, shares, table=RATIONAL):
    """Return C, ∂C/∂w, ∂C/∂b and δ of the quadratic cost; ``names[i][j]`` is the activation of a neuron.

    ``largest`` is the largest number that occurred on the way.
    """
    layers = range(len(weights))
    dW = [[[ZERO for _ in row] for row in matrix] for matrix in weights]
    db = [[ZERO for _ in vector] for vector in biases]
    errors = [[] for _ in layers]
    total, largest = ZERO, ZERO
    for x, y, share in zip(X, Y, shares, strict=True):
        a = [[Fraction(value) for value in x]]
        slopes = []
        for matrix, vector, functions in zip(weights, biases, names, strict=True):
            z = [
                sum((w * value for w, value in zip(row, a[-1], strict=True)), ZERO) + b
                for row, b in zip(matrix, vector, strict=True)
            ]
            slopes.append([table[name][1](value) for name, value in zip(functions, z, strict=True)])
            a.append([table[name][0](value) for name, value in zip(functions, z, strict=True)])
            largest = max([largest, *map(abs, z), *map(abs, a[-1])])
        residual = [output - target for output, target in zip(a[-1], y, strict=True)]
        value = sum((r * r for r in residual), ZERO) / 2
        total += share * value
        delta = [share * r * slope for r, slope in zip(residual, slopes[-1], strict=True)]
        for l in reversed(layers):
            errors[l].append(delta)
            for j, d in enumerate(delta):
                db[l][j] += d
                for k, value_in in enumerate(a[l]):
                    dW[l][j][k] += d * value_in
            if l:
                delta = [
                    sum((weights[l][j][k] * delta[j] for j in range(len(delta))), ZERO) * slopes[l - 1][k]
                    for k in range(len(a[l]))
                ]
            largest = max([largest, *map(abs, delta)])
        largest = max([largest, *map(abs, residual)])
    sums = [abs(entry) for matrix in dW for row in matrix for entry in row]
    return Exact(total, dW, db, errors, max([largest, 2 * total, *sums]))
