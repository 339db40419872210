"""A linearisation: a backend's derivatives of a network at a point, as products with vectors.

A backend is one formulation of the gradient; its linearisation is the same formulation of Jacobians and of curvature.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

import numpy as np

from formulations.arrays import Array
from formulations.network import Point

if TYPE_CHECKING:
    from formulations.backends._base.contract import Backend

__all__ = ["OPERATORS", "PARAMETERS", "Linearization", "Where"]

OPERATORS = ("jacobian", "hessian", "gauss_newton")
"""The operators that a backend may provide."""

PARAMETERS: Literal["parameters"] = "parameters"
"""The ``wrt`` of a derivative with respect to all weights and biases."""

Where = int | Literal["parameters"]
"""A layer, counted from 1 for the input, or all parameters."""


class Linearization(ABC):
    """The derivatives of a network at a point, in one formulation.

    Directions and cotangents are stacked: k of them form the first axis, and the examples follow. P is the number of
    all parameters, weights and biases.

    Parameters
    ----------
    point : Point
        The parameters and the examples.
    backend : Backend
        The backend, with its options.
    """

    def __init__(self, point: Point, backend: Backend) -> None:
        self.point = point
        self.backend = backend

    @abstractmethod
    def push(self, directions: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jv of every direction, shape (k, m, n_of), where J = ∂a^of/∂wrt.

        Parameters
        ----------
        directions : ndarray of shape (k, m, n_wrt), or (k, P) for parameters
            The directions v: one for each example in a layer, or one for all examples in the parameters.
        of : int
            The layer that is differentiated.
        wrt : int or "parameters"
            A lower layer, or all parameters.
        at : {"a", "z"}
            Whether to differentiate a^of or z^of.
        """

    @abstractmethod
    def pull(self, cotangents: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jᵀu of every cotangent, shape (k, m, n_wrt), or (k, P), summed over the examples, for parameters.

        Parameters
        ----------
        cotangents : ndarray of shape (k, m, n_of)
            The cotangents u.
        of, wrt, at
            As in :meth:`push`.
        """

    def jacobian(self, of: int, wrt: int, order: str = "optimal") -> Array:
        """Return ∂a^of/∂a^wrt of every example, shape (m, n_of, n_wrt).

        By default, this is what the backend prepares for a plan, or else the products with all unit vectors.

        Parameters
        ----------
        of, wrt : int
            The layers.
        order : {"optimal", "reverse", "forward"}
            From the output, row by row; from the input, column by column; or the order with the fewest
            multiplications.
        """
        prepared = self.backend.prepare_jacobian(self.point.tape, of, wrt, order)
        if prepared is not None:
            return prepared()
        sizes, m, dtype = self.point.network.sizes, self.point.m, self.point.network.dtype
        orders = self.backend.orders
        forward = "reverse" not in orders or ("forward" in orders and sizes[wrt - 1] < sizes[of - 1])
        if order != "optimal":
            forward = order == "forward"
        n = sizes[wrt - 1] if forward else sizes[of - 1]
        units = np.broadcast_to(np.eye(n, dtype=dtype)[:, None], (n, m, n))
        if forward:
            return self.push(units, of, wrt).transpose(1, 2, 0)
        return self.pull(units, of, wrt).transpose(1, 0, 2)

    def hessian_product(self, v: Array) -> Array:
        """Return Hv, shape (P,), where H is the Hessian of C with respect to the parameters, v of shape (P,)."""
        raise NotImplementedError(f"backend {self.backend.name!r} must define hessian_product(v).")

    def gauss_newton_product(self, v: Array) -> Array:
        """Return JᵀBJv, shape (P,), for v of shape (P,), where B is the curvature of the cost at a^L or z^L."""
        last, at = self.point.network.layout.last, self.point.output_at
        curved = self.point.output_curvature(self.push(v[None], last, PARAMETERS, at)[0])
        product: Array = self.pull(curved[None], last, PARAMETERS, at)[0]
        return product
