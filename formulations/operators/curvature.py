"""Curvature: the Hessian and the Gauss–Newton matrix of the cost in all parameters, as operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array, quiet
from formulations.backends import BackendLike
from formulations.functions import Cost
from formulations.network import Network
from formulations.operators.linear import NetworkOperator, linearized

__all__ = ["CurvatureOperator", "GaussNewtonOperator", "HessianOperator", "gauss_newton", "hessian"]


class CurvatureOperator(NetworkOperator):
    """A symmetric operator of shape (P, P), in the order of ``network.vector``."""

    def products(self, directions: Array, *, transposed: bool) -> Array:  # noqa: ARG002 - it is symmetric
        """Return the products with all rows."""
        return np.stack([self.product(v) for v in directions]) if len(directions) else directions

    def product(self, v: Array) -> Array:
        """Return the product with one vector of shape (P,)."""
        raise NotImplementedError

    def _adjoint(self) -> CurvatureOperator:
        return self

    _transpose = _adjoint


class HessianOperator(CurvatureOperator):
    """∇²C in all parameters; see :func:`hessian`."""

    what = "Hessian"

    def product(self, v: Array) -> Array:
        """Return Hv."""
        return self.linearization.hessian_product(v)


class GaussNewtonOperator(CurvatureOperator):
    """Jᵀ(∇²C)J in all parameters; see :func:`gauss_newton`."""

    what = "Gauss–Newton matrix"

    def product(self, v: Array) -> Array:
        """Return Gv."""
        return self.linearization.gauss_newton_product(v)


@quiet
def hessian(
    net: Network,
    X: Any,
    Y: Any,
    cost: str | Cost = "quadratic",
    backend: BackendLike = None,
    sample_weight: Any = None,
) -> HessianOperator:
    """Return the Hessian of the cost in all weights and biases, as a symmetric linear operator.

    Parameters
    ----------
    net, X, Y, cost, backend, sample_weight
        As in :func:`formulations.gradient`.

    Returns
    -------
    HessianOperator
        Shape (P, P); ``H @ v``, ``H.to_dense()``, and SciPy's solvers.

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used.
    Refused
        If the backend provides no Hessian of this network, or the cost or an activation has no curvature.
    """
    found = linearized(net, X, Y, cost, backend, sample_weight, operator="hessian")
    return HessianOperator(net, found, (net.layout.count,) * 2)


@quiet
def gauss_newton(
    net: Network,
    X: Any,
    Y: Any,
    cost: str | Cost = "quadratic",
    backend: BackendLike = None,
    sample_weight: Any = None,
) -> GaussNewtonOperator:
    """Return the Gauss–Newton matrix of the cost, JᵀBJ, as a symmetric, positive semidefinite linear operator.

    Parameters
    ----------
    net, X, Y, cost, backend, sample_weight
        As in :func:`formulations.gradient`.

    Returns
    -------
    GaussNewtonOperator
        Shape (P, P).

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used.
    Refused
        If the backend provides no Gauss–Newton matrix of this network, or the cost has no curvature.
    """
    found = linearized(net, X, Y, cost, backend, sample_weight, operator="gauss_newton")
    return GaussNewtonOperator(net, found, (net.layout.count,) * 2)
