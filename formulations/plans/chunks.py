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
from concurrent.futures import Executor
from contextlib import contextmanager
from math import ceil
from secrets import token_hex
from typing import Any

import numpy as np

from formulations.arrays import Budget, end_quiet, format_bytes, quiet
from formulations.backends import Backend
from formulations.display import counted, format_seconds
from formulations.exceptions import InvalidInput, Refused, WrongType
from formulations.functions import Cost
from formulations.network import Gradient, Network
from formulations.plans.admission import seconds_for
from formulations.plans.blas import one_blas_thread, this_worker
from formulations.plans.evaluator import Evaluator, Examples, placed
from formulations.plans.executors import checked_executor, levels_of_a_task, sum_over, tasks_of
from formulations.plans.plan import Claimed
from formulations.plans.source import Source, as_source
from formulations.plans.tasks import Piece, Recipe, add_piece, pieces_of
from formulations.plans.tree import Sums, Tree

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
    count, dtype = network.layout.count, network.dtype
    vectors = 2 * count * dtype.itemsize + Tree.bytes(count, dtype)
    return MARGIN * backend.estimate(network, m).bytes + Evaluator.bytes(network, m) + vectors + OBJECTS


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
        self._evaluator = Evaluator(network, cost, backend, self.batch_size)
        self._tree = self._evaluator.tree()
        self._gradient = Gradient(network.layout, np.empty_like(network.vector), backend=backend.label)
        self._token = token_hex(16)

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
        with self._claimed():
            examples = Examples(X, Y, sample_weight, self.network.sizes)
            self._check_time(examples.count)
            self._evaluator.add(self._tree, 0, examples)
            return self._mean(self._tree.total())

    def over(self, sources: Iterable[Any], executor: Executor | None = None) -> Gradient:
        """Compute the gradient over all examples of several sources, such as files, in one or in many processes.

        The chunks of all sources are added up by one binary tree, which does not depend on the executor, its workers or
        the order in which they finish. BLAS uses one thread throughout.

        Parameters
        ----------
        sources : iterable of source
            Each of any length: a source made by :func:`formulations.sources`; a tuple (X, Y) or (X, Y, sample_weight),
            as for :meth:`__call__`, or of paths; or a callable that returns one. Without weights, each example counts
            1. With an executor, an iterable that can be read twice, such as a list.
        executor : concurrent.futures.Executor, optional
            Computes the chunks; by default this thread does.

        Returns
        -------
        Gradient
            In memory of the plan; ``errors`` is None.

        Raises
        ------
        WrongType
            If ``sources`` is not iterable, or one does not hold real numbers.
        WrongShape, NotFinite, InvalidInput
            If there is no source, or one cannot be used; the message begins with its number, from 0.
        Refused
            If a source would take longer than the budget that was in force when the plan was prepared; or as
            :meth:`__call__`.
        """
        if not isinstance(sources, Iterable):
            raise WrongType(
                f"sources must be an iterable of (X, Y) or (X, Y, sample_weight), got {type(sources).__name__}; "
                "pass a list or a generator of them."
            )
        with self._claimed(), one_blas_thread():
            if executor is None:
                return self._mean(self._over(sources))
            return self._mean(self._over_executor(sources, checked_executor(executor)))

    def _over(self, sources: Iterable[Any]) -> Sums:
        index = number = 0
        for given in sources:
            with placed(f"in source {number}, "):
                source = as_source(given, self.network.sizes)
                if isinstance(source, Source):
                    self._check_time(source.rows)
            # Free this source before the next one is made; enumerate would keep it.
            del given
            index = add_piece(self._evaluator, self._tree, Piece(number, source, index))
            del source
            number += 1
        if not number:
            raise _no_sources()
        return self._tree.total()

    def _over_executor(self, sources: Iterable[Any], executor: Executor) -> Sums:
        if isinstance(sources, Iterator):
            raise WrongType(
                f"sources must be a list, or another iterable that can be read twice, with an executor, got "
                f"{type(sources).__name__}; pass list(sources)."
            )
        checked = []
        for number, given in enumerate(sources):
            with placed(f"in source {number}, "):
                checked.append(as_source(given, self.network.sizes))
        if not checked:
            raise _no_sources()
        recipe = Recipe(self._token, self.network, self.cost, self.backend, self.batch_size, this_worker().process)
        leaves = sum(self._evaluator.chunks(each.rows) if isinstance(each, Source) else 1 for each in checked)
        levels = levels_of_a_task(leaves, seconds_for(self.backend.estimate(self.network, self.batch_size)))
        tasks = tasks_of(pieces_of(checked, self._evaluator), recipe, self.batch_size, levels)
        return sum_over(tasks, levels, self._evaluator.tree(), executor)

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        """Claim the plan for a call, and begin with an empty tree."""
        token = self._begin()
        try:
            self._tree.clear()
            yield
        finally:
            end_quiet(token)
            self._busy = False

    def _mean(self, sums: Sums) -> Gradient:
        self._gradient.cost = sums.mean(self._gradient.vector)
        self._gradient.forward_passes = sums.forward_passes
        self._tree.release(sums)
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


def _no_sources() -> InvalidInput:
    return InvalidInput(
        "sources must hold at least one (X, Y), got none; a generator that has been read is empty, so make a new one "
        "for each call."
    )
