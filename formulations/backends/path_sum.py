r"""The sum over all paths from a neuron to the output, the chapter's big picture.

.. math::

    \frac{\partial C}{\partial w^l_{jk}} = \sum_{mnp \ldots q}
    \frac{\partial C}{\partial a^L_m}
    \frac{\partial a^L_m}{\partial a^{L-1}_n}
    \frac{\partial a^{L-1}_n}{\partial a^{L-2}_p} \cdots
    \frac{\partial a^{l+1}_q}{\partial a^l_j}
    \frac{\partial a^l_j}{\partial w^l_{jk}} \tag{53}

Every edge of a path contributes the rate :math:`\partial a^{l+1}_q / \partial a^l_j = \sigma'(z^{l+1}_q) w^{l+1}_{qj}`
of (47), and all paths of a neuron begin with :math:`\partial a^l_j / \partial z^l_j = \sigma'(z^l_j)`. Their sum is
δ^l_j, from which (BP3) and (BP4) follow; each factor is a column of m numbers, one for each example. The
rates are multiplied along each path, from the neuron to the output; σ′(z^L) ∂C/∂a^L, at its end, is computed once.

It misleads on tiny networks, where it is as fast as any other. A neuron has n_{l+1}·n_{l+2}⋯n_L paths, and each layer
multiplies their number by its width. Backpropagation computes the common parts of the paths only once.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2, "Backpropagation: the big picture", Equations
(47)–(53).

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="path_sum").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import Array, Layout
from formulations.backends._base import Backend, Estimate, Tier, forward_multiplications, tape_bytes
from formulations.network import Network, Tape

__all__ = ["PathSum"]

COUNTABLE = 10**100
"""The largest number of paths that is counted: in deep networks the number exceeds the range of floats."""


class PathSum(Backend):
    """δ as the sum over all paths to the output of Π σ′w · ∇_aC."""

    name = "path_sum"
    summary = "the sum over all paths to the output"
    equations = ("47", "48", "49", "50", "51", "52", "53", "BP3", "BP4")
    tier = Tier.PRODUCT
    linear_in_shares = True
    no_operators = "it sums over paths that end in the cost, and each entry of an operator would have paths of its own"
    serves_coupled = False

    def errors(self, network: Network, tape: Tape) -> Sequence[Array]:
        """Return δ², …, δ^L, each entry from its own paths."""
        last = network.layout.last
        ends = tape.output_error()
        edges = [_edges(weights) for weights in network.weights]

        def walk(l: int, j: int, rate: Array) -> Any:
            """Return the sum over the paths from neuron j of layer l; ``rate`` is ∂a^l_j/∂z of the path so far."""
            total = np.zeros_like(rate)
            for q, w in edges[l - 1][j]:
                if l + 1 == last:
                    total += rate * w * ends[:, q]
                else:
                    total += walk(l + 1, q, rate * w * tape.slopes[l - 1][:, q])
            return total

        for l in network.hidden_layers:
            for j in range(network.layout.sizes[l - 1]):
                tape.errors[l - 2][:, j] = walk(l, j, tape.slopes[l - 2][:, j])
        return tape.errors

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate two multiplications for each step of each path, with the number of paths."""
        layout = network.layout
        neurons, weights, steps = _count(layout)
        return Estimate(
            multiplications=2 * forward_multiplications(network, m) + m * (2 * steps + layout.sizes[-1]),
            bytes=tape_bytes(network, m) + len(layout.shapes) * 3 * m * network.dtype.itemsize,
            forward_passes=1,
            calls=10 * len(layout.shapes) + 4 * steps,
            detail=f"{_in_words(neurons)} paths from the neurons to the output, {_in_words(weights)} from the weights",
        )


def _edges(weights: Any) -> list[list[tuple[int, Any]]]:
    """Return (q, w_qj) of the outgoing edges of each neuron j."""
    if not issparse(weights):
        return [list(enumerate(column)) for column in weights.T]
    columns = weights.tocsc()
    parts = zip(columns.indptr[:-1], columns.indptr[1:], strict=True)
    return [list(zip(columns.indices[a:b], columns.data[a:b], strict=True)) for a, b in parts]


def _count(layout: Layout) -> tuple[int, int, int]:
    """Return the paths from all neurons, those from all weights, and the total steps of the former."""
    paths, ahead = [1] * layout.sizes[-1], [0] * layout.sizes[-1]
    neurons, weights, steps = layout.sizes[-1], 0, 0
    for i in range(len(layout.shapes) - 1, -1, -1):
        pattern, (rows, columns) = layout.patterns[i], layout.shapes[i]
        if pattern is None:
            found, walked = [sum(paths)] * columns, [rows + sum(ahead)] * columns
        else:
            found, walked = [0] * columns, [0] * columns
            for q, j in zip(pattern.rows, pattern.indices, strict=True):
                found[j] += paths[q]
                walked[j] += 1 + ahead[q]
        paths, ahead = ([min(n, COUNTABLE) for n in each] for each in (found, walked))
        weights += sum(paths)
        # Paths from the inputs count for the weights of layer 2, but inputs have no error.
        if i > 0:
            neurons += sum(paths)
            steps += sum(ahead)
    return neurons, weights, steps


def _in_words(n: int) -> str:
    return f"{n:,}" if n < 10**9 else f"{n:.1e}" if n < COUNTABLE else f"more than {COUNTABLE:.0e}"
