"""The gradient in fifty digits, by mpmath, from which relative errors are measured.

It computes (25) and (BP1)–(BP4) as the book writes them, one example and one component at a time. The activations are
written from their definitions, and share no code with those that are measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

__all__ = ["OracleGradient", "gradient_in_digits", "in_precision", "jacobian_in_digits", "product_in_digits"]

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
        """Return the largest g_abs over the largest |g|: what cancellation may cost the backward pass."""
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
    problem = _Problem(net, X, Y, get_cost(cost), sample_weight, digits)
    return problem.gradient(problem.layers())


def jacobian_in_digits(net: Network, X: Array) -> list[list[list[Any]]]:
    """Compute ∂a^L/∂x of every example in fifty digits: ``[x][j][k]`` is ∂a^L_j/∂x_k.

    Parameters and exceptions are those of :func:`gradient_in_digits`. With a hundred and fifty digits, and a step of
    10^−50, a central difference of the outputs is right to a hundred. No unit may lie on a kink.
    """
    problem = _Problem(net, X, np.zeros((len(X), net.sizes[-1]), net.dtype), get_cost("quadratic"), None, 3 * DIGITS)
    layers, h, found = problem.layers(), problem.mp.mpf(10) ** -DIGITS, []
    for x, _, _ in problem.examples:
        columns = []
        for k in range(len(x)):
            ends = [problem.outputs(layers, [*x[:k], x[k] + sign * h, *x[k + 1 :]])[1] for sign in (1, -1)]
            columns.append([(ahead - behind) / (2 * h) for ahead, behind in zip(*ends, strict=True)])
        found.append([list(row) for row in zip(*columns, strict=True)])
    return found


def product_in_digits(
    net: Network,
    X: Array,
    Y: Array,
    v: Array,
    operator: str = "hessian",
    cost: str | Cost = "quadratic",
    sample_weight: Any = None,
) -> list[Any]:
    """Compute the product of the Hessian or the Gauss–Newton matrix with a direction v, shape (P,), in fifty digits.

    A Hessian product is the central difference of the gradient along v, a Gauss–Newton product that of the outputs,
    then of the cost's gradient, taken back through the network; no second derivative is written down. Otherwise it is
    as :func:`jacobian_in_digits`.

    Parameters
    ----------
    v : ndarray of shape (P,)
        The direction.
    operator : {"hessian", "gauss_newton"}
        The matrix.
    net, X, Y, cost, sample_weight
        As in :func:`gradient_in_digits`.
    """
    problem = _Problem(net, X, Y, get_cost(cost), sample_weight, 3 * DIGITS)
    mp, h = problem.mp, problem.mp.mpf(10) ** -DIGITS
    steps = [h * _exact(mp, each) for each in v]
    ends = [problem.layers([sign * step for step in steps]) for sign in (1, -1)]

    def along(pair: Any) -> list[Any]:
        return [(ahead - behind) / (2 * h) for ahead, behind in zip(*pair, strict=True)]

    if operator == "hessian":
        return along([problem.gradient(layers).vector for layers in ends])
    layers, sums = problem.layers(), [mp.mpf(0)] * net.layout.count
    combined = problem.cost.combined(net.activations[-1]) is not None
    for x, y, share in problem.examples:
        activations, slopes = problem.passed(layers, x)
        z = layers[-1].weighted_inputs(activations[-2])
        tangent_z, tangent_a = (along(pair) for pair in zip(*(problem.outputs(end, x) for end in ends), strict=True))
        if combined:
            places = [[at + sign * h * each for at, each in zip(z, tangent_z, strict=True)] for sign in (1, -1)]
            delta = along([_output_error(layers[-1], problem.cost, *layers[-1].activate(mp, at), y) for at in places])
        else:
            places = [
                [at + sign * h * each for at, each in zip(activations[-1], tangent_a, strict=True)] for sign in (1, -1)
            ]
            curved = along([_cost_gradient(problem.cost, at, y) for at in places])
            delta = layers[-1].back(activations[-1], slopes[-1], curved, False)
        problem.collect(layers, activations, slopes, [share * each for each in delta], sums)
    return sums


def in_precision(numbers: Any, dtype: np.dtype[Any]) -> Array:
    """Return nested lists of numbers in many digits as an array, each rounded once."""
    if not isinstance(numbers, list):
        # NumPy reads a decimal with all digits of its dtype; a few more than it has are enough.
        return np.asarray(dtype.type(str(numbers)))
    return np.stack([in_precision(number, dtype) for number in numbers])


class _Problem:
    """A network's layers and examples in many digits."""

    def __init__(self, net: Network, X: Array, Y: Array, cost: Cost, sample_weight: Any, digits: int) -> None:
        self.mp: Any = needs("accuracy", "mpmath", "a derivative in fifty digits").mp.clone()
        self.mp.dps = digits
        self.net, self.cost = net, cost
        X, Y, _, _ = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight)
        weights = [
            _exact(self.mp, w) for w in (np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight))
        ]
        total, factor = sum(weights), self.mp.mpf(cost.factor.numerator) / cost.factor.denominator
        self.examples = [
            ([_exact(self.mp, number) for number in x], [_exact(self.mp, number) for number in y], factor * w / total)
            for x, y, w in zip(X, Y, weights, strict=True)
        ]

    def layers(self, moved: Sequence[Any] | None = None) -> list[_Layer]:
        """Return the layers, moved by a step of the parameters if one is given."""
        return [_Layer(self.mp, self.net, i, moved) for i in range(len(self.net.weights))]

    def passed(self, layers: list[_Layer], x: list[Any]) -> tuple[list[Any], list[Any]]:
        """Return the activations and slopes of one example."""
        activations, slopes = [x], []
        for layer in layers:
            a, d = layer.activate(self.mp, layer.weighted_inputs(activations[-1]))
            activations.append(a)
            slopes.append(d)
        return activations, slopes

    def outputs(self, layers: list[_Layer], x: list[Any]) -> tuple[list[Any], list[Any]]:
        """Return z^L and a^L of one example."""
        activations, _ = self.passed(layers, x)
        return layers[-1].weighted_inputs(activations[-2]), activations[-1]

    def gradient(self, layers: list[_Layer]) -> OracleGradient:
        """Return the gradient, and the same with absolute values."""
        results = [[self.mp.mpf(0)] * self.net.layout.count for _ in range(2)]
        for x, y, share in self.examples:
            activations, slopes = self.passed(layers, x)
            for absolute, result in enumerate(results):
                delta = _output_error(layers[-1], self.cost, activations[-1], slopes[-1], y, bool(absolute))
                self.collect(layers, activations, slopes, [share * each for each in delta], result, bool(absolute))
        return OracleGradient(*results)

    def collect(
        self,
        layers: list[_Layer],
        activations: list[Any],
        slopes: list[Any],
        delta: list[Any],
        result: list[Any],
        absolute: bool = False,
    ) -> None:
        """Add to ``result`` what (BP2), (BP3) and (BP4) make of one example's δ^L."""
        for i in range(len(layers) - 1, -1, -1):
            of_weights, of_biases = self.net.layout.slices[i]
            a = [abs(each) for each in activations[i]] if absolute else activations[i]
            for place, (j, k) in zip(range(of_weights.start, of_weights.stop), layers[i].places, strict=True):
                result[place] += delta[j] * a[k]
            for place, each in zip(range(of_biases.start, of_biases.stop), delta, strict=True):
                result[place] += each
            if i:
                pulled = layers[i].pull(self.mp, delta, absolute)
                delta = layers[i - 1].back(activations[i], slopes[i - 1], pulled, absolute)


class _Layer:
    """One layer's stored weights by rows, its biases, and its activation."""

    def __init__(self, mp: Any, net: Network, i: int, moved: Sequence[Any] | None = None) -> None:
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
        if moved is not None:
            self.entries, self.biases = (
                [number + step for number, step in zip(numbers, moved[part], strict=True)]
                for numbers, part in zip((self.entries, self.biases), net.layout.slices[i], strict=True)
            )
        self.columns = columns
        self.activation = net.activations[i]
        for function in self.activation.functions:
            if not is_built_in(function):
                raise Refused(
                    f"fifty digits need built-in activations, got {function.name}, which has no definition here."
                )
        self.softmax = isinstance(self.activation, Softmax)
        self.functions = [] if self.softmax else [_function(mp, self.activation.neuron(j)) for j in range(rows)]

    def weighted_inputs(self, a: list[Any]) -> list[Any]:
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


def _output_error(
    layer: _Layer, cost: Cost, a: list[Any], d: list[Any], y: list[Any], absolute: bool = False
) -> list[Any]:
    """Return δ^L of one example, by the combined form if there is one."""
    pairs = list(zip(a, y, strict=True))
    if type(cost) is LogLikelihood and layer.softmax:
        total = sum(y)
        return [abs(p * total - t) if absolute else p * total - t for p, t in pairs]
    if type(cost) is BinaryCrossEntropy and layer.activation == ACTIVATIONS["sigmoid"]:
        return [abs(p - t) if absolute else p - t for p, t in pairs]
    return layer.back(a, d, _cost_gradient(cost, a, y, absolute), absolute)


def _cost_gradient(cost: Cost, a: list[Any], y: list[Any], absolute: bool = False) -> list[Any]:
    """Return ∇_aC of one example, or its absolute values."""
    pairs = list(zip(a, y, strict=True))
    if type(cost) is Quadratic:
        G = [p - t for p, t in pairs]
    elif type(cost) is LogLikelihood:
        G = [-t / p for p, t in pairs]
    elif type(cost) is BinaryCrossEntropy:
        G = [(p - t) / (p * (1 - p)) for p, t in pairs]
    else:
        raise Refused(f"fifty digits need a built-in cost, got {cost.name}, which has no definition here.")
    return [abs(each) for each in G] if absolute else G


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
