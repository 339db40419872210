r"""Forward mode: the derivative in the direction of each parameter, by a forward pass of tangents.

.. math::

    \dot z^l = a^{l-1}_k e_j \;\text{for}\; w^l_{jk}, \quad \dot z^l = e_j \;\text{for}\; b^l_j; \qquad
    \dot a^l = \Sigma'(z^l)\, \dot z^l, \quad \dot z^{l+1} = w^{l+1} \dot a^l; \qquad
    \frac{\partial C}{\partial w^l_{jk}} = \nabla_a C \cdot \dot a^L

A pass in one direction is a product of the network's Jacobian matrix with a vector. Each parameter has its own
direction, so the gradient takes P + N passes, while the backward pass is only one. Many passes are stacked and run
together. Nothing is transposed, even if an activation is coupled. The bias b^l_j changes only z^l_j, by 1, so its
derivative for a single example is that example's δ^l_j.

It misleads as an alternative to backpropagation: it is the same chain rule, bracketed from the input, which is better
only if there are more outputs than parameters, and a cost is a single output.

Source: A. Griewank and A. Walther, *Evaluating Derivatives*, 2nd edition, chapter 3, "Fundamentals of Forward and
Reverse".

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="tangent").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.backends._base import (
    OPERATORS,
    PARAMETERS,
    Backend,
    Estimate,
    Linearization,
    Tier,
    Where,
    forward_multiplications,
    tape_bytes,
)
from formulations.functions import CoupledSlope
from formulations.network import Gradient, Network, Point, Tape, forward

__all__ = ["Tangent"]

BLOCK = 2**18
"""The numbers of ż in one block, which fit the cache and keep memory independent of P."""


class Tangent(Backend):
    """The gradient by one tangent pass for every parameter."""

    name = "tangent"
    summary = "forward mode, one pass for each parameter"
    equations = ("25", "tangent", "BP3")
    tier = Tier.PRODUCT
    linear_in_shares = True
    operators = OPERATORS
    orders = ("forward",)

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write the derivatives in the directions of all parameters."""
        forward(network, tape)
        output_error = tape.combined_output_error()
        layers = zip(network.layout.slices, network.layout.shapes, network.layout.patterns, strict=True)
        for l, ((of_weights, of_biases), (rows, columns), pattern) in enumerate(layers, start=2):
            weights, below = gradient.vector[of_weights], tape.activations[l - 2]
            for part in _blocks(network, tape, weights.size):
                j, k = divmod(np.arange(part.start, part.stop), columns)
                if pattern is not None:
                    j, k = pattern.rows[part], pattern.indices[part]
                weights[part] = _derivatives(network, tape, l, j, below[:, k], output_error).sum(axis=1)
            biases, delta = gradient.vector[of_biases], np.empty((tape.m, rows), network.dtype)
            for part in _blocks(network, tape, rows):
                j = np.arange(part.start, part.stop)
                delta[:, part] = _derivatives(
                    network, tape, l, j, np.ones((tape.m, j.size), network.dtype), output_error
                ).T
            np.add.reduce(delta, axis=0, out=biases)
            # A combined δ^L is still in its buffer, and the directions of the last biases reproduce it.
            tape.errors[l - 2][...] = delta
        gradient.errors = tuple(tape.errors)
        gradient.cost = tape.cost_value

    def linearize(self, point: Point) -> Linearization:
        """Return Jacobians and curvature by passes of tangents."""
        from formulations.backends._linearized import TangentLinearization

        return TangentLinearization(point, self)

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate a pass through the layers above for every parameter."""
        layout = network.layout
        widths = zip(layout.sizes[1:], network.activations, strict=True)
        slopes = [activation.slope_entries(n) for n, activation in widths]
        # A pass from ż^l on: the slopes from there on, the weights above, and ∇_aC.
        pass_cost, total = layout.sizes[-1], 0
        for (weights, biases), (above, _), slope in zip(
            layout.slices[::-1], (*layout.slices[1:], (slice(0, 0), 0))[::-1], slopes[::-1], strict=True
        ):
            pass_cost += slope + above.stop - above.start
            total += (biases.stop - weights.start) * pass_cost
        directions = min(_block_size(m, layout.sizes), layout.count)
        blocks = sum(-(-(biases.stop - weights.start) // directions) + 1 for weights, biases in layout.slices)
        coupled = any(activation.coupled for activation in network.activations)
        return Estimate(
            multiplications=forward_multiplications(network, m) + m * total,
            bytes=tape_bytes(network, m) + 4 * directions * m * max(layout.sizes) * network.dtype.itemsize,
            forward_passes=1,
            calls=(3 * len(layout.shapes) + 10) * blocks + (6 * layout.count * len(layout.shapes) if coupled else 0),
            other_passes=(layout.count, "tangent"),
            detail=f"{layout.count:,} tangent passes",
        )

    def estimate_operator(self, operator: str, network: Network, m: int, wrt: Where = PARAMETERS) -> Estimate:
        """Estimate three products where a pass of tangents has one, for the twofold tangents of a Hessian."""
        if operator == "hessian":
            return self.estimate(network, m).times(3)
        return super().estimate_operator(operator, network, m, wrt)


def _derivatives(network: Network, tape: Tape, l: int, j: Array, amounts: Array, output_error: Array | None) -> Array:
    """Return each example's derivatives in directions that change neurons j of layer l, shape (directions, m).

    ``amounts`` is ż^l_j for each example and direction, shape (m, directions).
    """
    tangent = np.zeros((j.size, tape.m, network.layout.sizes[l - 1]), network.dtype)
    tangent[np.arange(j.size), :, j] = amounts.T
    for i in range(l - 2, len(tape.slopes) - 1):
        tangent = _times(tape.slopes[i], tangent)
        above = network.weights[i + 1]
        tangent = (tangent.reshape(-1, above.shape[1]) @ above.T).reshape(j.size, tape.m, -1)
    if output_error is None:
        output_error, tangent = tape.cost_gradient, _times(tape.slopes[-1], tangent)
    derivatives: Array = np.einsum("dmn,mn->dm", tangent, output_error)
    return derivatives


def _times(slope: Any, tangents: Array) -> Array:
    """Return Σ′ż for each direction, shape (directions, m, n)."""
    if isinstance(slope, CoupledSlope):
        return np.stack([slope @ tangent for tangent in tangents])
    tangents *= slope
    return tangents


def _block_size(m: int, sizes: tuple[int, ...]) -> int:
    return max(1, BLOCK // (m * max(sizes)))


def _blocks(network: Network, tape: Tape, count: int) -> Iterator[slice]:
    """Yield slices of the directions in one block."""
    size = _block_size(tape.m, network.layout.sizes)
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
