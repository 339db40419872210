"""The exact gradient in fractions, by code that it shares with no backend.

If the activations and the cost of a network are rational functions, every derivative is a rational number. Floats are
rational numbers, so the gradient is computed exactly, by the chain rule in plain Python over ``fractions.Fraction``:
(23), (BP1), (45), (BP3) and (BP4), one example and one neuron at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import as_real, quiet
from formulations.exceptions import Refused
from formulations.functions import Activation, Cost, Identity, LeakyReLU, Quadratic, ReLU, Square
from formulations.network import Network, check_network

__all__ = [
    "ExactGradient",
    "ExactProblem",
    "Matrix",
    "Rational",
    "Vector",
    "dense_fractions",
    "exact_gradient",
    "flattened",
    "fraction",
    "gradient_in_fractions",
    "rational",
    "read_in_fractions",
]

Vector: TypeAlias = list[Fraction]
Matrix: TypeAlias = list[Vector]

ZERO, ONE = Fraction(0), Fraction(1)


@dataclass(frozen=True)
class Rational:
    """An activation over the rational numbers.

    Attributes
    ----------
    value, slope : callable (Fraction) -> Fraction
        f and f′.
    """

    value: Callable[[Fraction], Fraction]
    slope: Callable[[Fraction], Fraction]


@dataclass(frozen=True, repr=False)
class ExactGradient:
    """A gradient in fractions.

    Attributes
    ----------
    cost : Fraction
        C, the (weighted) mean of the examples' costs.
    weights, biases : list
        ``weights[l-2][j][k]`` is ∂C/∂w^l_jk and ``biases[l-2][j]`` is ∂C/∂b^l_j; of sparse weights, for the whole
        matrix.
    errors : list
        ``errors[l-2][x][j]`` is δ^l_j of example x, including its share of the mean.
    vector : list of Fraction
        All derivatives in the order of ``network.vector``; of sparse weights, for the stored entries only.
    largest : Fraction
        The largest absolute value of all intermediate results. If all are integers up to 2⁵³, float64 rounds nothing.
    """

    cost: Fraction
    weights: list[Matrix]
    biases: list[Vector]
    errors: list[Matrix]
    vector: Vector
    largest: Fraction

    def __repr__(self) -> str:
        return f"<ExactGradient of {len(self.vector)} parameters, cost {float(self.cost):.6g}>"


@quiet
def exact_gradient(
    net: Network, X: Any, Y: Any, cost: str | Cost = "quadratic", sample_weight: Any = None
) -> ExactGradient:
    """Compute the gradient of a network's cost exactly.

    Parameters
    ----------
    net : Network
        The activations may be identity, relu, leaky_relu, square, and PerNeuron of these.
    X : array_like of shape (m, n₁)
        One example a row.
    Y : array_like of shape (m, n_L)
        The targets.
    cost : str or Cost
        The quadratic cost.
    sample_weight : array_like of shape (m,), optional
        Weights of the examples in the mean.

    Returns
    -------
    ExactGradient
        Nested lists of fractions, and one flat list.

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used.
    Refused
        If an activation or the cost is not rational.

    Notes
    -----
    Each float is taken as its exact value; a leaky slope of 0.01 is rounded to the network's dtype first. Numerators
    and denominators grow with every layer, so use this for small networks only.

    Examples
    --------
    >>> from fractions import Fraction
    >>> net = Network(weights=[[[0.1]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
    >>> exact = exact_gradient(net, [[1.0]], [[0.0]])  # C = ½(2w²)² has the derivative 8w³
    >>> exact.weights[0][0][0] == 8 * Fraction(0.1) ** 3, exact.cost == 2 * Fraction(0.1) ** 4
    (True, True)
    """
    problem = read_in_fractions(net, X, Y, sample_weight, cost)
    found = gradient_in_fractions(
        problem.weights, problem.biases, problem.functions, problem.X, problem.Y, problem.shares
    )
    return replace(found, vector=flattened(found, net))


@dataclass(frozen=True)
class ExactProblem:
    """A network with its examples in fractions; its fields are the arguments of :func:`gradient_in_fractions`."""

    weights: list[Matrix]
    biases: Matrix
    functions: list[list[Rational]]
    X: Matrix
    Y: Matrix
    shares: Vector


def read_in_fractions(
    net: Network,
    X: Any,
    Y: Any = None,
    sample_weight: Any = None,
    cost: str | Cost = "quadratic",
    *,
    targets: bool = True,
) -> ExactProblem:
    """Check the arguments of an exact oracle, and return them in fractions; Y may be None without ``targets``."""
    check_network(net)
    X, Y, _, cost = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight, targets=targets)
    if type(cost) is not Quadratic:
        raise Refused(
            f"the exact oracle needs a rational cost, got {cost.name}; pass cost='quadratic', or compare backends "
            "with formulations.compare."
        )
    functions = [
        [_of_neuron(activation, j, l, net.dtype) for j in range(n)]
        for l, (activation, n) in enumerate(zip(net.activations, net.sizes[1:], strict=True), start=2)
    ]
    counts = as_real([1] * len(X) if sample_weight is None else sample_weight, "sample_weight")
    counts = counts.tolist() if counts.dtype.kind in "biu" else counts
    total = sum(map(fraction, counts), ZERO)
    shares = [cost.factor * fraction(count) / total for count in counts]
    y = [] if Y is None else _fractions(Y)
    return ExactProblem(dense_fractions(net.weights), _fractions(net.biases), functions, _fractions(X), y, shares)


def dense_fractions(matrices: Any) -> list[Matrix]:
    """Return dense or sparse matrices as nested lists of fractions."""
    return [_fractions(w.toarray() if issparse(w) else w) for w in matrices]


def flattened(found: ExactGradient, net: Network) -> Vector:
    """Return all derivatives in the order of ``net.vector``; of sparse weights, for the stored entries only."""
    vector: Vector = []
    for matrix, biases, pattern in zip(found.weights, found.biases, net.layout.patterns, strict=True):
        if pattern is None:
            vector += [entry for row in matrix for entry in row]
        else:
            vector += [matrix[j][k] for j, k in zip(pattern.rows, pattern.indices, strict=True)]
        vector += biases
    return vector


def rational(activation: Activation, dtype: Any = "float64") -> Rational | None:
    """Return an element-wise activation over the rational numbers, or None if it is not rational.

    Parameters
    ----------
    activation : Activation
        The activation of one neuron.
    dtype : dtype
        The dtype that a leaky slope is rounded to.
    """
    if isinstance(activation, Identity):
        return Rational(lambda z: z, lambda _: ONE)
    if isinstance(activation, Square):
        return Rational(lambda z: z * z, lambda z: 2 * z)
    if isinstance(activation, ReLU | LeakyReLU):
        left = fraction(np.dtype(dtype).type(getattr(activation, "negative_slope", 0)))
        return Rational(lambda z: z if z > 0 else left * z, lambda z: ONE if z > 0 else left)
    return None


def gradient_in_fractions(
    weights: Sequence[Any],
    biases: Sequence[Any],
    functions: Sequence[Sequence[Rational]],
    X: Sequence[Any],
    Y: Sequence[Any],
    shares: Sequence[Fraction],
) -> ExactGradient:
    """Compute the gradient of the quadratic cost from nested lists of integers or fractions.

    Parameters
    ----------
    weights, biases, functions : sequence
        ``weights[l-2][j][k]``, ``biases[l-2][j]`` and ``functions[l-2][j]`` of neuron j in layer l.
    X, Y : sequence
        Examples and targets, one a row.
    shares : sequence of Fraction
        The share of each example in the cost.

    Returns
    -------
    ExactGradient
        Its flat list has all entries of every matrix.
    """
    layers = range(len(weights))
    dW = [[[ZERO for _ in row] for row in matrix] for matrix in weights]
    db = [[ZERO for _ in vector] for vector in biases]
    errors: list[Matrix] = [[] for _ in layers]
    cost, largest = ZERO, ZERO
    for x, y, share in zip(X, Y, shares, strict=True):
        a: Matrix = [[Fraction(value) for value in x]]
        slopes: Matrix = []
        for w, b, layer in zip(weights, biases, functions, strict=True):
            z = [_dot(row, a[-1]) + bias for row, bias in zip(w, b, strict=True)]
            slopes.append([f.slope(value) for f, value in zip(layer, z, strict=True)])
            a.append([f.value(value) for f, value in zip(layer, z, strict=True)])
            largest = max(largest, *map(abs, z), *map(abs, a[-1]))
        residual = [output - target for output, target in zip(a[-1], y, strict=True)]
        cost += share * _dot(residual, residual) / 2
        delta = [share * r * slope for r, slope in zip(residual, slopes[-1], strict=True)]
        for i in reversed(layers):
            errors[i].append(delta)
            for j, d in enumerate(delta):
                db[i][j] += d
                for k, value in enumerate(a[i]):
                    dW[i][j][k] += d * value
            largest = max(largest, *map(abs, delta))
            if i:
                columns = zip(*weights[i], strict=True)
                delta = [_dot(column, delta) * slope for column, slope in zip(columns, slopes[i - 1], strict=True)]
        largest = max(largest, *map(abs, residual))
    vector = [
        entry for matrix, bias in zip(dW, db, strict=True) for entry in [*(e for row in matrix for e in row), *bias]
    ]
    return ExactGradient(cost, dW, db, errors, vector, max(largest, 2 * cost, *map(abs, vector)))


def _dot(left: Sequence[Any], right: Sequence[Any]) -> Fraction:
    return sum((p * q for p, q in zip(left, right, strict=True)), ZERO)


def _of_neuron(activation: Activation, j: int, l: int, dtype: Any) -> Rational:
    found = rational(activation.neuron(j), dtype)
    if found is None:
        raise Refused(
            f"the exact oracle needs rational activations, got {activation.neuron(j).name} in layer {l}; use identity, "
            "relu, leaky_relu or square, or compare backends with formulations.compare."
        )
    return found


def fraction(number: Any) -> Fraction:
    """Return the exact value of a number."""
    return Fraction(*number.as_integer_ratio())


def _fractions(rows: Any) -> Matrix:
    return [[fraction(number) for number in row] for row in rows]
