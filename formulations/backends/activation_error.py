r"""The error with respect to the activations, which layered code passes from layer to layer.

.. math::

    g^L &= \nabla_a C                                                          \\
    \delta^l &= g^l \odot \sigma'(z^l), \qquad g^{l-1} = (w^l)^T \delta^l

With :math:`g^l = \partial C / \partial a^l`, of shape (m, n_l), a layer receives the derivative with respect to
its output and returns that with respect to its input, without knowing the layers above; layered code is built this way.
The products are those of (BP1) and (BP2), so the arithmetic is that of the Hadamard form, bit for bit. Keeping g of the
hidden layers takes as much memory as keeping their δ. A coupled slope acts as Σ′ᵀ.

It misleads if g is taken for the chapter's error: at a saturated neuron g may be large while δ is 0, and (BP3) and
(BP4) hold only for δ.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2, where the demon changes z rather than a, and the text
says that ∂C/∂a would serve as well, with slightly longer formulas.

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="activation_error").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from formulations.arrays import Array
from formulations.backends._base import Backend, Estimate, Tier
from formulations.network import Network, Tape

__all__ = ["ActivationError"]


class ActivationError(Backend):
    """∂C/∂a passed from layer to layer, and δ computed from it."""

    name = "activation_error"
    summary = "∂C/∂a passed from layer to layer"
    equations = ("activation", "BP1", "BP2", "BP3", "BP4")
    tier = Tier.RECURRENCE
    linear_in_shares = True
    variant_of = "hadamard"
    no_operators = "it multiplies by σ′ one step later than hadamard, so its operators would be hadamard's"

    def prepare(self, network: Network, tape: Tape) -> list[Array]:  # noqa: ARG002
        """Return a buffer for g², …, g^{L−1}, each of shape (m, n_l)."""
        return [np.empty_like(delta) for delta in tape.errors[:-1]]

    def errors(self, network: Network, tape: Tape) -> Sequence[Array]:
        """Return δ^l = g^l ⊙ σ′(z^l), keeping g^{L−1}, …, g² in the workspace."""
        delta = tape.output_error()
        for l in network.hidden_layers:
            g = tape.workspace[l - 2]
            np.copyto(g, tape.pull_back(l, delta))
            delta = tape.through_slope(l, g)
        return tape.errors

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate as for a recurrence that also keeps g."""
        recurrence = super().estimate(network, m)
        hidden = sum(network.sizes[1:-1])
        return replace(recurrence, bytes=recurrence.bytes + m * hidden * network.dtype.itemsize)
