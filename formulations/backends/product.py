r"""The recurrence unrolled: each layer's error as one product of matrices.

.. math::

    \delta^l = \Sigma'(z^l) (w^{l+1})^T \cdots \Sigma'(z^{L-1}) (w^L)^T \Sigma'(z^L) \nabla_a C \tag{35}

Every δ^l starts again at ∇_aC; without sharing common factors, L layers take (L−1)(L−2)/2 products, while a recurrence
takes L−2. The option ``order`` sets the brackets. ``reverse`` multiplies from the right, a matrix times a vector each
time, over all examples at once. ``forward`` multiplies from the left and forms for each example the matrices
Σ′(z^k)(w^{k+1})ᵀ and their products of shape (n_l, n_k). ``optimal`` finds the brackets with the fewest multiplications
by the matrix-chain recurrence of :mod:`formulations.backends._shared.chain`. A diagonal matrix scales rows, so no Σ′ is
formed; a coupled slope acts as Σ′ᵀ.

With a vector at the right end, brackets from the right are optimal, so for a gradient ``optimal`` equals ``reverse``. A
Jacobian matrix has no vector at its end, and its order matters.

It misleads as a method of computing gradients: it is the explicit form of the recurrence (34). It shows why deep
networks have vanishing or exploding gradients: δ^l is a product over all layers above l.

Source: Nielsen, *Neural Networks and Deep Learning*, chapter 2, Equation (35).

>>> import formulations as fm
>>> net = fm.Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
>>> fm.gradient(net, [[1.0]], [[17.0]], backend="product").weights[0]  # (2·9 − 17) · 2 · 2·3 · 1
array([[12.]])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from formulations.arrays import Array
from formulations.backends._base import Backend, Estimate, Linearization, Tier, forward_multiplications
from formulations.backends._shared import (
    Factor,
    JacobianFactors,
    JacobianProduct,
    Tree,
    cheapest,
    dense_step,
    from_left,
    from_right,
    largest_matrix,
    multiplications,
    multiply,
    slope_count,
    step,
    times,
    written,
)
from formulations.network import Network, Point, Tape

__all__ = ["Product"]


@dataclass(frozen=True, repr=False)
class Product(Backend):
    """Each δ^l as the whole product of Equation (35).

    Parameters
    ----------
    order : {"reverse", "forward", "optimal"}
        From the right, from the left, or with the fewest multiplications.
    """

    order: Literal["reverse", "forward", "optimal"] = "reverse"

    name = "product"
    summary = "the recurrence unrolled into one product for each layer"
    equations = ("35", "BP3", "BP4")
    tier = Tier.PRODUCT
    linear_in_shares = True
    operators = ("jacobian", "gauss_newton")
    no_operators = "a Hessian is a sum of products with σ″, not a product of Jacobians"

    def prepare(self, network: Network, tape: Tape) -> list[Tree]:  # noqa: ARG002
        """Return the brackets of δ², …, δ^L."""
        return [self.brackets(network, l) for l in range(2, network.layout.last + 1)]

    def errors(self, network: Network, tape: Tape) -> Sequence[Array]:
        """Return δ², …, δ^L, each by its own product (35)."""
        delta = tape.output_error()
        layers = [Factor(network, tape, k) for k in range(2, network.layout.last)]
        factors = [*([layer.matrix() for layer in layers] if self.order == "forward" else layers), delta]
        return [multiply(tree, factors[i:].__getitem__, times) for i, tree in enumerate(tape.workspace)]

    def brackets(self, network: Network, l: int) -> Tree:
        """Return the tree of δ^l's product, whose factors are those of the layers l, …, L − 1, and δ^L."""
        count = network.layout.last - l + 1
        if self.order == "optimal":
            return cheapest(count, step(network, l))
        return from_right(count) if self.order == "reverse" else from_left(count)

    def linearize(self, point: Point) -> Linearization:
        """Return Jacobians as whole products; those with vectors have the brackets of the option."""
        from formulations.backends._linearized import ProductLinearization

        return ProductLinearization(point, self, self.order)

    def prepare_jacobian(self, tape: Tape, of: int, wrt: int, order: str) -> Callable[[], Array]:
        """Return the product of the factors of the layers."""
        return JacobianProduct(JacobianFactors(tape.network, of, wrt), tape, order)

    def written_product(self, network: Network, factors: Sequence[str]) -> str:
        """Return δ² as a product of these factors, with brackets in the order in which they are multiplied."""
        return written(self.brackets(network, 2), factors)

    def estimate(self, network: Network, m: int) -> Estimate:
        """Estimate the products of all layers, and the matrices kept for each example."""
        layout, sizes = network.layout, network.sizes
        trees = {l: self.brackets(network, l) for l in range(2, layout.last + 1)}
        count = slope_count(network, layout.last)
        kept = 3 * max(largest_matrix(network, l, tree) for l, tree in trees.items())
        for l, tree in trees.items():
            if self.order == "forward":
                count += multiplications(tree, dense_step([*sizes[l - 1 :], 1]))
            else:
                count += multiplications(tree, step(network, l))
        if self.order == "forward":
            count += sum(slope_count(network, k) * sizes[k] for k in range(2, layout.last))
            kept += sum(before * after for before, after in pairwise(sizes[1:]))
        names = [f"A{k}" for k in range(2, layout.last)] + [f"δ{layout.last}"]
        return Estimate(
            multiplications=2 * forward_multiplications(network, m) + m * count,
            bytes=m * (5 * layout.neuron_count + kept) * network.dtype.itemsize,
            forward_passes=1,
            calls=8 * len(layout.shapes) + len(layout.shapes) ** 2,
            detail=f"δ2 = {self.written_product(network, names)}, {count} multiplications an example for all δ",
        )
