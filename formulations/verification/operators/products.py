r"""Jacobians, Hessian products and Gauss–Newton products, in enclosures.

The reference and its bounds come from one evaluation of

.. math::

    \dot z^l &= \dot w^l a^{l-1} + \dot b^l + w^l \dot a^{l-1}, & \dot a^l &= \Sigma'(z^l)\, \dot z^l \\
    \dot\delta^L &= \Sigma'^T \nabla_a^2 C\, \dot a^L + \dot\Sigma'^T \nabla_a C, &
    \dot\delta^l &= \Sigma'^T \left((\dot w^{l+1})^T \delta^{l+1} + (w^{l+1})^T \dot\delta^{l+1}\right)
                    + \dot\Sigma'^T (w^{l+1})^T \delta^{l+1}

and :math:`(Hv)_w = \dot\delta a^T + \delta \dot a^T`, :math:`(Hv)_b = \dot\delta`. A Gauss–Newton product has neither
the terms with :math:`\dot\Sigma'` nor those with δ. No code is shared with the formulations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from formulations.arrays import Array
from formulations.functions import Softmax
from formulations.verification.operators.enclosures import Arithmetic, Enclosure, Weights
from formulations.verification.operators.place import Place

__all__ = ["PRODUCTS", "curved", "gauss_newton_product", "hessian_product", "jacobian", "pulled_back", "tangents"]

Known = TypeVar("Known")

Parts = list[tuple[Enclosure, Enclosure]]
"""The parts of a vector of parameters that belong to the weights and to the biases of each layer."""


def jacobian(place: Place, arithmetic: Arithmetic) -> Enclosure:
    """Return ∂a^L/∂x of every example, shape (m, n_L, n₁), multiplied from the narrowest layer to both ends."""
    sizes = place.network.sizes
    narrow = max(l for l, n in enumerate(sizes, start=1) if n == min(sizes))
    units = [_unit(place, arithmetic, sizes[narrow - 1], j) for j in range(sizes[narrow - 1])]
    if narrow == 1:
        return _stacked([_pushed(place, arithmetic, unit, narrow) for unit in units], axis=2)
    below = _stacked([_pulled(place, arithmetic, unit, narrow) for unit in units], axis=1)
    if narrow == place.last:
        return below
    above = _stacked([_pushed(place, arithmetic, unit, narrow) for unit in units], axis=2)
    return arithmetic.chain(above, below)


def _unit(place: Place, arithmetic: Arithmetic, n: int, j: int) -> Enclosure:
    """Return the unit vector e_j for each example, shape (m, n)."""
    unit = np.zeros((len(place.activations[0].value), n), place.precision.wide)
    unit[:, j] = 1
    return arithmetic.exact(unit)


def _pulled(place: Place, arithmetic: Arithmetic, u: Enclosure, of: int) -> Enclosure:
    """Return Jᵀu, where J is that of a^of by the inputs."""
    for l in range(of, 1, -1):
        u = arithmetic.weigh(_back(place, arithmetic, l, u), place.weights(l))
    return u


def _pushed(place: Place, arithmetic: Arithmetic, v: Enclosure, wrt: int) -> Enclosure:
    """Return Jv, where J is that of a^L by a^wrt."""
    for l in range(wrt + 1, place.last + 1):
        slope, of_d = place.slopes[l - 2]
        v = arithmetic.apply(slope, of_d, arithmetic.weigh(v, place.weights(l).mT), transposed=False)
    return v


def _stacked(vectors: list[Enclosure], axis: int) -> Enclosure:
    """Return vectors of shape (m, n) as the rows or columns of a matrix for each example."""
    parts = ([getattr(vector, part) for vector in vectors] for part in ("value", "size", "error"))
    return Enclosure(*(np.stack(arrays, axis=axis) for arrays in parts))


def hessian_product(place: Place, arithmetic: Arithmetic, v: Array) -> Parts:
    """Return Hv for v of shape (P,), layer by layer."""
    moved_z, moved_a = tangents(place, arithmetic, v)
    direction, output = place.direction(v), _known(place.output)
    if place.combined is None:
        delta = _back(place, arithmetic, place.last, output)
        at_output = _back(place, arithmetic, place.last, curved(place, arithmetic, moved_a[-1]))
        moved = arithmetic.sum(at_output, _bent(place, arithmetic, place.last, moved_z[-1], output))
    else:
        delta, moved = output, curved(place, arithmetic, moved_z[-1])
    parts: Parts = []
    for l in range(place.last, 1, -1):
        layout, below = place.network.layout, place.activations[l - 2]
        weights = arithmetic.outer(moved, below, layout, l - 2)
        if l > 2:
            weights = arithmetic.sum(weights, arithmetic.outer(delta, moved_a[l - 3], layout, l - 2))
        parts.append((weights, arithmetic.total(moved)))
        if l > 2:
            g = arithmetic.weigh(delta, place.weights(l))
            along = Weights.of(direction.weights[l - 2], place.precision)
            moved_g = arithmetic.sum(arithmetic.weigh(moved, place.weights(l)), arithmetic.weigh(delta, along))
            bent = _bent(place, arithmetic, l - 1, moved_z[l - 3], g)
            moved = arithmetic.sum(_back(place, arithmetic, l - 1, moved_g), bent)
            delta = _back(place, arithmetic, l - 1, g)
    return parts[::-1]


def gauss_newton_product(place: Place, arithmetic: Arithmetic, v: Array) -> Parts:
    """Return JᵀBJv for v of shape (P,), layer by layer; B is ∇²C in a^L, or in z^L if they are combined."""
    moved_z, moved_a = tangents(place, arithmetic, v)
    moved = moved_a[-1] if place.combined is None else moved_z[-1]
    return pulled_back(place, arithmetic, curved(place, arithmetic, moved))


def pulled_back(place: Place, arithmetic: Arithmetic, u: Enclosure) -> Parts:
    """Return Jᵀu, layer by layer, where J is that of a^L, or of z^L if cost and output are combined."""
    moved = _back(place, arithmetic, place.last, u) if place.combined is None else u
    parts: Parts = []
    for l in range(place.last, 1, -1):
        weights = arithmetic.outer(moved, place.activations[l - 2], place.network.layout, l - 2)
        parts.append((weights, arithmetic.total(moved)))
        if l > 2:
            moved = _back(place, arithmetic, l - 1, arithmetic.weigh(moved, place.weights(l)))
    return parts[::-1]


PRODUCTS: dict[str, Callable[[Place, Arithmetic, Array], Parts]] = {
    "hessian": hessian_product,
    "gauss_newton": gauss_newton_product,
}
"""The products with a direction, by the name of the operator."""


def tangents(place: Place, arithmetic: Arithmetic, v: Array) -> tuple[list[Enclosure], list[Enclosure]]:
    """Return ż², …, ż^L and ȧ², …, ȧ^L."""
    direction = place.direction(v)
    moved_z: list[Enclosure] = []
    moved_a: list[Enclosure] = []
    for l in range(2, place.last + 1):
        along = Weights.of(direction.weights[l - 2], place.precision)
        bias = np.broadcast_to(direction.biases[l - 2], (len(place.activations[0].value), along.value.shape[0]))
        terms = [arithmetic.weigh(place.activations[l - 2], along.mT), arithmetic.exact(bias)]
        if l > 2:
            terms.append(arithmetic.weigh(moved_a[-1], place.weights(l).mT))
        moved_z.append(arithmetic.sum(*terms))
        slope, of_d = place.slopes[l - 2]
        moved_a.append(arithmetic.apply(slope, of_d, moved_z[-1], transposed=False))
    return moved_z, moved_a


def _back(place: Place, arithmetic: Arithmetic, l: int, u: Enclosure) -> Enclosure:
    """Return Σ′(z^l)ᵀu."""
    slope, of_d = place.slopes[l - 2]
    return arithmetic.apply(slope, of_d, u, transposed=True)


def curved(place: Place, arithmetic: Arithmetic, moved: Enclosure) -> Enclosure:
    """Return each example's share of ∇²C times ȧ^L, or times ż^L if cost and output are combined."""
    if place.combined is None:
        curvature, error = _known(place.cost)
        product = arithmetic.apply(curvature, error, moved, transposed=False)
    else:
        product = _back(place, arithmetic, place.last, moved)
        if place.combined.complement is not None:
            product = arithmetic.multiply(product, arithmetic.exact(_known(place.targets)))
        elif place.combined.scale is not None:
            scale = arithmetic.exact(place.combined.scale(_known(place.targets)))
            # s(y) is itself a sum over the outputs.
            product = arithmetic.multiply(product, scale, roundings=place.network.sizes[-1] + 2)
    return arithmetic.multiply(product, arithmetic.exact(_known(place.shares)), roundings=5)


def _bent(place: Place, arithmetic: Arithmetic, l: int, moved_z: Enclosure, u: Enclosure) -> Enclosure:
    """Return the derivative of Σ′(z^l)ᵀu in the direction ż^l."""
    curvature = place.curvatures[l - 2]
    if curvature is not None:
        return arithmetic.multiply(arithmetic.multiply(curvature, moved_z), u)
    activation, a, (slope, of_d) = place.network.activations[l - 2], place.activations[l - 1], place.slopes[l - 2]
    if isinstance(activation, Softmax):
        # Σ′ is diag(a) − aaᵀ, and a moves by Σ′ż.
        moved = arithmetic.apply(slope, of_d, moved_z, transposed=False)
        return arithmetic.sum(
            arithmetic.multiply(moved, u),
            -arithmetic.multiply(moved, arithmetic.dot(a, u)),
            -arithmetic.multiply(a, arithmetic.dot(moved, u)),
        )
    # What a user-defined coupled activation loses in its curvature is not known.
    z = place.weighted_inputs[l - 2]
    value = activation.curvature_at(z, activation.value(z)).product(moved_z.value, u.value)
    unknown = np.full(value.shape, np.inf, place.precision.working)
    return Enclosure(value, np.abs(value).astype(place.precision.working), unknown)


def _known(found: Known | None) -> Known:
    assert found is not None, "a place without targets has Jacobians only"
    return found
