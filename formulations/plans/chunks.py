r"""Batches larger than memory: one gradient, evaluated chunk by chunk.

The gradient of a batch is the weighted mean of its examples' gradients, so for chunks K₁, …, K_n

.. math:: \nabla C = \frac{1}{W} \sum_{c=1}^{n} S_c, \qquad S_c = \sum_{x \in K_c} w_x \nabla C_x, \quad W = \sum_x w_x

Each S_c is computed by a plan, whose tape holds w_x instead of w_x/W. They are summed by a binary tree in the next
higher precision, and divided once. With u and v the unit roundoffs of the two, and B_c what bounds the error of Ŝ_c,
the result's is, componentwise,

.. math:: |\hat g - \nabla C| \le \sum_c \frac{B_c}{W}
    + \bigl(\gamma_r(v) + u\bigr) \sum_c \frac{|\hat S_c|}{W} + O(uv), \qquad r = 2 \lceil \log_2 n \rceil + k

since each Ŝ_c meets at most ⌈log₂ n⌉ additions and the division, and so does each weight on its way to W, after the
k − 1 additions of a chunk of k examples (all exact for examples that count alike); u is the last rounding, to the
network's precision. B_c grows with the length of the chunk, not of the batch: summed in one go, the m products of (BP4)
would lose γ_m(u), which says nothing from m = 1/u on.
"""

from __future__ import annotations

import os
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from formulations.arrays import Budget, Summation, end_quiet, format_bytes, one_blas_thread, quiet
from formulations.backends import Backend
from formulations.display import counted, format_seconds
from formulations.exceptions import InvalidInput, OtherKernels, Refused, WrongType
from formulations.functions import Cost
from formulations.network import Gradient, Network
from formulations.plans.admission import seconds_for
from formulations.plans.evaluator import Evaluator, Examples, placed
from formulations.plans.executors import Piece, Recipe, Worker, add_piece, differing_kernels, this_worker
from formulations.plans.plan import Claimed
from formulations.plans.progress import Meter
from formulations.plans.source import Described, Source, as_source, check_dtypes
from formulations.plans.tree import Sums, Tree

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from formulations.plans.executors import Dispatch

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
    examples : int
        The number of examples of the last gradient; 0 before the first.

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
        self.examples = 0
        self._check_time(1)
        self._evaluator = Evaluator(network, cost, backend, self.batch_size)
        self._tree = self._evaluator.tree()
        self._gradient = Gradient(network.layout, np.empty_like(network.vector), backend=backend.label)
        self._token = os.urandom(16).hex()

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

    def over(
        self,
        sources: Iterable[Any],
        executor: Executor | None = None,
        progress: bool | Callable[..., object] | None = None,
    ) -> Gradient:
        """Compute the gradient over all examples of several sources, such as files, in one process or in many.

        The chunks of all sources are the leaves of one binary tree, which depends neither on the executor nor on the
        order in which workers finish: with the same BLAS and kind of processor, the sum has the same bits. BLAS uses
        one thread throughout.

        Parameters
        ----------
        sources : iterable of source
            Each of any length: a source from :func:`formulations.sources`; a tuple (X, Y) or (X, Y, sample_weight), as
            for :meth:`__call__` or of what :func:`formulations.sources` takes; or a callable that returns such a tuple.
            Without weights, each example counts 1. A generator is read once, and only without an executor.
        executor : concurrent.futures.Executor, optional
            Computes the chunks, in threads, processes or machines; by default this thread does. Other processes get
            descriptions of files, and no arrays.
        progress : bool or callable, optional
            True shows the progress on standard error; a function is called with ``chunks``, ``of``, ``examples`` and
            ``seconds``, as attributes of one argument.

        Returns
        -------
        Gradient
            In memory of the plan; ``errors`` is None.

        Raises
        ------
        WrongType
            If ``sources``, ``executor`` or ``progress`` has the wrong type, if a source does not hold real numbers, or
            if the executor cannot send one to its workers.
        WrongShape, NotFinite, InvalidInput
            If there is no source, or one cannot be used; the message begins with its number, from 0.
        Refused
            If a source would take longer than the budget that was in force when the plan was prepared, and there is no
            executor; if a file has changed since it was described; if the executor has been shut down; or as
            :meth:`__call__`.
        WorkersLost
            If the executor breaks.
        MissingExtra
            If the threads of BLAS cannot be limited, because threadpoolctl is not installed.

        Warns
        -----
        OtherKernels
            If a worker has another BLAS or kind of processor than this process.

        Notes
        -----
        A callable is a leaf of the tree, whatever it returns; its chunks have a tree of their own. A task is a subtree
        of about a second. It takes the parameters and descriptions to a worker, and brings one vector back.

        As with ``executor.submit(...).result()``, a worker that waits here for its own executor can wait forever: call
        this from a thread or process that is not one of its workers.
        """
        if not isinstance(sources, Iterable):
            raise WrongType(
                f"sources must be an iterable of (X, Y) or (X, Y, sample_weight), got {type(sources).__name__}; "
                "pass a list or a generator of them."
            )
        meter = Meter(progress)
        others: list[Worker] = []
        with self._claimed(), one_blas_thread:
            try:
                if executor is None:
                    sums = self._over(sources, meter)
                else:
                    dispatch = self._dispatch(sources, executor, meter)
                    sums, others = dispatch.total(), dispatch.others
            finally:
                meter.close()
            gradient = self._mean(sums)
        if others:
            warnings.warn(OtherKernels(differing_kernels(others)), stacklevel=2)
        return gradient

    def _over(self, sources: Iterable[Any], meter: Meter) -> Sums:
        """Return the sums over all sources, read one after the other."""
        index = number = 0
        dtypes: dict[str, Any] = {}
        if isinstance(sources, list | tuple) and all(isinstance(each, Source) for each in sources):
            meter.of = sum(self._evaluator.chunks(each.rows) for each in sources)
        for given in sources:
            with placed(f"in source {number}, "):
                source = as_source(given, self.network.sizes)
                if isinstance(source, Source):
                    check_dtypes(source, dtypes, number)
                    self._check_time(source.rows)
            # Free this source before the next one is made; enumerate would keep it.
            del given
            piece = Piece(number, source, index)
            del source
            index = add_piece(self._evaluator, self._tree, piece, lambda sums: meter.add(1, sums.examples))
            del piece
            number += 1
        if not number:
            raise _no_sources()
        return self._tree.total()

    def _dispatch(self, sources: Iterable[Any], executor: Any, meter: Meter) -> Dispatch:
        """Return the tasks of a sum by an executor."""
        # Most plans need no executor, and loading its module takes as long as many gradients.
        from formulations.plans.executors import Dispatch

        if isinstance(sources, Iterator):
            raise WrongType(
                "with an executor, sources must be a list or something else that can be read again, got "
                f"{type(sources).__name__}; pass list(sources)."
            )
        checked: list[Described] = []
        dtypes: dict[str, Any] = {}
        for number, given in enumerate(sources):
            with placed(f"in source {number}, "):
                source = as_source(given, self.network.sizes)
                if isinstance(source, Source):
                    check_dtypes(source, dtypes, number)
            checked.append(source)
        if not checked:
            raise _no_sources()
        meter.of = sum(self._evaluator.chunks(each.rows) if isinstance(each, Source) else 1 for each in checked)
        recipe = Recipe(self._token, self.network, self.cost, self.backend, self.batch_size, this_worker().process)
        seconds = seconds_for(self.backend.estimate(self.network, self.batch_size))
        return Dispatch(recipe, checked, meter.of, seconds, self._evaluator.tree(), executor, self.budget.memory, meter)

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
        self.examples = sums.examples
        # The additions of gradients and of weights, those of weights within a chunk, and the division.
        roundings = 2 * sums.depth + sums.largest
        self._gradient.summation = Summation(sums.largest, roundings, sums.vector.dtype)
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
