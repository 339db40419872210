"""The factors of (35), Σ′(z^k)ᵀ(w^{k+1})ᵀ, for each example: their products in any order, and the cost of these."""

from __future__ import annotations

from scipy.sparse import issparse

from formulations.arrays import Array
from formulations.backends._shared.chain import Step, Tree, splits
from formulations.functions import CoupledSlope, through
from formulations.network import Network, Tape

__all__ = ["Factor", "largest_matrix", "slope_count", "step", "times"]


class Factor:
    """Σ′(z^k)ᵀ (w^{k+1})ᵀ of every example.

    Parameters
    ----------
    network : Network
        The network with w^{k+1}.
    tape : Tape
        The tape with σ′(z^k).
    k : int
        The layer.
    """

    def __init__(self, network: Network, tape: Tape, k: int) -> None:
        self.slope = tape.slopes[k - 2]
        self.weights = network.weights[k - 1]

    def times(self, v: Array) -> Array:
        """Return the product with a vector for each example, shape (m, n_{k+1}): a matrix times a vector, scaled."""
        return through(self.slope, v @ self.weights)

    def matrix(self) -> Array:
        """Return the matrices, shape (m, n_k, n_{k+1}): the transposed weights, their rows scaled by σ′."""
        weights = self.weights.toarray() if issparse(self.weights) else self.weights
        matrices: Array
        if isinstance(self.slope, CoupledSlope):
            matrices = self.slope.T.blocks() @ weights.T
        else:
            matrices = self.slope[:, :, None] * weights.T
        return matrices


def times(left: Factor | Array, right: Factor | Array) -> Array:
    """Return the product of two parts of (35); the right one may end in the vector δ^L, shape (m, n_L)."""
    if isinstance(left, Factor) and not isinstance(right, Factor) and right.ndim == 2:
        return left.times(right)
    left, right = (part.matrix() if isinstance(part, Factor) else part for part in (left, right))
    product: Array = left @ right if right.ndim == 3 else (left @ right[:, :, None])[:, :, 0]
    return product


def step(network: Network, l: int) -> Step:
    """Return the multiplications of :func:`times` for one example in the product of δ^l."""
    widths = [*network.layout.sizes[l - 1 :], 1]
    vector = len(widths) - 2

    def multiplications(i: int, j: int, k: int) -> int:
        if i == j and k == vector:
            weights, _ = network.layout.slices[l + i - 1]
            return int(weights.stop - weights.start) + slope_count(network, l + i)
        scaled = [part for part, single in ((i, i == j), (k, j + 1 == k)) if single and part < vector]
        return widths[i] * widths[j + 1] * widths[k + 1] + sum(
            slope_count(network, l + part) * widths[part + 1] for part in scaled
        )

    return multiplications


def largest_matrix(network: Network, l: int, tree: Tree) -> int:
    """Return the size of the largest matrix in :func:`times` for one example; 0 if there is none."""
    widths = network.layout.sizes[l - 1 :]
    vector = len(widths) - 1
    parts = [
        part
        for i, j, k in splits(tree)
        if i != j or k < vector
        for part in ((i, j), (j + 1, k), (i, k))
        if part[1] < vector
    ]
    return max((widths[i] * widths[k + 1] for i, k in parts), default=0)


def slope_count(network: Network, l: int) -> int:
    """Return the multiplications by σ′ of layer l for one example: n if it is diagonal, n² if it is coupled."""
    return network.activations[l - 2].slope_entries(network.layout.sizes[l - 1])
