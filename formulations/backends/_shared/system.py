r"""The errors of all layers as the unknowns of one linear system, (I − U)δ = e.

.. math::

    \begin{pmatrix} I & -U_2 & & \\ & I & \ddots & \\ & & \ddots & -U_{L-1} \\ & & & I \end{pmatrix}
    \begin{pmatrix} \delta^2 \\ \vdots \\ \delta^{L-1} \\ \delta^L \end{pmatrix} =
    \begin{pmatrix} 0 \\ \vdots \\ 0 \\ \Sigma'(z^L)^T \nabla_a C \end{pmatrix}, \qquad
    U_l = \Sigma'(z^l)^T (w^{l+1})^T

Each block row is (BP2) of one layer, the last one is (BP1). U only has blocks above the diagonal, so it is nilpotent,
U^{L−1} = 0. The systems of a mini-batch are the diagonal blocks of a larger one.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import numpy as np
from scipy.sparse import coo_array, csr_array

from formulations.arrays import Array
from formulations.backends._base import Estimate, forward_multiplications, tape_bytes
from formulations.functions import CoupledSlope, through
from formulations.network import Network, Tape

__all__ = ["ErrorSystem", "estimate_system"]

INDEX_BYTES = 4
"""SciPy's indices, as long as there are fewer than 2³¹ entries."""

BLOCK = 2**14
"""The numbers of one product with a coupled slope, which stay in the cache."""


class ErrorSystem:
    """U or I − U over a mini-batch, with e: the pattern is built once, the values are filled in at each call.

    Parameters
    ----------
    network, tape : Network, Tape
        Their pattern and sizes determine those of the system.
    matrix : {"U", "I-U"}
        Which matrix to build; the second stores its diagonal of ones.

    Attributes
    ----------
    matrix : csr_array of shape (m·N, m·N)
        The block-diagonal matrix, N = Σ n_l over l ≥ 2; the errors of an example follow one another by layers.
    parts : list of slice
        The columns of δ², …, δ^L among the N.
    """

    def __init__(self, network: Network, tape: Tape, matrix: Literal["U", "I-U"]) -> None:
        layout = network.layout
        self._m = tape.m
        self._sign = -1 if matrix == "I-U" else 1
        self._n = n = layout.neuron_count
        ends = np.cumsum((0, *layout.sizes[1:]))
        self.parts = [slice(start, stop) for start, stop in pairwise(ends)]
        diagonal = np.arange(n if matrix == "I-U" else 0)
        rows, columns = [diagonal], [diagonal]
        self._blocks = []
        start = diagonal.size
        for l in range(2, layout.last):
            k, j = _places(tape.slopes[l - 2], layout.patterns[l - 1], layout.shapes[l - 1])
            rows.append(ends[l - 2] + j)
            columns.append(ends[l - 1] + k)
            self._blocks.append((l, j, slice(start, start + j.size)))
            start += j.size
        # The values are computed layer by layer and stored row by row.
        order = coo_array((np.arange(start), (np.concatenate(rows), np.concatenate(columns))), shape=(n, n)).tocsr()
        order.sort_indices()
        self._order = order.data
        self._written = np.ones((tape.m, start), network.dtype)
        self._right = np.zeros((tape.m, n), network.dtype)
        examples = np.arange(tape.m)[:, None]
        indices = (order.indices + n * examples).ravel()
        indptr = np.append((order.indptr[:-1] + start * examples).ravel(), tape.m * start)
        data = np.zeros(indices.size, network.dtype)
        self.matrix = csr_array((data, indices, indptr), shape=(tape.m * n, tape.m * n))

    def fill(self, network: Network, tape: Tape) -> Array:
        """Fill the matrix, and return e, shape (m, N)."""
        self.fill_matrix(network, tape)
        self._right[:, self.parts[-1]] = tape.output_error()
        return self._right

    def fill_matrix(self, network: Network, tape: Tape) -> None:
        """Fill the matrix, which needs no cost."""
        for l, j, part in self._blocks:
            _write(network, tape, l, j, self._written[:, part])
            if self._sign < 0:
                self._written[:, part] *= -1
        self.matrix.data.reshape(self._m, -1)[...] = self._written[:, self._order]

    def by_layers(self, delta: Array) -> list[Array]:
        """Return δ², …, δ^L, each of shape (m, n_l), as views of the solution."""
        rows = delta.reshape(self._m, self._n)
        return [rows[:, part] for part in self.parts]


def estimate_system(network: Network, m: int, sweeps: int) -> Estimate:
    """Estimate the cost of filling the system and multiplying by U ``sweeps`` times.

    A block U_l = Σ′ᵀwᵀ takes one multiplication for each entry if the slope is diagonal. If it is coupled, the block is
    full and takes n_l for each entry.
    """
    layout, numbers = network.layout, network.dtype.itemsize
    entries, filling = 0, layout.sizes[-1] ** (2 if network.activations[-1].coupled else 1)
    for (rows, columns), (part, _), below in zip(
        layout.shapes[1:], layout.slices[1:], network.activations, strict=False
    ):
        stored = rows * columns if below.coupled else part.stop - part.start
        entries += stored
        filling += stored * (columns if below.coupled else 1)
    last_product = layout.weight_count
    return Estimate(
        multiplications=forward_multiplications(network, m) + m * (filling + sweeps * entries + last_product),
        bytes=tape_bytes(network, m) + m * (entries + layout.neuron_count) * (3 * numbers + INDEX_BYTES),
        forward_passes=1,
        calls=12 * len(network.activations) + 4 * sweeps + 40,
        detail=f"a system of {m * layout.neuron_count:,} unknowns and {m * entries:,} entries",
    )


def _places(slope: Any, pattern: Any, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Return k and j of every entry of U_l, whose row is neuron j of layer l and whose column is k of layer l + 1."""
    if pattern is None or isinstance(slope, CoupledSlope):
        k, j = np.indices(shape).reshape(2, -1)
        return k, j
    return pattern.rows, pattern.indices


def _write(network: Network, tape: Tape, l: int, j: Array, out: Array) -> None:
    """Write the entries of U_l = Σ′(z^l)ᵀ(w^{l+1})ᵀ for each example, shape (m, entries)."""
    slope = tape.slopes[l - 2]
    if not isinstance(slope, CoupledSlope):
        np.multiply(slope[:, j], network.vector[network.layout.slices[l - 1][0]], out=out)
        return
    weights = network.weights[l - 1]
    full = weights if isinstance(weights, np.ndarray) else weights.toarray()
    m, n = slope.z.shape
    columns = out.reshape(m, -1, n)
    step = max(1, BLOCK // (m * n))
    for k in range(0, len(full), step):
        rows = full[k : k + step]
        # Each example is repeated for every row, so that one product serves them all.
        repeated = slope[np.repeat(np.arange(m), len(rows))]
        columns[:, k : k + step] = through(repeated, np.tile(rows, (m, 1))).reshape(m, -1, n)
