r"""Jacobians by differences of outputs, and the Hessian by differences of gradients.

.. math::

    J v \approx \frac{a(\theta + h v) - a(\theta - h v)}{2h}, \qquad
    H v \approx \frac{\nabla C(\theta + h v) - \nabla C(\theta - h v)}{2h}

for ``scheme="central"``; ``"forward"`` and ``"richardson"`` mean the same as for gradients. A
product Jv takes as many forward passes as the scheme has evaluations, and Hv as many gradients by (BP1)–(BP4): two. The
step moves no parameter, or activation of a layer, further than the scheme's rule allows it alone. The transposed
product takes the quotients along all unit vectors.

The Hessian needs neither σ″ nor ∇²C, and so checks those of the other formulations. The Gauss–Newton product takes ∇²C
from the cost, since its outputs may have no room for a step.

It misleads if all its digits are trusted: ``central`` loses a third of them, as for the gradient, and across a kink the
quotient of a gradient belongs to neither side. The matrix of H is symmetric up to these errors only.

Source: J. Nocedal and S. J. Wright, *Numerical Optimization*, 2nd edition, section 8.1.

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> H = fm.hessian(net, [[1.0]], [[17.0]], backend="finite_difference").to_dense()
>>> print(f"{H[0, 0]:.6f}")  # (2·2·3)² + (2·9 − 17)·2·2
148.000000
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

from formulations.arrays import Array, Parameters
from formulations.backends._base import PARAMETERS, Where, derivative_along
from formulations.backends._shared import ForwardLinearization, errors_by_recurrence
from formulations.network import Network, Point, Tape, forward

if TYPE_CHECKING:
    from formulations.backends._base import Backend

__all__ = ["FiniteDifferenceLinearization"]


class FiniteDifferenceLinearization(ForwardLinearization):
    """Difference quotients of outputs and of gradients.

    Parameters
    ----------
    point, backend : Point, Backend
        As for every linearisation.
    scheme, step : str, float or None
        Those of :class:`~formulations.backends.finite_difference.FiniteDifference`.
    """

    def __init__(self, point: Point, backend: Backend, scheme: str, step: float | None) -> None:
        super().__init__(point, backend)
        self._scheme = scheme
        self._step = step

    def push(self, directions: Array, of: int, wrt: Where, at: Literal["a", "z"] = "a") -> Array:
        """Return Jv of every direction by forward passes from both ends of a step, shape (k, m, n_of)."""
        network, activations = self.point.network, self.point.tape.activations
        if wrt == PARAMETERS:
            moved = np.empty((len(directions), self.point.m, network.sizes[of - 1]), network.dtype)
            for v, out in zip(directions, moved, strict=True):
                out[...] = self._along(
                    lambda theta: _values(network.with_vector(theta), activations[0], 1, of, at), network.vector, v
                )
            return moved
        rows = directions.reshape(-1, directions.shape[-1])
        below = np.tile(activations[wrt - 1], (len(directions), 1))
        return self._along(lambda a: _values(network, a, wrt, of, at), below, rows).reshape(*directions.shape[:2], -1)

    def hessian_product(self, v: Array) -> Array:
        """Return Hv by the gradients at both ends of a step."""
        return self._along(self._gradient, self.point.network.vector, v)

    def _along(self, f: Callable[[Array], Array], at: Array, v: Array) -> Array:
        return derivative_along(f, at, v, self._scheme, self._step)

    def _gradient(self, theta: Array) -> Array:
        """Return ∇C at other parameters, shape (P,)."""
        network, tape = self.point.network.with_vector(theta), self.point.tape
        perturbed = Tape(network, tape.cost, tape.m)
        perturbed.load(tape.X, tape.Y, tape.shares)
        forward(network, perturbed)
        gradient = Parameters(network.layout, np.empty_like(theta))
        perturbed.collect(errors_by_recurrence(network, perturbed), gradient)
        return gradient.vector


def _values(network: Network, a: Array, wrt: int, of: int, at: Literal["a", "z"]) -> Array:
    """Return a^of or z^of from a^wrt, by (25)."""
    for l in range(wrt + 1, of + 1):
        z: Array = a @ network.weights[l - 2].T
        z += network.biases[l - 2]
        if l == of and at == "z":
            return z
        a = np.empty_like(z)
        network.activations[l - 2].evaluate(z, a)
    return a
