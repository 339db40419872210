"""The gradient in fifty digits, by mpmath, from which relative errors are measured.

It computes (25) and (BP1)–(BP4) as the book writes them, one example and one component at a time. The activations are
written from their definitions, and share no code with those that are measured.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import Array
from formulations.exceptions import Refused, needs
from formulations.functions import (
    ACTIVATIONS,
    Activation,
    BinaryCrossEntropy,
    Cost,
    LeakyReLU,
    LogLikelihood,
    Quadratic,
    Softmax,
    get_cost,
    is_built_in,
)
from formulations.network import Network

__all__ = ["OracleGradient", "gradient_in_digits"]

DIGITS = 50


class OracleGradient:
    """A gradient in many digits, and the same sums with absolute values.

    Attributes
    ----------
    vector : list of mpf
        ∂C/∂w and ∂C/∂b in the order of ``network.vector``.
    absolute : list of mpf
        g_abs: the same with |w|, |σ′|, |∇_aC| and |a| in every product and sum of the backward pass.
    """

    def __init__(self, vector: list[Any], absolute: list[Any]) -> None:
        self.vector = vector
        self.absolute = absolute

    def condition(self) -> float:
        r"""Return the largest g_abs over the largest \|g\|: what cancellation may cost the backward pass."""
        largest = max(map(abs, self.vector), default=0)
        return float(max(self.absolute) / largest) if largest else float("inf")


def gradient_in_digits(
    net: Network, X: Array, Y: Array, cost: str | Cost = "quadratic", sample_weight: Any = None, digits: int = DIGITS
) -> OracleGradient:
    """Compute the gradient in many digits.

    Parameters
    ----------
    net : Network
        With built-in activations.
    X, Y : ndarray of shape (m, n₁) and (m, n_L)
        The examples.
    cost : str or Cost
        A built-in cost.
    sample_weight : array_like of shape (m,), optional
        Weights of the examples in the mean.
    digits : int
        The number of decimal digits.

    Returns
    -------
    OracleGradient

    Raises
    ------
    Refused
        If an activation or the cost is not built-in, and so has no definition in fifty digits.
    MissingExtra
        If mpmath is not installed.
    """
    mp: Any = needs("accuracy", "mpmath", "a gradient in fifty digits").mp.clone()
    mp.dps = digits
    cost = get_cost(cost)
    X, Y, _, _ = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight)
    weights = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
    shares = [_exact(mp, w) for w in weights]
    total = sum(shares)
    layers = [_Layer(mp, net, i) for i in range(len(net.weights))]
    sums = [mp.mpf(0)] * net.layout.count
    sizes = [mp.mpf(0)] * net.layout.count
    for x, y, share in zip(X, Y, shares, strict=True):
        _add_example(mp, net, layers, cost, ([_exact(mp, v) for v in x], [_exact(mp, v) for v in y]), share / total,
                     (sums, sizes))  # fmt: skip
    return OracleGradient(sums, sizes)


class _Layer:
    """One layer's stored weights by rows, its biases, and its activation."""

    def __init__(self, mp: Any, net: Network, i: int) -> None:
        matrix, pattern = net.weights[i], net.layout.patterns[i]
        rows, columns = net.layout.shapes[i]
        entries = matrix.data if issparse(matrix) else matrix.ravel()
        places = (
            zip(pattern.rows, pattern.indices, strict=True)
            if pattern is not None
            else ((j, k) for j in range(rows) for k in range(columns))
        )
        self.places = [(int(j), int(k)) for j, k in places]
        self.entries = [_exact(mp, w) for w in entries]
        self.biases = [_exact(mp, b) for b in net.biases[i]]
        self.columns = columns
        self.activation = net.activations[i]
        for function in self.activation.functions:
            if not is_built_in(function):
                raise Refused(
                    f"fifty digits need built-in activations, got {function.name}, which has no definition here."
                )
        self.softmax = isinstance(self.activation, Softmax)
        self.functions = [] if self.softmax else [_function(mp, self.activation.neuron(j)) for j in range(rows)]

    def weigh(self, a: list[Any]) -> list[Any]:
        """Return z = wa + b."""
        z = list(self.biases)
        for (j, k), w in zip(self.places, self.entries, strict=True):
            z[j] += w * a[k]
        return z

    def activate(self, mp: Any, z: list[Any]) -> tuple[list[Any], list[Any]]:
        """Return a and the slopes; for softmax a alone, which determines Σ′."""
        if self.softmax:
            largest = max(z)
            powers = [mp.exp(v - largest) for v in z]
            total = sum(powers)
            return [p / total for p in powers], []
        pairs = [function(v) for function, v in zip(self.functions, z, strict=True)]
        return [a for a, _ in pairs], [d for _, d in pairs]

    def back(self, a: list[Any], slopes: list[Any], v: list[Any], absolute: bool) -> list[Any]:
        """Return Σ′ᵀv, or the same with absolute values."""
        if not self.softmax:
            return [(abs(d) if absolute else d) * each for d, each in zip(slopes, v, strict=True)]
        overlap = sum(p * each for p, each in zip(a, v, strict=True))
        return [p * (each + overlap if absolute else each - overlap) for p, each in zip(a, v, strict=True)]

    def pull(self, mp: Any, delta: list[Any], absolute: bool) -> list[Any]:
        """Return wᵀδ, or the same with absolute values."""
        pulled = [mp.mpf(0)] * self.columns
        for (j, k), w in zip(self.places, self.entries, strict=True):
            pulled[k] += (abs(w) if absolute else w) * delta[j]
        return pulled


def _add_example(
    mp: Any, net: Network, layers: list[_Layer], cost: Cost, example: Any, share: Any, results: Any
) -> None:
    x, y = example
    activations, slopes = [x], []
    for layer in layers:
        a, d = layer.activate(mp, layer.weigh(activations[-1]))
        activations.append(a)
        slopes.append(d)
    for absolute, result in enumerate(results):
        delta = _output_error(layers[-1], cost, activations[-1], slopes[-1], y, bool(absolute))
        delta = [share * each for each in delta]
        for i in range(len(layers) - 1, -1, -1):
            of_weights, of_biases = net.layout.slices[i]
            a = [abs(each) for each in activations[i]] if absolute else activations[i]
            for place, (j, k) in zip(range(of_weights.start, of_weights.stop), layers[i].places, strict=True):
                result[place] += delta[j] * a[k]
            for place, each in zip(range(of_biases.start, of_biases.stop), delta, strict=True):
                result[place] += each
            if i:
                pulled = layers[i].pull(mp, delta, bool(absolute))
                delta = layers[i - 1].back(activations[i], slopes[i - 1], pulled, bool(absolute))


def _output_error(layer: _Layer, cost: Cost, a: list[Any], d: list[Any], y: list[Any], absolute: bool) -> Any:
    pairs = list(zip(a, y, strict=True))
    if type(cost) is Quadratic:
        G = [abs(p - t) if absolute else p - t for p, t in pairs]
    elif type(cost) is LogLikelihood:
        if layer.softmax:
            total = sum(y)
            return [abs(p * total - t) if absolute else p * total - t for p, t in pairs]
        G = [t / p if absolute else -t / p for p, t in pairs]
    elif type(cost) is BinaryCrossEntropy:
        if layer.activation == ACTIVATIONS["sigmoid"]:
            return [abs(p - t) if absolute else p - t for p, t in pairs]
        G = [abs((p - t) / (p * (1 - p))) if absolute else (p - t) / (p * (1 - p)) for p, t in pairs]
    else:
        raise Refused(f"fifty digits need a built-in cost, got {cost.name}, which has no definition here.")
    return layer.back(a, d, G, absolute)


def _exact(mp: Any, x: Any) -> Any:
    """Return the exact value of a float of any dtype."""
    mantissa, exponent = np.frexp(np.longdouble(x))
    high = float(mantissa)
    return mp.ldexp(mp.mpf(high) + mp.mpf(float(mantissa - np.longdouble(high))), int(exponent))


def _function(mp: Any, activation: Activation) -> Callable[[Any], tuple[Any, Any]]:
    """Return z ↦ (σ(z), σ′(z)); at a kink, the slope from the left."""
    if isinstance(activation, LeakyReLU):
        nu = _exact(mp, activation.negative_slope)
        return lambda z: (z, mp.mpf(1)) if z > 0 else (nu * z, nu)
    table: dict[str, Callable[[Any], tuple[Any, Any]]] = {
        "identity": lambda z: (z, mp.mpf(1)),
        "square": lambda z: (z * z, 2 * z),
        "sine": lambda z: (mp.sin(z), mp.cos(z)),
        "relu": lambda z: (z, mp.mpf(1)) if z > 0 else (mp.mpf(0), mp.mpf(0)),
        "elu": lambda z: (z, mp.mpf(1)) if z > 0 else (mp.expm1(z), mp.exp(z)),
        "tanh": lambda z: (mp.tanh(z), mp.sech(z) ** 2),
        "sigmoid": lambda z: (1 / (1 + mp.exp(-z)), mp.exp(-z) / (1 + mp.exp(-z)) ** 2),
        "softplus": lambda z: (mp.log1p(mp.exp(z)), 1 / (1 + mp.exp(-z))),
        "silu": lambda z: (z / (1 + mp.exp(-z)), (1 + mp.exp(-z) + z * mp.exp(-z)) / (1 + mp.exp(-z)) ** 2),
        "gelu": lambda z: (
            z * mp.erfc(-z / mp.sqrt(2)) / 2,
            mp.erfc(-z / mp.sqrt(2)) / 2 + z * mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi),
        ),
    }
    return table[activation.name]
