r"""A linear network collapsed into one matrix, and the examples into their moments.

.. math::

    \tilde w^l = \begin{pmatrix} w^l & b^l \\ 0 & 1 \end{pmatrix}, \qquad
    T = w^L \tilde w^{L-1} \cdots \tilde w^2, \qquad
    \begin{pmatrix} \frac{\partial C}{\partial w^l} & \frac{\partial C}{\partial b^l} \end{pmatrix}
        = (w^L \cdots w^{l+1})^T \, (T \Sigma_{xx} - \Sigma_{yx}) \, (\tilde w^{l-1} \cdots \tilde w^2)^T

where the first factor of T is [w^L, b^L], and with the constant unit of biases in :math:`\tilde x = (x, 1)` the
moments are the means :math:`\Sigma_{xx} = \langle \tilde x \tilde x^T \rangle`, shape (n₁ + 1, n₁ + 1), and
:math:`\Sigma_{yx} = \langle y \tilde x^T \rangle`, shape (n_L, n₁ + 1). With σ(z) = z, (23) combines all layers into
the matrix T, and the quadratic cost depends on the examples only through these moments. Once they are computed, nothing
depends on m. There is no δ, since single examples no longer appear. The cost is computed from the outputs T x̃.

It misleads near an exact fit: TΣ_xx − Σ_yx is then the small difference of two large matrices and loses the digits that
they share, while δ^L = a − y loses them only once, in each example. With fewer examples than inputs, the n₁² numbers of
Σ_xx are more than the m·n₁ of X.

Source: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
networks", ICLR 2014, arXiv:1312.6120, for networks without biases.

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations="identity")
>>> fm.gradient(net, [[5.0]], [[29.0]], backend="linear_collapse").weights[0]  # (2·3·5 − 29) · 2 · 5
array([[10.]])
"""

from __future__ import annotations

import numpy as np

from formulations.arrays import Array
from formulations.backends._base import Backend, Estimate, Tier
from formulations.backends._shared import entries, why_not_linear
from formulations.functions import Cost, Quadratic
from formulations.network import Gradient, Network, Tape, outer_sums

__all__ = ["LinearCollapse"]


class LinearCollapse(Backend):
    """The gradient of the quadratic cost of a linear network from moments of the examples."""

    name = "linear_collapse"
    summary = "linear neurons: one matrix, and moments of the examples"
    equations = ("moments",)
    tier = Tier.FORWARD
    linear_in_shares = True
    no_operators = "it replaces the examples by their moments, and a Jacobian belongs to an example"

    def why_not(self, network: Network, cost: Cost) -> str | None:
        """Return the reason if an activation is not the identity or the cost is not quadratic."""
        if reason := why_not_linear(network):
            return reason
        if type(cost) is not Quadratic:
            return f"it needs the quadratic cost, which the moments of the examples determine, and this is {cost.name}"
        return super().why_not(network, cost)

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        """Write [∂C/∂w, ∂C/∂b] of every layer; uses only the examples and the output buffer of the tape."""
        ones = np.ones((tape.m, 1), network.dtype)
        x = np.hstack([tape.X, ones])
        # prefixes[i] = w̃^{l−1} … w̃², l = i + 2: the product of the layers before layer l.
        prefixes = [np.eye(x.shape[1], dtype=network.dtype)]
        for w, b in zip(network.weights[:-1], network.biases[:-1], strict=True):
            prefixes.append(np.vstack([extended(w, b, prefixes[-1]), prefixes[0][-1:]]))
        T = extended(network.weights[-1], network.biases[-1], prefixes[-1])

        np.matmul(x, T.T, out=tape.output)
        tape.forward_passes += 1
        tape.evaluate_cost(gradient=False)

        shared = tape.share_column * x
        pulled = T @ (x.T @ shared) - tape.targets.T @ shared
        for i in reversed(range(len(prefixes))):
            prefix, pattern = prefixes[i], network.layout.patterns[i]
            outer_sums(pulled.T, prefix[:-1].T, pattern, out=entries(gradient.weights[i]))
            np.matmul(pulled, prefix[-1], out=gradient.biases[i])
            if i:
                pulled = network.weights[i].T @ pulled
        gradient.errors = None
        gradient.cost = tape.cost_value

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate the products: of layers by layers, of examples by examples, and of both."""
        sizes, inputs, outputs = network.sizes, network.sizes[0] + 1, network.sizes[-1]
        stored = [weights.stop - weights.start for weights, _ in network.layout.slices]
        prefixes = sum(stored) * inputs
        moments = m * inputs * (1 + inputs + 2 * outputs) + outputs * inputs * inputs
        pulled = sum(stored[1:]) * inputs
        products = (sum(stored) + network.layout.neuron_count) * inputs
        kept = inputs * (sum(sizes[:-1]) + len(sizes) + inputs + 2 * outputs) + 2 * m * inputs
        return Estimate(
            multiplications=prefixes + moments + pulled + products,
            bytes=kept * network.dtype.itemsize,
            forward_passes=1,
            calls=12 + 8 * len(network.activations),
            detail=f"{inputs}×{inputs} and {outputs}×{inputs} moments",
        )


def extended(w: Array, b: Array, prefix: Array) -> Array:
    """Return [w, b] times the product of the layers before; the last row, of the constant unit, adds the bias."""
    product: Array = w @ prefix[:-1]
    product[:, -1] += b
    return product
