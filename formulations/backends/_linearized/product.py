r"""Jacobians as whole products of the factors of each layer, in brackets by choice.

.. math::

    \frac{\partial a^q}{\partial a^p} = J^q J^{q-1} \cdots J^{p+1}, \qquad J^l = \Sigma'(z^l) w^l

A product with k vectors is one with k more columns at the right end, or k rows at the left. The backend's option
``order`` sets its brackets: ``reverse`` multiplies from the output, and is the cheapest if the vectors stand there;
``forward`` multiplies from the input; ``optimal`` has the fewest multiplications, by the matrix-chain recurrence. Only
brackets that do not start at the vectors form matrices, one for each example. A Jacobian itself has no vector at
either end, and its order is the argument of :func:`formulations.jacobian`. It matters most if a layer between is much
narrower than both ends: through the bottleneck of the autoencoder 784-256-64-16-64-256-784, the optimal order takes 11
times fewer multiplications than either of the others.

For the parameters, every layer has its own product, and shares no factors with those of the others:

.. math::

    \dot a^q = \sum_l \frac{\partial a^q}{\partial a^l} \Sigma'(z^l) (\dot w^l a^{l-1} + \dot b^l)

It misleads as a method for vectors: a recurrence takes each factor once. It is how a Jacobian is read: its norm is at
most the product of those of the factors, and its rank at most the width of the narrowest layer.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2, Equation (35); Griewank and Naumann, "Accumulating
Jacobians as chained matrix products", Mathematical Programming 95, 2003.

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.jacobian(net, [[1.0]], backend="product")  # 2 · 2·3 · 3
array([[[36.]]])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from formulations.arrays import Array
from formulations.backends._base import PARAMETERS, Linearization, Where
from formulations.backends._shared import (
    JacobianFactors,
    JacobianProduct,
    parameter_sums,
    slope_product,
    tangent_inputs,
    transposed_slope_product,
)
from formulations.network import Point

if TYPE_CHECKING:
    from formulations.backends._base import Backend

__all__ = ["ProductLinearization"]


class ProductLinearization(Linearization):
    """Whole products of factors, with vectors at an end.

    Parameters
    ----------
    point, backend : Point, Backend
        As for every linearisation.
    order : {"reverse", "forward", "optimal"}
        The brackets of the products with vectors.
    """

    def __init__(self, point: Point, backend: Backend, order: Literal["reverse", "forward", "optimal"]) -> None:
        super().__init__(point, backend)
        self._order = order

    def push(self, directions: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jv of every direction as one product, or as a sum of one for each layer of parameters."""
        if wrt != PARAMETERS:
            return self._pushed(directions, of, wrt, at)
        product = tangent_inputs(self.point, directions, of)
        if at == "a":
            product = slope_product(self.point.slopes[of - 2], product)
        for l in range(2, of):
            moved = slope_product(self.point.slopes[l - 2], tangent_inputs(self.point, directions, l))
            product += self._pushed(moved, of, l, at)
        return product

    def pull(self, cotangents: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jᵀu of every cotangent as one product; for the parameters, one for each layer, and (BP3) and (BP4)."""
        if wrt != PARAMETERS:
            return self._pulled(cotangents, of, wrt, at)
        slopes = self.point.slopes
        errors = [transposed_slope_product(slopes[l - 2], self._pulled(cotangents, of, l, at)) for l in range(2, of)]
        errors.append(transposed_slope_product(slopes[of - 2], cotangents) if at == "a" else cotangents)
        return parameter_sums(self.point, errors)

    def _pushed(self, directions: Array, of: int, wrt: int, at: Literal["a", "z"]) -> Array:
        """Return the factors times the directions, shape (k, m, n_of)."""
        vectors = np.array(directions.transpose(1, 0, 2), order="C")
        factors = JacobianFactors(self.point.network, of, wrt, at=at, directions=len(directions))
        return JacobianProduct(factors, self.point.tape, self._order, directions=vectors)().transpose(2, 0, 1)

    def _pulled(self, cotangents: Array, of: int, wrt: int, at: Literal["a", "z"]) -> Array:
        """Return the cotangents times the factors, shape (k, m, n_wrt)."""
        vectors = np.array(cotangents.transpose(1, 0, 2), order="C")
        factors = JacobianFactors(self.point.network, of, wrt, at=at, cotangents=len(cotangents))
        return JacobianProduct(factors, self.point.tape, self._order, cotangents=vectors)().transpose(1, 0, 2)
