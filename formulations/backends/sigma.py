r"""Diagonal matrices Σ′(z) instead of Hadamard products, with ``scipy.sparse``.

.. math::

    \delta^L &= \Sigma'(z^L) \nabla_a C \tag{33} \\
    \delta^l &= \Sigma'(z^l) (w^{l+1})^T \delta^{l+1} \tag{34}

Σ′(z) is a square matrix with the values σ′(z_j) on its diagonal and zeros elsewhere. Over a whole mini-batch it is
one diagonal of n·m numbers that acts on the errors of all examples, one after the other. A coupled activation such as
softmax has a full n × n block for each example instead; since that need not be symmetric, (33) and (34) use Σ′ᵀ.

The option ``matrix`` determines the cost: ``planned`` builds the matrix once, on the memory of the tape's slopes, so
that it is always up to date; ``sparse`` builds it at every call; ``dense`` forms each example's n × n matrix, including
the zeros, as the chapter does, and multiplies by all of it.

It misleads if only ``planned`` is timed: that is the arithmetic of the Hadamard product, bit for bit. The cost that the
chapter mentions is that of the other two.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2, "Alternate presentation of the equations of
backpropagation".

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="sigma").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from formulations.arrays import Array
from formulations.backends._base import OPERATORS, Backend, Estimate, Linearization, Tier
from formulations.backends._shared import block_diagonal, sigma_matrix
from formulations.functions import CoupledSlope
from formulations.network import Network, Point, Tape

__all__ = ["Sigma"]


@dataclass(frozen=True, repr=False)
class Sigma(Backend):
    """δ by products with the diagonal matrix Σ′(z).

    Parameters
    ----------
    matrix : {"planned", "sparse", "dense"}
        Sparse and built once, sparse and built at every call, or dense and built at every call.
    """

    matrix: Literal["planned", "sparse", "dense"] = "planned"

    name = "sigma"
    summary = "products with the diagonal matrix Σ′(z)"
    equations = ("33", "34", "BP3", "BP4")
    tier = Tier.RECURRENCE
    linear_in_shares = True
    operators = OPERATORS

    def prepare(self, network: Network, tape: Tape) -> list[Callable[[Array], Array]]:  # noqa: ARG002
        """Return, for each layer, the product with its Σ′(z)ᵀ."""
        product = {"planned": planned_product, "sparse": sparse_product, "dense": dense_product}[self.matrix]
        return [product(slope) for slope in tape.slopes]

    def errors(self, network: Network, tape: Tape) -> Sequence[Array]:
        """Return δ^L by (33), then δ^{L−1}, …, δ² by (34)."""
        sigma = tape.workspace
        delta = tape.combined_output_error()
        if delta is None:
            delta = sigma[-1](tape.cost_gradient)
        errors = [delta]
        for l in network.hidden_layers:
            delta = sigma[l - 2](tape.pull_back(l, delta))
            errors.append(delta)
        return errors[::-1]

    def linearize(self, point: Point) -> Linearization:
        """Return Jacobians and curvature as products of sparse matrices."""
        from formulations.backends._linearized import SigmaLinearization

        return SigmaLinearization(point, self, self.matrix)

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate as for a recurrence; dense matrices have n² numbers instead of n."""
        recurrence = super().estimate(network, m)
        if self.matrix != "dense":
            return recurrence
        widths = network.sizes[1:]
        # For coupled layers the recurrence already counts n².
        diagonal = [n for n, activation in zip(widths, network.activations, strict=True) if not activation.coupled]
        return Estimate(
            multiplications=recurrence.multiplications + m * sum(n * n - n for n in diagonal),
            bytes=recurrence.bytes + max(widths) ** 2 * network.dtype.itemsize,
            forward_passes=1,
            calls=recurrence.calls + 3 * m * len(widths),
        )


def planned_product(slope: Any) -> Callable[[Array], Array]:
    """Return v ↦ Σ′ᵀv with a matrix that is built once; only the blocks of a coupled slope are filled at each call."""
    if isinstance(slope, CoupledSlope):
        m, n = slope.z.shape
        blocks = block_diagonal(np.zeros((m, n, n), slope.z.dtype))

        def product(v: Array) -> Array:
            blocks.data[...] = slope.blocks()
            return transposed_times(blocks, v)

        return product
    matrix = sigma_matrix(slope)
    # A diagonal matrix is its own transpose.
    return lambda v: (matrix @ v.ravel()).reshape(v.shape)


def sparse_product(slope: Any) -> Callable[[Array], Array]:
    """Return v ↦ Σ′ᵀv with a sparse matrix that is built at every call."""
    return lambda v: transposed_times(sigma_matrix(slope), v)


def transposed_times(matrix: Any, v: Array) -> Array:
    """Return Σ′ᵀv over the whole mini-batch, shape (m, n)."""
    product: Array = (matrix.T @ v.ravel()).reshape(v.shape)
    return product


def dense_product(slope: Any) -> Callable[[Array], Array]:
    """Return v ↦ Σ′ᵀv with a dense matrix for each example, built at every call."""

    def product(v: Array) -> Array:
        blocks = slope.blocks() if isinstance(slope, CoupledSlope) else map(np.diag, slope)
        return np.stack([block.T @ example for block, example in zip(blocks, v, strict=True)])

    return product
