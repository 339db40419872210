r"""Biases as the weights of a constant unit, so that (BP3) and (BP4) become one product.

.. math::

    z^l = \begin{pmatrix} w^l & b^l \end{pmatrix} \begin{pmatrix} a^{l-1} \\ 1 \end{pmatrix}, \qquad
    \begin{pmatrix} \frac{\partial C}{\partial w^l} & \frac{\partial C}{\partial b^l} \end{pmatrix}
        = \delta^l \begin{pmatrix} a^{l-1} \\ 1 \end{pmatrix}^T

A bias is the weight from a unit whose activation is always 1, so that (BP3) is (BP4) with a = 1. Over a mini-batch
that is ``delta.T @ [A, 1]``, shapes (n_l, m) and (m, n_{l−1} + 1). The constant unit has no error, so δ is computed as
usual. The sum is replaced by m·N multiplications by 1, and there are two copies: a^{l−1} into the enlarged array, and
the product into the gradient, in which w and b follow one another. Of a sparse w only the stored entries and b are
computed.

It misleads if it is taken to eliminate biases: they are still parameters, and weight decay and initialisation, which
treat them differently, must separate them again.

Source: Bishop, *Pattern Recognition and Machine Learning*, section 5.1 (the input x₀ = 1), and Nielsen, *Neural
Networks and Deep Learning*, chapter 2, (BP3) and (BP4).

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> g = fm.gradient(net, [[1.0]], [[17.0]], backend="homogeneous")  # (2·9 − 17) · (9, 1)
>>> g.weights[1], g.biases[1]
(array([[9.]]), array([1.]))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from formulations.arrays import Array, Pattern
from formulations.backends._base import Backend, Estimate, Tier
from formulations.backends._shared import errors_by_recurrence
from formulations.network import Gradient, Network, Tape, outer_sums

__all__ = ["Homogeneous"]


@dataclass(frozen=True)
class Augmented:
    """The buffers of a layer: [a^{l−1}, 1], shape (m, n_{l−1} + 1), and [∂C/∂w^l, ∂C/∂b^l].

    If the weights are sparse, the second holds the entries on the pattern of [w^l, b^l].
    """

    activations: Array
    gradient: Array
    pattern: Pattern | None


class Homogeneous(Backend):
    """∂C/∂w and ∂C/∂b of a layer as one product with [a, 1]."""

    name = "homogeneous"
    summary = "biases as weights of a constant unit"
    equations = ("BP1", "BP2", "homogeneous")
    tier = Tier.RECURRENCE
    linear_in_shares = True
    variant_of = "hadamard"
    no_operators = "it only changes how (BP3) and (BP4) are summed, and its operators would be hadamard's"

    def prepare(self, network: Network, tape: Tape) -> list[Augmented]:
        """Return each layer's buffers; the last column of [a, 1] is the constant unit."""
        made = []
        for (rows, columns), pattern in zip(network.layout.shapes, network.layout.patterns, strict=True):
            activations = np.ones((tape.m, columns + 1), network.dtype)
            augmented = None if pattern is None else _with_last_column(pattern, columns)
            shape = (rows, columns + 1) if augmented is None else augmented.indices.shape
            made.append(Augmented(activations, np.empty(shape, network.dtype), augmented))
        return made

    def errors(self, network: Network, tape: Tape) -> Sequence[Array]:
        """Return δ², …, δ^L by the recurrence."""
        return errors_by_recurrence(network, tape)

    def collect(self, tape: Tape, errors: Sequence[Array], gradient: Gradient) -> None:
        """Write [∂C/∂w, ∂C/∂b] = δᵀ[a, 1] of every layer."""
        layers = zip(tape.workspace, errors, tape.activations, gradient.weights, gradient.biases, strict=False)
        for buffer, delta, a, weights, biases in layers:
            np.copyto(buffer.activations[:, :-1], a)
            outer_sums(delta, buffer.activations, buffer.pattern, buffer.gradient)
            if buffer.pattern is None:
                np.copyto(weights, buffer.gradient[:, :-1])
                np.copyto(biases, buffer.gradient[:, -1])
            else:
                last = buffer.pattern.indptr[1:] - 1
                np.copyto(weights.data, np.delete(buffer.gradient, last))
                np.copyto(biases, buffer.gradient[last])

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate as for a recurrence with one more column in (BP4)."""
        recurrence = super().estimate(network, m)
        layers = zip(network.layout.shapes, network.layout.slices, strict=True)
        numbers = sum(m * (columns + 1) + biases.stop - weights.start for (_, columns), (weights, biases) in layers)
        return replace(
            recurrence,
            multiplications=recurrence.multiplications + m * network.layout.neuron_count,
            bytes=recurrence.bytes + numbers * network.dtype.itemsize,
        )


def _with_last_column(pattern: Pattern, columns: int) -> Pattern:
    """Return the pattern of [w, b]: each row gets one more entry, in the column of the constant unit."""
    rows = np.arange(pattern.indptr.size)
    return Pattern(np.insert(pattern.indices, pattern.indptr[1:], columns), pattern.indptr + rows)
