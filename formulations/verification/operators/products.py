r"""Jacobians, Hessian products and Gauss–Newton products, in enclosures.

The reference and its bounds come from one evaluation of

.. math::

    \dot z^l &= \dot w^l a^{l-1} + \dot b^l + w^l \dot a^{l-1}, & \dot a^l &= \Sigma'(z^l)\, \dot z^l \\
    \dot\delta^L &= \Sigma'^T \nabla_a^2 C\, \dot a^L + \dot\Sigma'^T \nabla_a C, &
    \dot\delta^l &= \Sigma'^T \left((\dot w^{l+1})^T \delta^{l+1} + (w^{l+1})^T \dot\delta^{l+1}\right)
                    + \dot\Sigma'^T (w^{l+1})^T \delta^{l+1}

and :math:`(Hv)_w = \dot\delta a^T + \delta \dot a^T`, :math:`(Hv)_b = \dot\delta`. A Gauss–Newton product lacks
the terms with :math:`\dot\Sigma'` and those with δ. No code is shared with the formulations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from formulations.arrays import Array
from formulations.functions import Softmax
from formulations.verification.operators.enclosed_point import EnclosedPoint
from formulations.verification.operators.enclosures import Arithmetic, Enclosure, Weights

__all__ = ["PRODUCTS", "curved", "gauss_newton_product", "hessian_product", "jacobian", "pulled_back", "tangents"]

Known = TypeVar("Known")

Parts = list[tuple[Enclosure, Enclosure]]
"""The parts of a vector of parameters that belong to the weights and to the biases of each layer."""


def jacobian(enclosed: EnclosedPoint, arithmetic: Arithmetic) -> Enclosure:
    """Return ∂a^L/∂x of every example, shape (m, n_L, n₁), multiplied from the narrowest layer to both ends."""
    sizes = enclosed.network.sizes
    narrow = max(l for l, n in enumerate(sizes, start=1) if n == min(sizes))
    units = [_unit(enclosed, arithmetic, sizes[narrow - 1], j) for j in range(sizes[narrow - 1])]
    if narrow == 1:
        return _stacked([_pushed(enclosed, arithmetic, unit, narrow) for unit in units], axis=2)
    below = _stacked([_pulled(enclosed, arithmetic, unit, narrow) for unit in units], axis=1)
    if narrow == enclosed.last:
        return below
    above = _stacked([_pushed(enclosed, arithmetic, unit, narrow) for unit in units], axis=2)
    return arithmetic.chain(above, below)


def _unit(enclosed: EnclosedPoint, arithmetic: Arithmetic, n: int, j: int) -> Enclosure:
    """Return the unit vector e_j for each example, shape (m, n)."""
    unit = np.zeros((len(enclosed.activations[0].value), n), enclosed.precision.wide)
    unit[:, j] = 1
    return arithmetic.exact(unit)


def _pulled(enclosed: EnclosedPoint, arithmetic: Arithmetic, u: Enclosure, of: int) -> Enclosure:
    """Return Jᵀu, where J = ∂a^of/∂x."""
    for l in range(of, 1, -1):
        u = arithmetic.weigh(_back(enclosed, arithmetic, l, u), enclosed.weights(l))
    return u


def _pushed(enclosed: EnclosedPoint, arithmetic: Arithmetic, v: Enclosure, wrt: int) -> Enclosure:
    """Return Jv, where J = ∂a^L/∂a^wrt."""
    for l in range(wrt + 1, enclosed.last + 1):
        slope, of_d = enclosed.slopes[l - 2]
        v = arithmetic.apply(slope, of_d, arithmetic.weigh(v, enclosed.weights(l).mT), transposed=False)
    return v


def _stacked(vectors: list[Enclosure], axis: int) -> Enclosure:
    """Return vectors of shape (m, n) as the rows or columns of a matrix for each example."""
    parts = ([getattr(vector, part) for vector in vectors] for part in ("value", "size", "error"))
    return Enclosure(*(np.stack(arrays, axis=axis) for arrays in parts))


def hessian_product(enclosed: EnclosedPoint, arithmetic: Arithmetic, v: Array) -> Parts:
    """Return Hv for v of shape (P,), layer by layer."""
    tangent_z, tangent_a = tangents(enclosed, arithmetic, v)
    direction, output = enclosed.direction(v), _known(enclosed.output)
    if enclosed.combined is None:
        delta = _back(enclosed, arithmetic, enclosed.last, output)
        at_output = _back(enclosed, arithmetic, enclosed.last, curved(enclosed, arithmetic, tangent_a[-1]))
        moved = arithmetic.sum(at_output, _curvature_term(enclosed, arithmetic, enclosed.last, tangent_z[-1], output))
    else:
        delta, moved = output, curved(enclosed, arithmetic, tangent_z[-1])
    parts: Parts = []
    for l in range(enclosed.last, 1, -1):
        layout, below = enclosed.network.layout, enclosed.activations[l - 2]
        weights = arithmetic.outer(moved, below, layout, l - 2)
        if l > 2:
            weights = arithmetic.sum(weights, arithmetic.outer(delta, tangent_a[l - 3], layout, l - 2))
        parts.append((weights, arithmetic.total(moved)))
        if l > 2:
            g = arithmetic.weigh(delta, enclosed.weights(l))
            along = Weights.of(direction.weights[l - 2], enclosed.precision)
            tangent_g = arithmetic.sum(arithmetic.weigh(moved, enclosed.weights(l)), arithmetic.weigh(delta, along))
            term = _curvature_term(enclosed, arithmetic, l - 1, tangent_z[l - 3], g)
            moved = arithmetic.sum(_back(enclosed, arithmetic, l - 1, tangent_g), term)
            delta = _back(enclosed, arithmetic, l - 1, g)
    return parts[::-1]


def gauss_newton_product(enclosed: EnclosedPoint, arithmetic: Arithmetic, v: Array) -> Parts:
    """Return JᵀBJv for v of shape (P,), layer by layer; B is ∇²C at a^L, or at z^L if they are combined."""
    tangent_z, tangent_a = tangents(enclosed, arithmetic, v)
    moved = tangent_a[-1] if enclosed.combined is None else tangent_z[-1]
    return pulled_back(enclosed, arithmetic, curved(enclosed, arithmetic, moved))


def pulled_back(enclosed: EnclosedPoint, arithmetic: Arithmetic, u: Enclosure) -> Parts:
    """Return Jᵀu, layer by layer, where J is that of a^L, or of z^L if cost and output are combined."""
    moved = _back(enclosed, arithmetic, enclosed.last, u) if enclosed.combined is None else u
    parts: Parts = []
    for l in range(enclosed.last, 1, -1):
        weights = arithmetic.outer(moved, enclosed.activations[l - 2], enclosed.network.layout, l - 2)
        parts.append((weights, arithmetic.total(moved)))
        if l > 2:
            moved = _back(enclosed, arithmetic, l - 1, arithmetic.weigh(moved, enclosed.weights(l)))
    return parts[::-1]


PRODUCTS: dict[str, Callable[[EnclosedPoint, Arithmetic, Array], Parts]] = {
    "hessian": hessian_product,
    "gauss_newton": gauss_newton_product,
}
"""The products with a direction, by the name of the operator."""


def tangents(enclosed: EnclosedPoint, arithmetic: Arithmetic, v: Array) -> tuple[list[Enclosure], list[Enclosure]]:
    """Return ż², …, ż^L and ȧ², …, ȧ^L."""
    direction = enclosed.direction(v)
    tangent_z: list[Enclosure] = []
    tangent_a: list[Enclosure] = []
    for l in range(2, enclosed.last + 1):
        along = Weights.of(direction.weights[l - 2], enclosed.precision)
        bias = np.broadcast_to(direction.biases[l - 2], (len(enclosed.activations[0].value), along.value.shape[0]))
        terms = [arithmetic.weigh(enclosed.activations[l - 2], along.mT), arithmetic.exact(bias)]
        if l > 2:
            terms.append(arithmetic.weigh(tangent_a[-1], enclosed.weights(l).mT))
        tangent_z.append(arithmetic.sum(*terms))
        slope, of_d = enclosed.slopes[l - 2]
        tangent_a.append(arithmetic.apply(slope, of_d, tangent_z[-1], transposed=False))
    return tangent_z, tangent_a


def _back(enclosed: EnclosedPoint, arithmetic: Arithmetic, l: int, u: Enclosure) -> Enclosure:
    """Return Σ′(z^l)ᵀu."""
    slope, of_d = enclosed.slopes[l - 2]
    return arithmetic.apply(slope, of_d, u, transposed=True)


def curved(enclosed: EnclosedPoint, arithmetic: Arithmetic, moved: Enclosure) -> Enclosure:
    """Return each example's share of ∇²C times ȧ^L, or times ż^L if cost and output are combined."""
    if enclosed.combined is None:
        curvature, error = _known(enclosed.cost)
        product = arithmetic.apply(curvature, error, moved, transposed=False)
    else:
        product = _back(enclosed, arithmetic, enclosed.last, moved)
        if enclosed.combined.complement is not None:
            product = arithmetic.multiply(product, arithmetic.exact(_known(enclosed.targets)))
        elif enclosed.combined.scale is not None:
            scale = arithmetic.exact(enclosed.combined.scale(_known(enclosed.targets)))
            # s(y) is itself a sum over the outputs.
            product = arithmetic.multiply(product, scale, roundings=enclosed.network.sizes[-1] + 2)
    return arithmetic.multiply(product, arithmetic.exact(_known(enclosed.shares)), roundings=5)


def _curvature_term(
    enclosed: EnclosedPoint, arithmetic: Arithmetic, l: int, tangent_z: Enclosure, u: Enclosure
) -> Enclosure:
    """Return the derivative of Σ′(z^l)ᵀu in the direction ż^l."""
    curvature = enclosed.curvatures[l - 2]
    if curvature is not None:
        return arithmetic.multiply(arithmetic.multiply(curvature, tangent_z), u)
    activation, a, (slope, of_d) = (
        enclosed.network.activations[l - 2],
        enclosed.activations[l - 1],
        enclosed.slopes[l - 2],
    )
    if isinstance(activation, Softmax):
        # Σ′ is diag(a) − aaᵀ, and a moves by Σ′ż.
        moved = arithmetic.apply(slope, of_d, tangent_z, transposed=False)
        return arithmetic.sum(
            arithmetic.multiply(moved, u),
            -arithmetic.multiply(moved, arithmetic.dot(a, u)),
            -arithmetic.multiply(a, arithmetic.dot(moved, u)),
        )
    # The rounding of a user-defined coupled activation's curvature is unknown.
    z = enclosed.weighted_inputs[l - 2]
    value = activation.curvature_at(z, activation.value(z)).product(tangent_z.value, u.value)
    unknown = np.full(value.shape, np.inf, enclosed.precision.working)
    return Enclosure(value, np.abs(value).astype(enclosed.precision.working), unknown)


def _known(found: Known | None) -> Known:
    assert found is not None, "a point without targets has Jacobians only"
    return found
