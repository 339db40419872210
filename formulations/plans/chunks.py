r"""Batches larger than memory: one gradient, evaluated chunk by chunk.

The gradient of a batch is the weighted mean of its examples' gradients, so for chunks K₁, …, K_n

.. math:: \nabla C = \frac{1}{W} \sum_{c=1}^{n} S_c, \qquad S_c = \sum_{x \in K_c} w_x \nabla C_x, \quad W = \sum_x w_x

Each S_c is computed by a plan, whose tape holds w_x instead of w_x/W; their sum is kept in the next
higher precision and divided once. With u and v the unit roundoffs of the two, and B_c what bounds the error of Ŝ_c,
the result's is, componentwise,

.. math:: |\hat g - \nabla C| \le \sum_c \frac{B_c}{W}
    + \bigl(\gamma_{n + 3}(v) + u\bigr) \sum_c \frac{|\hat S_c|}{W} + O(uv)

since each Ŝ_c meets at most n additions, a scaling, the division and W (whose own n additions are exact for examples
that count alike); u is the last rounding, to the network's precision. B_c grows with the length of the chunk, not of
the batch: summed in one go, the m products of (BP4) would lose γ_m(u), which says nothing from m = 1/u on.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

import numpy as np

from formulations.arrays import (
    Array,
    Budget,
    as_examples,
    as_real,
    check_pair,
    end_quiet,
    example_weights,
    excluding,
    format_bytes,
    quiet,
)
from formulations.backends import Backend
from formulations.display import counted, format_seconds
from formulations.exceptions import InvalidInput, Refused, WrongShape, WrongType
from formulations.functions import Cost
from formulations.network import Gradient, Network, check_gradient
from formulations.plans.accumulator import Accumulator, shares_in_powers_of_two
from formulations.plans.admission import seconds_for
from formulations.plans.plan import Claimed, Plan

__all__ = ["ChunkedPlan", "bytes_for", "chunk_size"]

TAPE_BYTES = 2**21
FEWEST, MOST = 2**9, 2**13
"""A tape that fits a core's cache is fastest for few and many inputs alike, but matrix products need enough rows."""

MARGIN = 4
"""Estimates of memory are correct within a factor of √10, plus the objects around them."""
OBJECTS = 2**17
"""Bytes of Python objects and NumPy buffers, which do not grow with the chunk."""


def bytes_for(backend: Backend, network: Network, m: int) -> int:
    """Return the memory for chunks of m examples, beyond the parameters and the data themselves."""
    layout, item = network.layout, network.dtype.itemsize
    # Buffers for the examples in the network's dtype, and temporaries of their checks.
    examples = 2 * m * (layout.sizes[0] + layout.sizes[-1]) * item
    vectors = 2 * layout.count * item + Accumulator.bytes(layout.count, network.dtype)
    return MARGIN * backend.estimate(network, m).bytes + examples + vectors + OBJECTS


def chunk_size(backend: Backend, network: Network, memory: float) -> int:
    """Return the number of examples in a chunk: the fastest power of two, or the largest that fits.

    Raises
    ------
    Refused
        If not even one example fits.
    """
    fast = TAPE_BYTES // max(1, backend.estimate(network, 1).bytes)
    powers = [1 << i for i in range(min(max(fast, FEWEST), MOST).bit_length())]
    fit = bisect_right(powers, memory, key=lambda m: bytes_for(backend, network, m))
    if not fit:
        needed = bytes_for(backend, network, 1)
        raise Refused(
            f"memory must be at least what backend {backend.label!r} takes for one example of {network!r}, "
            f"{format_bytes(needed)}, got {format_bytes(memory)}; pass memory={needed} or more."
        )
    return powers[fit - 1]


class ChunkedPlan(Claimed):
    """Buffers made once, for gradients over batches of any length in memory that does not grow with them.

    Made by :func:`formulations.prepare` with ``batch_size="auto"``. Calling it returns a
    :class:`~formulations.Gradient` in the plan's own memory, which the next call overwrites: ``.copy()`` keeps one. It
    has no ``errors``: δ of all examples would need as much memory as the examples. The checks are those of
    :func:`formulations.gradient`, chunk by chunk. The first call claims the plan for its thread, as with
    :class:`~formulations.Plan`.

    Parameters
    ----------
    network : Network
        Its parameters are read at each call.
    cost : Cost
        The cost whose gradient is computed.
    backend : Backend
        The formulation that computes it.
    budget : Budget
        Limits: ``memory`` for a chunk, ``seconds`` for a call.

    Attributes
    ----------
    batch_size : int
        The number of examples in a chunk.

    Examples
    --------
    >>> import formulations as fm
    >>> net = fm.Network(weights=[[[2.0]]], biases=[[1.0]], activations="identity")
    >>> plan = fm.prepare(net, "auto", memory="100MB")
    >>> plan([[3.0], [1.0]], [[5.0], [0.0]]).vector  # the mean of (6, 2) and (3, 3)
    array([4.5, 2.5])
    >>> plan.over(([[x]], [[y]]) for x, y in [(3.0, 5.0), (1.0, 0.0)]).vector
    array([4.5, 2.5])
    """

    @quiet
    def __init__(self, network: Network, cost: Cost, backend: Backend, budget: Budget) -> None:
        self._owner = {}
        self.network = network
        self.cost = cost
        self.backend = backend
        self.budget = budget
        self.batch_size = chunk_size(backend, network, budget.memory)
        self._check_time(1)
        self._plan = Plan(network, self.batch_size, cost, backend)
        self._X, self._Y = (
            np.empty((self.batch_size, n), network.dtype) for n in (network.sizes[0], network.sizes[-1])
        )
        self._sums = Accumulator(network.layout.count, network.dtype)
        self._gradient = Gradient(network.layout, np.empty_like(network.vector), backend=backend.label)

    def __call__(self, X: Any, Y: Any, sample_weight: Any = None) -> Gradient:
        """Compute the gradient over any number of examples.

        Parameters
        ----------
        X : array_like of shape (m, n₁)
            One example a row. A ``numpy.memmap``, or any object with a shape, a dtype and slices, is read and
            converted chunk by chunk, never as a whole.
        Y : array_like of shape (m, n_L)
            The targets, likewise.
        sample_weight : array_like of shape (m,), optional
            Weights of the examples in the mean.

        Returns
        -------
        Gradient
            In memory of the plan; ``errors`` is None.

        Raises
        ------
        WrongShape, WrongType, NotFinite, InvalidInput
            If the data cannot be used; the message names the first row of the chunk.
        Refused
            If it would take longer than the budget that was in force when the plan was prepared; or if another
            thread has called the plan before, or the plan is called from within its own call.
        """
        token = self._begin()
        try:
            self._sums.reset()
            self._take(X, Y, sample_weight)
            return self._mean()
        finally:
            end_quiet(token)
            self._busy = False

    def over(self, chunks: Iterable[Any]) -> Gradient:
        """Compute the gradient over all examples of an iterable, such as a generator that reads files.

        Parameters
        ----------
        chunks : iterable of (X, Y) or (X, Y, sample_weight)
            Each of any length, as for :meth:`__call__`. Without weights, each example counts 1.

        Returns
        -------
        Gradient
            In memory of the plan; ``errors`` is None.

        Raises
        ------
        WrongType
            If ``chunks`` is not iterable, or a chunk does not hold real numbers.
        WrongShape, NotFinite, InvalidInput
            If there is no chunk, or one cannot be used; the message begins with its number, from 0.
        Refused
            If a chunk would take longer than the budget that was in force when the plan was prepared; or as
            :meth:`__call__`.
        """
        if not isinstance(chunks, Iterable):
            raise WrongType(
                f"chunks must be an iterable of (X, Y) or (X, Y, sample_weight), got {type(chunks).__name__}; "
                "pass a list or a generator of them."
            )
        token = self._begin()
        try:
            self._sums.reset()
            self._take_all(chunks)
            return self._mean()
        finally:
            end_quiet(token)
            self._busy = False

    def _take_all(self, chunks: Iterable[Any]) -> None:
        """Add the examples of all chunks to the sums."""
        number = 0
        for chunk in chunks:
            with _placed(f"in chunk {number}, "):
                if not isinstance(chunk, tuple | list) or len(chunk) not in (2, 3):
                    raise WrongType(
                        f"there must be (X, Y) or (X, Y, sample_weight), got {type(chunk).__name__}"
                        f"{f' of {len(chunk)}' if isinstance(chunk, tuple | list) else ''}; yield such tuples, "
                        "and pass the arrays of a single batch as plan(X, Y)."
                    )
                self._take(*chunk)
            # Free this chunk before the next one is made; enumerate would keep it.
            del chunk
            number += 1
        if not number:
            raise InvalidInput(
                "chunks must hold at least one (X, Y), got none; a generator that has been read is empty, "
                "so make a new one for each call."
            )

    def _take(self, X: Any, Y: Any, sample_weight: Any = None) -> None:
        """Add the examples of X and Y to the sums, chunk by chunk."""
        sizes = self.network.sizes
        X, Y = _rows(X, "X", sizes[0]), _rows(Y, "Y", sizes[-1])
        check_pair(X, Y)
        m = X.shape[0]
        weights = None if sample_weight is None else as_real(sample_weight, "sample_weight")
        if weights is not None and weights.shape != (m,):
            # The message must name the shape of all weights, not that of the first chunk's.
            example_weights(weights, m)
        self._check_time(m)
        for start in range(0, m, self.batch_size):
            rows = slice(start, min(start + self.batch_size, m))
            with _placed(f"counting rows from {start} on, " if start else ""):
                self._add(X[rows], Y[rows], None if weights is None else weights[rows], rows.stop - start)

    def _add(self, X: Any, Y: Any, weights: Any, m: int) -> None:
        # Copy into the plan's buffers, so that no dtype needs an allocation and no reference keeps the data alive.
        X, Y = _converted(X, "X", self._X[:m]), _converted(Y, "Y", self._Y[:m])
        self.network.check_examples(X, Y, cost=self.cost)
        weights = None if weights is None else example_weights(weights, len(X))
        shares, total, exponent = shares_in_powers_of_two(weights, len(X), self.network.dtype)
        if total == 0:
            return
        if shares is not None:
            X, Y = excluding(X, Y, shares)
        found = self._plan.evaluate(X, Y, shares)
        check_gradient(found)
        self._sums.add(found.vector, found.cost, total, exponent)
        self._sums.forward_passes += found.forward_passes

    def _mean(self) -> Gradient:
        self._gradient.cost = self._sums.mean(self._gradient.vector)
        self._gradient.forward_passes = self._sums.forward_passes
        return self._gradient

    def _check_time(self, m: int) -> None:
        """Raise an exception if m examples would take longer than the budget."""
        estimate = self.backend.estimate(self.network, min(m, self.batch_size))
        seconds = seconds_for(estimate) * ceil(m / self.batch_size)
        if seconds > self.budget.seconds:
            raise Refused(
                f"backend {self.backend.label!r} is refused: {counted(m, 'example')} would take about "
                f"{format_seconds(seconds)}, more than the budget; take fewer examples, a smaller network or another "
                "backend, or prepare the plan within formulations.use_budget(seconds=...)."
            )

    def __reduce__(self) -> Any:
        # A copy is prepared again, since the workspace refers to this plan's memory.
        return ChunkedPlan, (self.network, self.cost, self.backend, self.budget)

    def __repr__(self) -> str:
        return (
            f"<ChunkedPlan {self.backend.label} for {self.network!r}, {self.cost.name} cost, "
            f"{self.batch_size} examples at once within {format_bytes(self.budget.memory)}>"
        )


def _rows(data: Any, name: str, width: int) -> Any:
    """Return data that can be sliced into chunks, checking the shape if that does not read all of it."""
    lazy = not isinstance(data, np.ndarray) and hasattr(data, "dtype") and hasattr(type(data), "__getitem__")
    if lazy and len(data.shape) == 2 and data.shape[0]:
        return data
    return as_examples(data, name, width)


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
def _placed(where: str) -> Iterator[None]:
    """Prefix the messages of exceptions with their place in the data."""
    try:
        yield
    except (InvalidInput, Refused, WrongType) as caught:
        if not where:
            raise
        raise type(caught)(f"{where}{caught}") from caught
