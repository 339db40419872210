r"""Jacobians, Hessian products and Gauss–Newton products in fractions, by dual numbers.

With :math:`\varepsilon^2 = 0`, a function of :math:`\theta + \varepsilon v` is its value plus ε times its derivative in
the direction v. So the gradient in fractions at :math:`\theta + \varepsilon v` has the product Hv beside ε, and the
outputs at :math:`x + \varepsilon e_k` have column k of the Jacobian. No equation is differentiated by hand, and no code
is shared with a backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from formulations.arrays import Array, Parameters, quiet
from formulations.functions import Cost
from formulations.network import Network
from formulations.verification.oracles.fractions import (
    Matrix,
    Vector,
    dense_fractions,
    flattened,
    fraction,
    gradient_in_fractions,
    read_in_fractions,
)

__all__ = ["Dual", "exact_gauss_newton_product", "exact_hessian_product", "exact_jacobian"]


@dataclass(frozen=True)
class Dual:
    """real + ε·moved, with ε² = 0; compared by its real part."""

    real: Fraction
    moved: Fraction

    def __add__(self, other: Any) -> Dual:
        real, moved = _parts(other)
        return Dual(self.real + real, self.moved + moved)

    def __sub__(self, other: Any) -> Dual:
        real, moved = _parts(other)
        return Dual(self.real - real, self.moved - moved)

    def __rsub__(self, other: Any) -> Dual:
        real, moved = _parts(other)
        return Dual(real - self.real, moved - self.moved)

    def __mul__(self, other: Any) -> Dual:
        real, moved = _parts(other)
        return Dual(self.real * real, self.real * moved + self.moved * real)

    def __truediv__(self, other: int) -> Dual:
        return Dual(self.real / other, self.moved / other)

    def __gt__(self, other: Any) -> bool:
        return bool(self.real > _parts(other)[0])

    def __lt__(self, other: Any) -> bool:
        return bool(self.real < _parts(other)[0])

    def __abs__(self) -> Fraction:
        """Return the larger of both parts, which is what a computation of both must hold exactly."""
        return max(abs(self.real), abs(self.moved))

    __radd__, __rmul__ = __add__, __mul__


def _parts(number: Any) -> tuple[Any, Any]:
    return (number.real, number.moved) if isinstance(number, Dual) else (number, 0)


@quiet
def exact_jacobian(net: Network, X: Any) -> list[Matrix]:
    """Compute ∂a^L/∂x exactly: ``[x][j][k]`` is ∂a^L_j/∂x_k of example x.

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used.
    Refused
        If an activation is not rational.

    Examples
    --------
    >>> net = Network(weights=[[[1, 2]]], biases=[[0]], activations="square")
    >>> exact_jacobian(net, [[1, 1]]) == [[[6, 12]]]  # 2(x₁ + 2x₂)·(1, 2)
    True
    """
    problem = read_in_fractions(net, X, targets=False)
    found = []
    for x in problem.X:
        columns = []
        for k in range(len(x)):
            moved = [Dual(value, Fraction(k == i)) for i, value in enumerate(x)]
            columns.append([a.moved for a in _outputs(problem.weights, problem.biases, problem.functions, moved)])
        found.append([list(row) for row in zip(*columns, strict=True)])
    return found


@quiet
def exact_hessian_product(
    net: Network, X: Any, Y: Any, v: Array, sample_weight: Any = None, cost: str | Cost = "quadratic"
) -> Vector:
    """Compute the product of the Hessian of the quadratic cost with a direction v, shape (P,), exactly.

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used.
    Refused
        If an activation is not rational.
    """
    problem = read_in_fractions(net, X, Y, sample_weight, cost)
    weights, biases = _moved(problem.weights, problem.biases, net, v)
    found = gradient_in_fractions(weights, biases, problem.functions, problem.X, problem.Y, problem.shares)
    return [_parts(entry)[1] for entry in flattened(found, net)]


@quiet
def exact_gauss_newton_product(
    net: Network, X: Any, Y: Any, v: Array, sample_weight: Any = None, cost: str | Cost = "quadratic"
) -> Vector:
    """Compute the product of the Gauss–Newton matrix of the quadratic cost with a direction exactly.

    Parameters and exceptions are those of :func:`exact_hessian_product`. Since ∇²_aC is the identity, JᵀJv is the
    gradient of a quadratic cost whose targets are Jv below the outputs.
    """
    problem = read_in_fractions(net, X, Y, sample_weight, cost)
    weights, biases = _moved(problem.weights, problem.biases, net, v)
    outputs = [_outputs(weights, biases, problem.functions, x) for x in problem.X]
    targets = [[a.real - a.moved for a in row] for row in outputs]
    found = gradient_in_fractions(
        problem.weights, problem.biases, problem.functions, problem.X, targets, problem.shares
    )
    return flattened(found, net)


def _moved(weights: Sequence[Matrix], biases: Matrix, net: Network, v: Array) -> tuple[list[Any], list[Any]]:
    """Return the parameters plus ε times a direction."""
    direction = Parameters(net.layout, v)
    by_weights, by_biases = dense_fractions(direction.weights), [[fraction(b) for b in row] for row in direction.biases]
    moved = [
        [[Dual(w, d) for w, d in zip(*rows, strict=True)] for rows in zip(*pair, strict=True)]
        for pair in zip(weights, by_weights, strict=True)
    ]
    return moved, [[Dual(b, d) for b, d in zip(*pair, strict=True)] for pair in zip(biases, by_biases, strict=True)]


def _outputs(weights: Any, biases: Any, functions: Any, x: Any) -> Any:
    a = x
    for w, b, layer in zip(weights, biases, functions, strict=True):
        z = [sum((p * q for p, q in zip(row, a, strict=True)), bias) for row, bias in zip(w, b, strict=True)]
        a = [f.value(value) for f, value in zip(layer, z, strict=True)]
    return a
