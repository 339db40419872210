"""The evaluator: the leaves of the tree, one chunk of examples each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

import numpy as np

from formulations.arrays import Array, as_examples, as_real, check_pair, example_weights, excluding, higher
from formulations.backends import Backend
from formulations.exceptions import InvalidInput, Refused, WrongShape, WrongType
from formulations.functions import Cost
from formulations.network import Network, check_gradient
from formulations.plans.plan import Plan
from formulations.plans.tree import Sums, Tree

__all__ = ["Evaluator", "Examples", "placed", "shares_in_powers_of_two"]


class Examples:
    """X, Y and the weights of any number of examples, whose shapes are checked, and whose entries are not.

    Parameters
    ----------
    X, Y : array_like, or anything with a shape, a dtype and slices
        Examples, one a row.
    sample_weight : array_like or anything with a shape, a dtype and slices, or None
        Their weights.
    sizes : tuple of int
        The widths of the network.

    Raises
    ------
    WrongShape, WrongType
        If they do not fit each other or the network.
    """

    def __init__(self, X: Any, Y: Any, sample_weight: Any, sizes: tuple[int, ...]) -> None:
        self.X, self.Y = _rows(X, "X", sizes[0]), _rows(Y, "Y", sizes[-1])
        check_pair(self.X, self.Y)
        self.count = int(self.X.shape[0])
        self.weights = sample_weight
        if sample_weight is not None:
            if not _lazy(sample_weight):
                self.weights = as_real(sample_weight, "sample_weight")
            if tuple(self.weights.shape) != (self.count,):
                # The message must name the shape of all weights, not that of the first chunk's.
                example_weights(np.broadcast_to(0.0, self.weights.shape), self.count)


class Evaluator:
    """A plan and buffers for the chunks of any number of examples.

    Parameters
    ----------
    network, cost, backend
        As for :class:`~formulations.Plan`.
    batch_size : int
        The number of examples in a chunk.
    """

    def __init__(self, network: Network, cost: Cost, backend: Backend, batch_size: int) -> None:
        self.network, self.cost, self.batch_size = network, cost, batch_size
        self._plan = Plan(network, batch_size, cost, backend)
        self._X, self._Y = (np.empty((batch_size, n), network.dtype) for n in (network.sizes[0], network.sizes[-1]))

    @staticmethod
    def bytes(network: Network, m: int) -> int:
        """Return the memory of the buffers for chunks of m examples, and of temporaries of their checks."""
        return 2 * m * (network.sizes[0] + network.sizes[-1]) * network.dtype.itemsize

    def tree(self) -> Tree:
        """Return an empty tree for the sums."""
        return Tree(self.network.layout.count, self.network.dtype)

    def chunks(self, m: int) -> int:
        """Return the number of chunks of m examples."""
        return ceil(m / self.batch_size)

    def add(
        self,
        tree: Tree,
        index: int,
        examples: Examples,
        start: int = 0,
        stop: int | None = None,
        cut: int = 0,
        done: Callable[[Sums], object] | None = None,
    ) -> int:
        """Add chunks of the examples to a tree.

        Parameters
        ----------
        tree : Tree
            The tree.
        index : int
            The index of the first chunk among its leaves.
        examples : Examples
            The examples.
        start, stop : int
            The rows; by default all.
        cut : int
            The rows before these examples, which messages count.
        done : callable, optional
            Called with the sums of each chunk.

        Returns
        -------
        int
            The index of the next chunk.
        """
        stop = examples.count if stop is None else stop
        for first in range(start, stop, self.batch_size):
            rows = slice(first, min(first + self.batch_size, stop))
            before = cut + first
            with placed(f"chunk {index}, counting rows from {before} on, " if before else "", before):
                weights = None if examples.weights is None else _read(examples.weights, rows)
                sums = tree.free()
                self._evaluate(sums, _read(examples.X, rows), _read(examples.Y, rows), weights, rows.stop - first)
            if done is not None:
                done(sums)
            tree.add(index, sums)
            index += 1
        return index

    def _evaluate(self, sums: Sums, X: Any, Y: Any, weights: Any, m: int) -> None:
        """Evaluate a chunk of m examples."""
        sums.examples = sums.largest = m
        # Copy into the buffers, so that no dtype needs an allocation and no reference keeps the data alive.
        X, Y = _converted(X, "X", self._X[:m]), _converted(Y, "Y", self._Y[:m])
        self.network.check_examples(X, Y, cost=self.cost)
        weights = None if weights is None else example_weights(weights, m)
        shares, total, exponent = shares_in_powers_of_two(weights, m, self.network.dtype)
        if total == 0:
            return
        if shares is not None:
            X, Y = excluding(X, Y, shares)
        found = self._plan.evaluate(X, Y, shares)
        check_gradient(found)
        sums.set(found.vector, found.cost, total, exponent)
        sums.forward_passes = found.forward_passes


def shares_in_powers_of_two(weights: Array | None, m: int, dtype: np.dtype[Any]) -> tuple[Array | None, float, int]:
    """Return the weights of m examples in units of a power of two that makes their sum at most 1.

    Parameters
    ----------
    weights : ndarray of shape (m,), or None
        Finite and not negative; None if each is 1.
    m : int
        Number of examples.
    dtype : dtype
        The network's.

    Returns
    -------
    shares : ndarray of shape (m, 1), or None
        w_x / 2^exponent; None if that is 1/m for every example.
    total : float
        Their sum.
    exponent : int
        The power.

    Examples
    --------
    >>> shares_in_powers_of_two(None, 4, np.dtype("float64"))
    (None, 1.0, 2)
    >>> shares, total, exponent = shares_in_powers_of_two(np.array([3, 0, 5]), 3, np.dtype("float64"))
    >>> shares[:, 0], float(total), exponent  # 3/32, 0, 5/32
    (array([0.09375, 0.     , 0.15625]), 0.25, 5)
    """
    exponent = (m - 1).bit_length()
    if weights is None:
        share = dtype.type(2.0**-exponent)
        return (None if m == 2**exponent else np.full((m, 1), share)), m / 2**exponent, exponent
    exponent += int(np.frexp(weights.max())[1])
    # In at least the network's precision, so that a small dtype of the weights does not underflow.
    wide = weights.astype(np.promote_types(weights.dtype, dtype), copy=False)
    shares = np.ldexp(wide, -exponent).astype(dtype)
    return shares[:, None], shares.sum(dtype=higher(dtype) or dtype), exponent


def _lazy(data: Any) -> bool:
    """Whether data are read when they are sliced, such as a file."""
    return not isinstance(data, np.ndarray) and hasattr(data, "dtype") and hasattr(type(data), "__getitem__")


def _rows(data: Any, name: str, width: int) -> Any:
    """Return data that can be sliced into chunks, checking the shape if that does not read all of it."""
    if _lazy(data):
        shape = tuple(data.shape)
        if any(n != n for n in shape):
            raise WrongShape(
                f"{name} must have a known shape, got {shape}; for a Dask array, call compute_chunk_sizes()."
            )
        # Another shape has the message of an array of that shape.
        if len(shape) != 2 or shape[1] != width or not shape[0]:
            as_examples(np.broadcast_to(np.nan, shape), name, width)
        return data
    return as_examples(data, name, width)


def _read(data: Any, rows: slice) -> Any:
    """Return some rows of data."""
    found = data[rows]
    # In this thread: whoever computes a chunk has no other.
    return found.compute(scheduler="synchronous") if hasattr(found, "__dask_graph__") else found


def _converted(data: Any, name: str, buffer: Array) -> Array:
    """Return a chunk's examples, converted into ``buffer``."""
    array = as_examples(data, name, buffer.shape[1])
    if len(array) != len(buffer):
        raise WrongShape(
            f"a slice of {name} must have {len(buffer)} rows, as requested, got {len(array)}; "
            f"give {name} the shape of the data that it returns."
        )
    np.copyto(buffer, array, casting="unsafe")
    return buffer


@contextmanager
def placed(where: str, before: int = 0) -> Iterator[None]:
    """Prefix the messages of exceptions with their place in the data.

    If there are rows ``before``, append the row of an entry at fault among all.

    Raises
    ------
    InvalidInput
        If the block raised one.
    Refused
        If the block raised one.
    WrongType
        If the block raised one.
    """
    try:
        yield
    except (InvalidInput, Refused, WrongType) as caught:
        if not where:
            raise
        position = caught.position if isinstance(caught, InvalidInput) else None
        row = f" Among all rows it is row {before + position[0]}, counted from 0." if position and before else ""
        raise type(caught)(f"{where}{caught}{row}") from caught
