r"""The recurrence unrolled: each layer's error as one product of matrices.

.. math::

    \delta^l = \Sigma'(z^l) (w^{l+1})^T \cdots \Sigma'(z^{L-1}) (w^L)^T \Sigma'(z^L) \nabla_a C \qquad (35)

Every δ^l starts anew at ∇_aC and is multiplied from right to left, a matrix times a vector each time. A diagonal
matrix in front of a vector scales its entries, so no Σ′ is ever written out. Without sharing what the layers have in
common, L layers cost L(L−1)/2 products where a recurrence takes L−1.

It misleads as a method of computing gradients: it is the explicit form of what (34) does step by step. What it shows
is why deep networks have vanishing or exploding gradients: δ^l is a product of all that lies behind layer l.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2, Equation (35).

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="product").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

from collections.abc import Sequence

from formulations.contract import Backend, Prediction, Tier, forward_multiplications
from formulations.network import Network
from formulations.parameters import Array
from formulations.tape import Tape

__all__ = ["Product"]


class Product(Backend):
    """Each δ^l as the whole product of Equation (35), from right to left."""

    name = "product"
    summary = "the recurrence unrolled into one product for each layer"
    equations = ("35", "BP3", "BP4")
    tier = Tier.PRODUCT

    def errors(self, tape: Tape) -> Sequence[Array]:
        """Return δ², …, δ^L, each by its own product (35)."""
        last = len(tape.slopes) + 1
        return [self._unrolled(tape, l) for l in range(2, last + 1)]

    def _unrolled(self, tape: Tape, l: int) -> Array:
        delta = tape.fused_output_error()
        factors = range(len(tape.slopes), l - 1, -1)
        product = tape.cost_gradient * tape.slopes[-1] if delta is None else delta.copy()
        for k in factors:
            product = tape.slopes[k - 2] * (product @ tape.network.weights[k - 1])
        return product

    def predict(self, network: Network, m: int) -> Prediction:
        """Predict that a weight matrix w^k is used by each of the k − 2 layers before it."""
        layout = network.layout
        backward = sum(
            i * (weights.stop - weights.start) + (i + 1) * rows
            for i, ((weights, _), (rows, _)) in enumerate(zip(layout.slices, layout.shapes, strict=True))
        )
        return Prediction(
            multiplications=2 * forward_multiplications(network, m) + m * backward,
            bytes=5 * m * layout.neuron_count * network.dtype.itemsize,
            forward_passes=1,
            calls=8 * len(layout.shapes) + len(layout.shapes) ** 2,
        )
