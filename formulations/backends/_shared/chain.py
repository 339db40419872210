"""The order of the multiplications in a product of several matrices, which determines its cost.

A chain A₀A₁…A_{k−1} is bracketed by a tree: a factor's index, or a pair of two trees. Forming (A_i…A_j)(A_{j+1}…A_k)
takes ``step(i, j, k)`` multiplications. The cheapest tree is computed from those of all shorter chains.

Source: Cormen, Leiserson, Rivest and Stein, *Introduction to Algorithms*, "Matrix-chain multiplication".

The Jacobian matrix of the autoencoder 784-256-64-16-64-256-784, factor by factor and through its bottleneck:

>>> step = dense_step([784, 256, 64, 16, 64, 256, 784])
>>> naive, best = multiplications(from_left(6), step), multiplications(cheapest(6, step), step)
>>> written(cheapest(6, step), "ABCDEF")
'(A(BC))((DE)F)'
>>> naive, best, round(naive / best, 1)
(184647680, 16781312, 11.0)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

__all__ = [
    "Step",
    "Tree",
    "cheapest",
    "dense_step",
    "from_left",
    "from_right",
    "multiplications",
    "multiply",
    "splits",
    "written",
]

Tree: TypeAlias = Any
"""A factor's index, or a pair of trees."""

Step: TypeAlias = Callable[[int, int, int], int]
"""(i, j, k) ↦ multiplications of (A_i…A_j)(A_{j+1}…A_k)."""


def dense_step(sizes: Sequence[int]) -> Step:
    """Return the step of dense matrices A_i of shape (sizes[i], sizes[i+1])."""
    return lambda i, j, k: sizes[i] * sizes[j + 1] * sizes[k + 1]


def from_left(count: int) -> Tree:
    """Return the tree that multiplies from the left: ((A₀A₁)A₂)⋯A_{k−1}."""
    tree: Tree = 0
    for i in range(1, count):
        tree = tree, i
    return tree


def from_right(count: int) -> Tree:
    """Return the tree that multiplies from the right: A₀⋯(A_{k−3}(A_{k−2}A_{k−1}))."""
    tree: Tree = count - 1
    for i in reversed(range(count - 1)):
        tree = i, tree
    return tree


def cheapest(count: int, step: Step) -> Tree:
    """Return a tree with the fewest multiplications, by the matrix-chain recurrence.

    Of several cheapest trees, it is the one that splits earliest: the order from the right, if that is one of them.
    """
    best: dict[tuple[int, int], tuple[int, Tree]] = {(i, i): (0, i) for i in range(count)}
    for length in range(1, count):
        for i in range(count - length):
            k = i + length
            costs = [best[i, j][0] + best[j + 1, k][0] + step(i, j, k) for j in range(i, k)]
            j = i + costs.index(min(costs))
            best[i, k] = costs[j - i], (best[i, j][1], best[j + 1, k][1])
    return best[0, count - 1][1]


def splits(tree: Tree) -> list[tuple[int, int, int]]:
    """Return (i, j, k) of every product (A_i…A_j)(A_{j+1}…A_k) in the tree, in the order of computation."""
    found: list[tuple[int, int, int]] = []

    def join(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
        found.append((left[0], left[1], right[1]))
        return left[0], right[1]

    multiply(tree, lambda i: (i, i), join)
    return found


def multiplications(tree: Tree, step: Step) -> int:
    """Return the total multiplications of the products in a tree."""
    return sum(step(*split) for split in splits(tree))


def multiply(tree: Tree, factor: Callable[[int], Any], product: Callable[[Any, Any], Any]) -> Any:
    """Compute the product in the order of the tree, from ``factor(i)`` and ``product(left, right)``."""
    if isinstance(tree, int):
        return factor(tree)
    left, right = (multiply(part, factor, product) for part in tree)
    return product(left, right)


def written(tree: Tree, names: Sequence[str]) -> str:
    """Return the product as text, with brackets around every product except the whole."""
    text: str = multiply(tree, lambda i: names[i], lambda left, right: f"({left}{right})")
    return text if isinstance(tree, int) else text[1:-1]
