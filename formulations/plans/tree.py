r"""The sum over chunks by one fixed binary tree, in the next higher precision.

The chunks are the leaves, in their order. A node over n leaves has the first p of them below its left child and the
others below its right one, where p is the largest power of two below n:

.. math:: T(l_0, \dots, l_{n-1}) = T(l_0, \dots, l_{p-1}) + T(l_p, \dots, l_{n-1}), \qquad
    p = 2^{\lceil \log_2 n \rceil - 1}

So the tree depends on the number of chunks alone. Whoever computes a subtree, and in whatever order the subtrees are
finished, each addition has the same two terms, and the sum the same bits. No leaf meets more than ⌈log₂ n⌉ additions,
instead of n, and whoever adds the leaves in their order needs ⌊log₂ n⌋ + 1 vectors.

Weights may be as large or as small as floats can be, so each node's sums are in units of a power of two, the larger of
its children's: scaling by it is exact, and no sum overflows unless the mean does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array, check_some_weight, higher

__all__ = ["Sums", "Tree"]


class Sums:
    """Σ w_x ∇C_x, Σ w_x C_x and Σ w_x over the leaves of a node, in units of a power of two.

    Parameters
    ----------
    count : int
        Length of the gradients.
    dtype : dtype
        The dtype of the gradients; the sums have the next higher precision, if the platform has one.

    Attributes
    ----------
    vector : ndarray
        Σ w_x ∇C_x / 2^exponent.
    cost, weight : float
        Σ w_x C_x / 2^exponent and Σ w_x / 2^exponent.
    exponent : int, or None
        None if no example has a positive weight: then ``vector`` has no meaning.
    forward_passes, examples : int
        The number of forward passes and of examples.
    largest : int
        The examples of the largest chunk.
    depth : int
        The additions on the longest path from a leaf to here.
    """

    exponent: int | None

    def __init__(self, count: int, dtype: np.dtype[Any]) -> None:
        self.vector = np.empty(count, _wide(dtype))
        self.clear()

    def clear(self) -> None:
        """Reset all sums to zero."""
        self.cost = self.weight = self.vector.dtype.type(0)
        self.exponent = None
        self.forward_passes = self.examples = self.largest = self.depth = 0

    def set(self, vector: Array, cost: Any, weight: Any, exponent: int) -> None:
        """Set the sums of a leaf, in units of 2^``exponent``."""
        wide = self.vector.dtype.type
        self.vector[...] = vector
        self.cost, self.weight, self.exponent = wide(cost), wide(weight), exponent

    def merged(self, sibling: Sums) -> tuple[Sums, Sums]:
        """Add the sums of the sibling, in place; the bits are the same if that adds these.

        Returns
        -------
        sums, left_over : Sums
            The parent, and the one whose memory it does not use.
        """
        parent, other = (sibling, self) if self.exponent is None else (self, sibling)
        if parent.exponent is not None and other.exponent is not None:
            if parent.exponent < other.exponent:
                parent._scale(other.exponent)
            elif other.exponent < parent.exponent:
                other._scale(parent.exponent)
            parent.vector += other.vector
            parent.cost += other.cost
            parent.weight += other.weight
            parent.depth = max(parent.depth, other.depth) + 1
        parent.forward_passes += other.forward_passes
        parent.examples += other.examples
        parent.largest = max(parent.largest, other.largest)
        return parent, other

    def _scale(self, exponent: int) -> None:
        """Change to units of 2^``exponent``."""
        assert self.exponent is not None
        unit = np.ldexp(self.vector.dtype.type(1), self.exponent - exponent)
        self.vector *= unit
        self.cost *= unit
        self.weight *= unit
        self.exponent = exponent

    def mean(self, out: Array) -> Any:
        """Write the mean gradient into ``out``, divided once and rounded once, and return the mean cost.

        This overwrites ``vector``.

        Raises
        ------
        InvalidInput
            If no example has a positive weight.
        """
        check_some_weight(self.weight)
        self.vector /= self.weight
        out[...] = self.vector
        return out.dtype.type(self.cost / self.weight)


class Tree:
    """Adds up nodes, in any order: each is merged as soon as its sibling is there.

    Parameters
    ----------
    count, dtype
        As for :class:`Sums`.
    """

    LEVELS = 20
    """The vectors that a plan has memory for: enough for a million leaves in their order."""

    def __init__(self, count: int, dtype: np.dtype[Any]) -> None:
        self._count, self._dtype = count, dtype
        self._nodes: dict[tuple[int, int], Sums] = {}
        self._free: list[Sums] = []

    @classmethod
    def bytes(cls, count: int, dtype: np.dtype[Any], leaves: int | None = None) -> int:
        """Return the memory of its vectors, those for so many leaves in their order, or ``LEVELS``."""
        # Beside leaf i there is a node for each bit of i that is set; below n, no i has more than ⌊log₂ n⌋.
        vectors = cls.LEVELS if leaves is None else leaves.bit_length()
        return vectors * count * _wide(dtype).itemsize

    def free(self) -> Sums:
        """Return empty sums, whose memory is that of a node that has been merged, if there is one."""
        if not self._free:
            return Sums(self._count, self._dtype)
        sums = self._free.pop()
        sums.clear()
        return sums

    def release(self, sums: Sums) -> None:
        """Take back the memory of sums that are no longer used."""
        # A tree whose nodes are made elsewhere takes none from here, and would keep thousands.
        if len(self._free) < self.LEVELS:
            self._free.append(sums)

    def add(self, index: int, sums: Sums, level: int = 0) -> None:
        """Add the node over the leaves from index·2^level to before (index + 1)·2^level, or to the last one.

        The tree owns the sums from now on.
        """
        while (sibling := self._nodes.pop((level, index ^ 1), None)) is not None:
            sums, left_over = sibling.merged(sums)
            self.release(left_over)
            level, index = level + 1, index >> 1
        self._nodes[level, index] = sums

    def total(self) -> Sums:
        """Return the sums over all leaves, and remove all nodes."""
        # What has no sibling yet is merged from the right.
        order = sorted(self._nodes, key=lambda node: node[1] << node[0])
        sums = self._nodes[order.pop()]
        while order:
            sums, left_over = self._nodes[order.pop()].merged(sums)
            self.release(left_over)
        self._nodes.clear()
        return sums

    def clear(self) -> None:
        """Remove all nodes."""
        for sums in self._nodes.values():
            self.release(sums)
        self._nodes.clear()


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return higher(dtype) or dtype
