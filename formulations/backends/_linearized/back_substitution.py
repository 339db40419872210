r"""Jacobians and curvature as solutions of the system (I − U)δ = e and of its transpose.

.. math::

    (I - U)^T \dot z = r, \quad r^l = \dot w^l a^{l-1} + \dot b^l
        \;\text{or}\; r^{p+1} = w^{p+1} v, \qquad \dot a^q = \Sigma'(z^q)\, \dot z^q

The transposed system is block lower triangular: row by row it is (25) differentiated. For ∂a^q/∂a^p it has n_p
right-hand sides, the unit vectors v, if the Jacobian is computed by columns. By rows, the system itself has n_q,
e^q = Σ′(z^q)ᵀu, and (w^{p+1})ᵀδ^{p+1} is a row. All right-hand sides are solved at once.

The Hessian product is the derivative of the system in a direction:

.. math::

    (I - U)\, \dot\delta = \dot e + \dot U \delta, \qquad
    (\dot U \delta)^l = \dot\Sigma'^T (w^{l+1})^T \delta^{l+1} + \Sigma'(z^l)^T (\dot w^{l+1})^T \delta^{l+1}

where the dot on Σ′ is its change by ż, which the transposed system gives. So a product takes two solutions with the
same matrix. The matrix is factored once, which changes nothing: a unit triangular matrix is its own factor.

As for the gradient, it misleads if timed on dense layers: every example gets a copy of all weights.

Source: A. Edelman, E. Akyürek and Y. Wang, "Backpropagation through Back Substitution with a Backslash", SIAM Journal
on Matrix Analysis and Applications 45(1), 2024.

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.hessian(net, [[1.0]], [[17.0]], backend="back_substitution").to_dense()[0, 0]  # (2·2·3)² + (2·9 − 17)·2·2
np.float64(148.0)
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import scipy

from formulations.arrays import Array, Parameters
from formulations.backends._base import PARAMETERS, Linearization, Where
from formulations.backends._shared import (
    ErrorSystem,
    parameter_sums,
    slope_product,
    stacked_product,
    tangent_gradient,
    tangent_inputs,
    transposed_slope_product,
)
from formulations.functions import curvature_term, through

__all__ = ["BackSubstitutionLinearization"]


class BackSubstitutionLinearization(Linearization):
    """Solutions of one sparse triangular system for all layers and examples."""

    matrix: ClassVar[Literal["U", "I-U"]] = "I-U"

    @cached_property
    def system(self) -> ErrorSystem:
        """The system, filled."""
        network, tape = self.point.network, self.point.tape
        system = ErrorSystem(network, tape, self.matrix)
        system.fill_matrix(network, tape)
        return system

    @cached_property
    def _factored(self) -> Any:
        # Without a permutation the factors are I and the matrix, and nothing is rounded.
        return scipy.sparse.linalg.splu(self.system.matrix.tocsc(), permc_spec="NATURAL", diag_pivot_thresh=0)

    def solve(self, right: Array, *, transposed: bool) -> Array:
        """Return the solutions of the system, or of the transposed one, for k right-hand sides, shape (k, m, N)."""
        solution: Array = self._factored.solve(right.reshape(len(right), -1).T, "T" if transposed else "N")
        return solution.T.reshape(right.shape)

    def push(self, directions: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jv of every direction by the transposed system, shape (k, m, n_of)."""
        tangent_z = self._tangent_z(directions, of, wrt)[..., self.system.parts[of - 2]]
        return slope_product(self.point.slopes[of - 2], tangent_z) if at == "a" else tangent_z

    def pull(self, cotangents: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jᵀu of every cotangent by the system, and for the parameters by (BP3) and (BP4)."""
        e = self._zeros(len(cotangents))
        slope = self.point.slopes[of - 2]
        e[..., self.system.parts[of - 2]] = transposed_slope_product(slope, cotangents) if at == "a" else cotangents
        delta = self.solve(e, transposed=False)
        if wrt == PARAMETERS:
            return parameter_sums(self.point, [delta[..., part] for part in self.system.parts[: of - 1]])
        return stacked_product(delta[..., self.system.parts[wrt - 1]], self.point.network.weights[wrt - 1])

    def hessian_product(self, v: Array) -> Array:
        """Return Hv: the system differentiated in the direction v."""
        point, parts = self.point, self.system.parts
        direction, last = Parameters(point.network.layout, v), point.network.layout.last
        tangent_z = self._by_layers(self._tangent_z(v[None], last, PARAMETERS))
        tangent_a = [slope_product(slope, z[None])[0] for slope, z in zip(point.slopes[:-1], tangent_z, strict=False)]
        right = self._zeros(1)
        if point.output_at == "z":
            right[0, :, parts[-1]] = point.output_curvature(tangent_z[-1])
        else:
            tangent_output = slope_product(point.slopes[-1], tangent_z[-1][None])[0]
            right[0, :, parts[-1]] = through(point.slopes[-1], point.output_curvature(tangent_output))
            right[0, :, parts[-1]] += curvature_term(point.curvatures[-1], tangent_z[-1], point.pulled[-1])
        for l in point.network.hidden_layers:
            i, above = l - 2, point.errors[l - 1] @ direction.weights[l - 1]
            right[0, :, parts[i]] = curvature_term(point.curvatures[i], tangent_z[i], point.pulled[i])
            right[0, :, parts[i]] += through(point.slopes[i], above)
        return tangent_gradient(point, self._by_layers(self.solve(right, transposed=False)), tangent_a)

    def _tangent_z(self, directions: Array, of: int, wrt: Where) -> Array:
        """Return ż of all layers, shape (k, m, N)."""
        right, parts = self._zeros(len(directions)), self.system.parts
        if wrt == PARAMETERS:
            for l in range(2, of + 1):
                right[..., parts[l - 2]] = tangent_inputs(self.point, directions, l)
        else:
            right[..., parts[wrt - 1]] = stacked_product(directions, self.point.network.weights[wrt - 1].T)
        return self.solve(right, transposed=True)

    def _by_layers(self, solution: Array) -> list[Array]:
        return [solution[0, :, part] for part in self.system.parts]

    def _zeros(self, k: int) -> Array:
        return np.zeros((k, self.point.m, self.point.network.layout.neuron_count), self.point.network.dtype)
