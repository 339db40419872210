r"""The diagonals of the Hessian and of the Gauss–Newton matrix, without a product for each parameter.

A weight enters the cost through one weighted input of each example, :math:`\partial z^l_j / \partial w^l_{jk} =
a^{l-1}_k`, which does not depend on the weight. So (BP3) and (BP4) have counterparts for second derivatives:

.. math::

    \frac{\partial^2 C}{\partial (b^l_j)^2} = \sum_x s^l_{xj}, \qquad
    \frac{\partial^2 C}{\partial (w^l_{jk})^2} = \sum_x s^l_{xj} (a^{l-1}_{xk})^2, \qquad
    s^l_{xj} = \frac{\partial^2 C}{\partial (z^l_{xj})^2}.

:math:`s^l` is the diagonal of a sum over the layers with curvature, from l to the output:

.. math::

    \sum_{q \ge l} (J^{ql})^T K^q J^{ql}, \qquad J^{ql} = \frac{\partial z^q}{\partial z^l}, \qquad
    K^q = \mathrm{diag}\left(\sigma''(z^q) \odot g^q\right), \quad g^q = \frac{\partial C}{\partial a^q},

and the curvature of the cost at the output, which is the only term of the Gauss–Newton matrix. For each term, the unit
vector e of every neuron of its layer is pulled down to the lowest layer, and so is Ke unless K is diagonal. That makes
2n_L backward passes for the Gauss–Newton matrix, and one more for each neuron from layer 3 on for the Hessian, instead
of P products.

Source: F. Dangel, F. Kunstner and P. Hennig, "BackPACK: packing more into backprop", ICLR 2020, where the first is
called DiagGGN and the second DiagHessian.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal, NamedTuple

import numpy as np

from formulations.arrays import Array, Parameters
from formulations.backends import Linearization
from formulations.functions import curvature_term, through
from formulations.network import Point, outer_sums

__all__ = ["curvature_diagonal"]

STACK = 2**16
"""The numbers in a stack of unit vectors: several passes share the products of a small layer, and a large one stays
within the memory of a tape."""


class _Kernel(NamedTuple):
    """A symmetric matrix for each example at a^l or z^l: its product with a vector and, if diagonal, its diagonal."""

    l: int
    at: Literal["a", "z"]
    times: Callable[[Array], Array]
    diagonal: Array | None = None


def curvature_diagonal(linearization: Linearization, *, hessian: bool, lowest: int = 2) -> Array:
    """Return the diagonal of the Hessian, or of the Gauss–Newton matrix.

    Parameters
    ----------
    linearization : Linearization
        The Jacobians, one layer each.
    hessian : bool
        Whether to include the curvature of the activations, which makes it the Hessian.
    lowest : int
        The lowest layer that is needed; the entries of the layers below stay 0.

    Returns
    -------
    ndarray of shape (P,)
    """
    point = linearization.point
    second = [np.zeros_like(z) for z in point.tape.weighted_inputs]
    for kernel in _kernels(point, hessian=hessian):
        if kernel.l >= lowest:
            _add(linearization, kernel, second, lowest)
    found = Parameters(point.network.layout, np.zeros_like(point.network.vector))
    for i in range(lowest - 2, len(second)):
        np.sum(second[i], axis=0, out=found.biases[i])
        pattern = point.network.layout.patterns[i]
        squares = np.square(point.tape.activations[i])
        outer_sums(second[i], squares, pattern, out=found.weights[i] if pattern is None else found.weights[i].data)
    return found.vector


def _kernels(point: Point, *, hessian: bool) -> Iterator[_Kernel]:
    """Return the K of the sum: that of the cost, then those of the activations."""
    yield _Kernel(point.network.layout.last, point.output_at, point.output_curvature)
    if not hessian:
        return
    for l, (curvature, g) in enumerate(zip(point.curvatures, point.pulled, strict=True), start=2):
        if isinstance(curvature, np.ndarray):
            term = curvature * g
            yield _Kernel(l, "z", term.__mul__, term)
        elif curvature is not None:
            yield _Kernel(l, "z", partial(curvature_term, curvature, u=g))


def _add(linearization: Linearization, kernel: _Kernel, second: list[Array], lowest: int) -> None:
    """Add the diagonal of JᵀKJ in every layer from ``lowest`` up to that of the kernel."""
    point, (top, at, times, diagonal) = linearization.point, kernel
    if diagonal is not None:
        second[top - 2] += diagonal
        if top == lowest:
            return
    sizes = point.network.sizes
    block = max(1, STACK // (point.m * max(sizes[lowest - 1 :])))
    for start in range(0, sizes[top - 1], block):
        neurons = range(start, min(start + block, sizes[top - 1]))
        units = np.zeros((len(neurons), point.m, sizes[top - 1]), point.network.dtype)
        units[range(len(neurons)), :, neurons] = 1
        # If K is diagonal, its entry k_e contributes k_e times the squares of the entries of Jᵀe.
        both = units if diagonal is not None else np.concatenate([units, [times(v) for v in units]])
        if at == "a":
            both = _through(point, top, both)
        for l in range(top, lowest - 1, -1):
            if l < top:
                both = _through(point, l, linearization.pull(both, l + 1, l, at="z"))
            if diagonal is None:
                second[l - 2] += np.einsum("kmj,kmj->mj", both[: len(neurons)], both[len(neurons) :])
            elif l < top:
                second[l - 2] += np.einsum("mk,kmj,kmj->mj", diagonal[:, neurons], both, both)


def _through(point: Point, l: int, stack: Array) -> Array:
    return np.stack([through(point.slopes[l - 2], v) for v in stack])
