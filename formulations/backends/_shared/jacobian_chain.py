r"""The Jacobian ∂a^q/∂a^p of every example as a chain of factors, multiplied in any order into prepared buffers.

.. math::

    \frac{\partial a^q}{\partial a^p} = \Sigma'(z^q) w^q \, \Sigma'(z^{q-1}) w^{q-1} \cdots \Sigma'(z^{p+1}) w^{p+1}

It is the transpose of the matrix in (35). All examples share the weights, so a product with a single factor is one
product of the stacked examples with w, of shapes (m·n_q, n_l) and (n_l, n_{l−1}) from the output, or (m·n_p, n_{l−1})
and (n_{l−1}, n_l) from the input. Only a product of two products takes a matrix product for each example. A diagonal
Σ′ scales rows or columns; a coupled one is a matrix for each example.

The examples are taken in blocks whose intermediate products stay in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import Array
from formulations.backends._shared.chain import Tree, cheapest, from_left, from_right, multiplications, splits, written
from formulations.functions import CoupledSlope
from formulations.network import Network, Tape

__all__ = ["JacobianFactors", "JacobianProduct"]

BLOCK = 2**16
"""The numbers of the largest intermediate product in a block: 512 KiB in float64, or 65 examples of 10 × 100."""


class JacobianFactors:
    """The factors J^l = Σ′(z^l) w^l of a Jacobian, from the output to the input, and what their products cost.

    Parameters
    ----------
    network : Network
        The network; only its shapes matter.
    of, wrt : int
        The layers q and p.
    at : {"a", "z"}
        Whether a^q or z^q is differentiated; in the second case, the first factor is w^q alone.
    cotangents, directions : int
        The number of row vectors before the factors, or of column vectors after them, for each example; 0 for none.
    """

    def __init__(
        self,
        network: Network,
        of: int,
        wrt: int,
        *,
        at: Literal["a", "z"] = "a",
        cotangents: int = 0,
        directions: int = 0,
    ) -> None:
        self.network = network
        self.of = of
        self.at = at
        before, after = [None] if cotangents else [], [None] if directions else []
        self.layers: list[int | None] = [*before, *range(of, wrt, -1), *after]
        ends = [cotangents] if cotangents else [], [directions] if directions else []
        self.widths = [*ends[0], *network.sizes[wrt - 1 : of][::-1], *ends[1]]

    def tree(self, order: str) -> Tree:
        """Return the brackets of an order: ``"reverse"`` from the output, ``"forward"``, or the ``"optimal"`` ones."""
        count = len(self.layers)
        if order == "optimal":
            return cheapest(count, self.step)
        return from_left(count) if order == "reverse" else from_right(count)

    def written(self, tree: Tree) -> str:
        """Return the product as text, with brackets, such as ``"J4(J3J2)"``."""
        return written(tree, [f"J{l}" for l in self.layers])

    def multiplications(self, tree: Tree) -> int:
        """Return the multiplications of the product for one example."""
        if isinstance(tree, int):
            return self.slope_entries(tree) * self.widths[tree + 1]
        return multiplications(tree, self.step)

    def step(self, i: int, j: int, k: int) -> int:
        """Return the multiplications of (J_i…J_j)(J_{j+1}…J_k) for one example, with those by σ′."""
        a, b, c = self.widths[i], self.widths[j + 1], self.widths[k + 1]
        left, right = self._is_factor(i, j), self._is_factor(j + 1, k)
        if left and right:
            return min(self.both(i, transposed=False), self.both(i, transposed=True))
        if left:
            return (self._entries(i) + self.slope_entries(i)) * c
        if right:
            return a * (self.slope_entries(k) + self._entries(k))
        return a * b * c

    def both(self, i: int, *, transposed: bool) -> int:
        """Return the multiplications of J_i J_{i+1}: one is formed, and the other one is multiplied to all examples."""
        a, b, c = self.widths[i : i + 3]
        left, right = self.slope_entries(i), self.slope_entries(i + 1)
        if transposed:
            return (right + self._entries(i) + left) * c
        return left * b + a * (right + self._entries(i + 1))

    def block(self, tree: Tree) -> int:
        """Return the largest number of examples in a block."""
        largest = 1
        for i, j, k in splits(tree):
            a, b, c = self.widths[i], self.widths[j + 1], self.widths[k + 1]
            if (i, k) != (0, len(self.layers) - 1):
                largest = max(largest, a * c)
            if i == j and j + 1 == k:
                largest = max(largest, b * min(a, c))
        return max(1, BLOCK // largest)

    def slope_entries(self, i: int) -> int:
        """Return the entries of the slope in a factor; 0 if it has none."""
        l = self.layers[i]
        if l is None or (l == self.of and self.at == "z"):
            return 0
        return self.network.activations[l - 2].slope_entries(self.widths[i])

    def _is_factor(self, i: int, j: int) -> bool:
        return i == j and self.layers[i] is not None

    def _entries(self, i: int) -> int:
        """Return the stored weights of a factor."""
        l = self.layers[i]
        assert l is not None
        weights, _ = self.network.layout.slices[l - 2]
        return int(weights.stop - weights.start)


class JacobianProduct:
    """The product of the factors for the examples on a tape, prepared: calling it allocates nothing.

    With sparse weights or coupled slopes, some of the products allocate their result.

    Parameters
    ----------
    factors : JacobianFactors
        The factors.
    tape : Tape
        The tape, whose slopes are read at each call. The weights are read at each call from the network of the factors.
    order : str
        ``"reverse"``, ``"forward"`` or ``"optimal"``.
    cotangents : ndarray of shape (m, k, n_q), optional
        The row vectors; overwritten.
    directions : ndarray of shape (m, k, n_p), optional
        The column vectors, a row each; overwritten.

    Attributes
    ----------
    result : ndarray of shape (m, rows, columns)
        The result of the last call, in memory that is overwritten by the next.
    """

    def __init__(
        self,
        factors: JacobianFactors,
        tape: Tape,
        order: str,
        *,
        cotangents: Array | None = None,
        directions: Array | None = None,
    ) -> None:
        tree = factors.tree(order)
        given = {0: cotangents, len(factors.layers) - 1: directions}
        rows, columns = factors.widths[0], factors.widths[-1]
        out = np.empty(tape.m * rows * columns, factors.network.dtype)
        # Blocks of about the same size: a small last one would be less efficient.
        block = -(-tape.m // -(-tape.m // factors.block(tree)))
        transposed = {"reverse": False, "forward": True}.get(order)
        self._steps: list[Callable[[], object]] = []
        memory = _Memory(factors.network.dtype)
        for start in range(0, tape.m, block):
            part = slice(start, min(start + block, tape.m))
            taken = {i: stack[part] for i, stack in given.items() if stack is not None}
            compiler = _Compiler(factors, tape, part, taken, memory, self._steps)
            product = compiler.product(tree, transposed, out[part.start * rows * columns : part.stop * rows * columns])
        if product.transposed:
            self.result: Array = out.reshape(tape.m, columns, rows).transpose(0, 2, 1)
        else:
            self.result = out.reshape(tape.m, rows, columns)

    def __call__(self) -> Array:
        """Multiply, and return the result."""
        for step in self._steps:
            step()
        return self.result


@dataclass
class _Part:
    """A product for each example: of shape (m, rows, columns), or transposed."""

    array: Array
    transposed: bool
    memory: Array | None = None

    @property
    def matrices(self) -> Array:
        return self.array.transpose(0, 2, 1) if self.transposed else self.array

    @property
    def stacked(self) -> Array:
        return self.array.reshape(-1, self.array.shape[2])


class _Memory:
    """Buffers that are used again as soon as their product has been consumed: two for a chain from one end."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.free: list[Array] = []

    def take(self, size: int) -> Array:
        fitting = [buffer for buffer in self.free if buffer.size >= size]
        if not fitting:
            return np.empty(size, self.dtype)
        smallest = min(fitting, key=lambda buffer: buffer.size)
        self.free = [buffer for buffer in self.free if buffer is not smallest]
        return smallest

    def give_back(self, part: _Part) -> None:
        if part.memory is not None:
            self.free.append(part.memory)


class _Compiler:
    """Turns a tree into steps, for a block of examples."""

    def __init__(
        self,
        factors: JacobianFactors,
        tape: Tape,
        rows: slice,
        given: dict[int, Array],
        memory: _Memory,
        steps: list[Callable[[], object]],
    ) -> None:
        self.factors = factors
        self.tape = tape
        self.rows = rows
        self.m = rows.stop - rows.start
        self.given = given
        self.memory = memory
        self.steps = steps

    def product(self, tree: Tree, transposed: bool | None, out: Array | None = None) -> _Part:
        """Return the product of a tree, transposed if asked for and possible; None leaves the choice."""
        if isinstance(tree, int):
            if tree in self.given:
                return _Part(self.given[tree], transposed=tree > 0)
            return self.formed(tree, transposed=bool(transposed), out=out)
        left, right = tree
        if self.is_factor(left) and self.is_factor(right):
            if transposed is None:
                transposed = self.factors.both(left, transposed=True) < self.factors.both(left, transposed=False)
            if transposed:
                return self.times_left(left, self.formed(right, transposed=True), out)
            return self.times_right(self.formed(left, transposed=False), right, out)
        if self.is_factor(left):
            return self.times_left(left, self.product(right, transposed=True), out)
        if self.is_factor(right):
            return self.times_right(self.product(left, transposed=False), right, out)
        first, second = self.product(left, None), self.product(right, None)
        a, c = first.matrices.shape[1], second.matrices.shape[2]
        if transposed:
            part = self.new(c, a, transposed=True, out=out)
            self.add(np.matmul, second.matrices.transpose(0, 2, 1), first.matrices.transpose(0, 2, 1), part.array)
        else:
            part = self.new(a, c, transposed=False, out=out)
            self.add(np.matmul, first.matrices, second.matrices, part.array)
        self.memory.give_back(first)
        self.memory.give_back(second)
        return part

    def is_factor(self, tree: Tree) -> bool:
        """Whether a tree is a single factor of a layer."""
        return isinstance(tree, int) and tree not in self.given

    def new(self, rows: int, columns: int, *, transposed: bool, out: Array | None = None) -> _Part:
        """Return a buffer for a product."""
        size = self.m * rows * columns
        memory = self.memory.take(size) if out is None else out
        return _Part(memory[:size].reshape(self.m, rows, columns), transposed, memory if out is None else None)

    def formed(self, i: int, *, transposed: bool, out: Array | None = None) -> _Part:
        """Form Σ′w of each example."""
        weights, slope = self.weights(i), self.slope(i)
        rows, columns = weights.shape[::-1] if transposed else weights.shape
        part = self.new(rows, columns, transposed=transposed, out=out)
        if issparse(weights):
            self.add(lambda: np.copyto(part.array, (weights.T if transposed else weights).toarray()))
        else:
            dense = weights.T if transposed else weights
            if slope is not None and not isinstance(slope, CoupledSlope):
                self.add(np.multiply, dense, slope[:, None, :] if transposed else slope[:, :, None], part.array)
                return part
            self.add(np.copyto, part.array, dense)
        self.scale_left(part, slope)
        return part

    def times_left(self, i: int, right: _Part, out: Array | None) -> _Part:
        """Multiply by a factor from the left: for all examples at once, if the other part is transposed."""
        weights = self.weights(i)
        rows, c = weights.shape[0], right.matrices.shape[2]
        stacked = right.transposed or issparse(weights)
        part = self.new(c, rows, transposed=True, out=out) if stacked else self.new(rows, c, transposed=False, out=out)
        if issparse(weights):
            columns = right.matrices.transpose(0, 2, 1)
            self.add(lambda: np.copyto(part.stacked, columns.reshape(-1, columns.shape[2]) @ weights.T))
        elif stacked:
            self.add(np.dot, right.stacked, weights.T, part.stacked)
        else:
            self.add(np.matmul, weights, right.array, part.array)
        self.memory.give_back(right)
        self.scale_left(part, self.slope(i))
        return part

    def times_right(self, left: _Part, i: int, out: Array | None) -> _Part:
        """Multiply by a factor from the right: for all examples at once, unless the other part is transposed."""
        weights, slope = self.weights(i), self.slope(i)
        self.scale_right(left, slope)
        part = self.new(left.matrices.shape[1], weights.shape[1], transposed=False, out=out)
        if issparse(weights):
            rows = left.matrices
            self.add(lambda: np.copyto(part.stacked, rows.reshape(-1, rows.shape[2]) @ weights))
        elif left.transposed:
            self.add(np.matmul, left.matrices, weights, part.array)
        else:
            self.add(np.dot, left.stacked, weights, part.stacked)
        self.memory.give_back(left)
        return part

    def scale_left(self, part: _Part, slope: Any) -> None:
        """Replace M by Σ′M."""
        if isinstance(slope, CoupledSlope):
            self.add(lambda: np.copyto(part.matrices, slope.blocks() @ part.matrices))
        elif slope is not None:
            self.add(np.multiply, part.array, slope[:, None, :] if part.transposed else slope[:, :, None], part.array)

    def scale_right(self, part: _Part, slope: Any) -> None:
        """Replace M by MΣ′."""
        if isinstance(slope, CoupledSlope):
            self.add(lambda: np.copyto(part.matrices, part.matrices @ slope.blocks()))
        elif slope is not None:
            self.add(np.multiply, part.array, slope[:, :, None] if part.transposed else slope[:, None, :], part.array)

    def weights(self, i: int) -> Any:
        """Return w^l of a factor, whose entries change as the network learns."""
        l = self.factors.layers[i]
        assert l is not None
        return self.factors.network.weights[l - 2]

    def slope(self, i: int) -> Any:
        """Return the slopes of a factor for these examples; None if it has none."""
        l = self.factors.layers[i]
        return self.tape.slopes[l - 2][self.rows] if l is not None and self.factors.slope_entries(i) else None

    def add(self, function: Callable[..., object], *arguments: Any) -> None:
        """Add a step."""
        self.steps.append(partial(function, *arguments))
