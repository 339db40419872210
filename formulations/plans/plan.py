"""The plan: a backend prepared for one network, cost and dtype, and for a largest batch size."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from formulations.arrays import Array, as_examples, begin_quiet, check_pair, end_quiet, example_shares, excluding, quiet
from formulations.backends import Backend
from formulations.exceptions import Refused, StalePlan
from formulations.functions import Cost
from formulations.network import Gradient, Network, Tape, check_network

__all__ = ["Claimed", "Plan"]


class _Thread(threading.local):
    """A mark of each thread. Identifiers would not do, since a new thread may get that of one that has ended."""

    def __init__(self) -> None:
        self.mark = object()


_THREAD = _Thread()


class Claimed:
    """Base class of plans, which belong to the first thread that calls them and serve one call at a time.

    The claim outlives the call, since the result is a view that the next call overwrites, and it outlives the thread,
    which may have passed that view on. A copy is unclaimed.
    """

    _busy = False
    _owner: dict[str, object]
    """Empty until the first call. A dictionary, because ``setdefault`` is atomic and ``__dict__`` slows attributes."""

    def _begin(self) -> Any:
        """Claim the plan for the calling thread and suppress floating-point errors.

        The call must end with ``end_quiet`` of the returned token, and ``_busy = False``.

        Raises
        ------
        Refused
            If another thread has claimed it, or a call of this thread is still running.
        """
        mark = _THREAD.mark
        # A single atomic step.
        if self._owner.setdefault("thread", mark) is not mark:
            raise Refused(
                "a plan must be called by the thread that called it first, got a call from another thread, which "
                "would overwrite that one's result; give each thread its own plan, copy.copy(plan)."
            )
        if self._busy:
            raise Refused(
                "a plan must finish a call before the next one, got a call from within, such as by its own cost or "
                "activation, which would overwrite the first; use another plan there, from formulations.prepare."
            )
        self._busy = True
        return begin_quiet()


class Plan(Claimed):
    """Buffers, patterns and index arrays made once, for gradients over mini-batches of one network.

    Made by :func:`formulations.prepare`. Calling it returns a :class:`~formulations.Gradient` in the plan's own
    memory, which the next call overwrites: ``.copy()`` keeps one. The first call claims the plan for its thread:
    another thread needs its own plan, ``copy.copy(plan)``, which is prepared for the same network.

    Parameters
    ----------
    network : Network
        Its parameters are read at each call, so the plan stays valid while the network learns.
    batch_size : int
        The largest number of examples in a call; smaller batches use the same memory.
    cost : Cost
        The cost whose gradient is computed.
    backend : Backend
        The formulation that computes it.

    Attributes
    ----------
    tape : Tape
        The tape of the last call.
    """

    tape: Tape
    _whole: tuple[Tape, Gradient | None]
    _part: tuple[Tape, Gradient | None]

    @quiet
    def __init__(self, network: Network, batch_size: int, cost: Cost, backend: Backend) -> None:
        self._owner = {}
        self.network = network
        self.batch_size = batch_size
        self.cost = cost
        self.backend = backend
        self._expected = network.sizes[0], network.sizes[-1], network.dtype
        self._sparse = network.layout.is_sparse
        self._no_examples = np.empty((0, network.sizes[0]), network.dtype)
        self._prepare()

    def __call__(self, X: Any, Y: Any, sample_weight: Any = None, *, network: Network | None = None) -> Gradient:
        """Compute the gradient over a mini-batch of at most ``batch_size`` examples.

        Shapes and dtypes are checked; for speed, finiteness is not.

        Parameters
        ----------
        X : array_like of shape (m, n₁)
            One example a row.
        Y : array_like of shape (m, n_L)
            The targets.
        sample_weight : array_like of shape (m,), optional
            Weights of the examples in the mean.
        network : Network, optional
            Another network with the same layout, activations and dtype, whose parameters are read from now on.

        Returns
        -------
        Gradient
            In memory of the plan.

        Raises
        ------
        WrongShape, WrongType
            If the data do not fit the network.
        StalePlan
            If the batch is larger than the plan, or another network does not fit it.
        Refused
            If another thread has called the plan before, or the plan is called from within its own call.
        """
        token = self._begin()
        try:
            if network is not None:
                self._check_fits(network)
            first, last, dtype = self._expected
            X = as_examples(X, "X", first, dtype)
            Y = as_examples(Y, "Y", last, dtype)
            if len(X) != len(Y):
                check_pair(X, Y)
            shares = None if sample_weight is None else example_shares(sample_weight, len(X), dtype)
            if shares is not None:
                X, Y = excluding(X, Y, shares)
            if network is not None and network is not self.network:
                self._adopt(network)
            return self.evaluate(X, Y, shares)
        finally:
            end_quiet(token)
            self._busy = False

    def evaluate(self, X: Array, Y: Array, shares: Array | None, *, add: bool = False) -> Gradient:
        """Compute Σ s_x ∇C_x over checked arrays, with shares that need not add up to 1.

        This neither claims the plan nor suppresses floating-point errors: the caller must do both.

        Parameters
        ----------
        X, Y : ndarray of shape (m, n₁) and (m, n_L)
            Examples in the network's dtype.
        shares : ndarray of shape (m, 1) or (), or None
            s_x of each example, () if they are equal; None if each is 1/m.
        add : bool
            Whether to add the gradient to the network's parameters. The result then holds C alone.

        Returns
        -------
        Gradient
            In memory of the plan.

        Raises
        ------
        StalePlan
            If the batch is larger than the plan.
        InvalidInput
            If an array of a sparse weight has been replaced.
        """
        if self._sparse:
            self.network.check_entries()
        tape, gradient = self._whole if len(X) == self.batch_size else self._smaller(len(X))
        if gradient is None:
            gradient = self.backend.allocate(self.network)
        self.tape = tape
        tape.load(X, Y, shares)
        before = tape.forward_passes
        if add:
            self.backend.add_gradient(self.network, tape, gradient)
        else:
            self.backend.gradient(self.network, tape, gradient)
        gradient.forward_passes = tape.forward_passes - before
        return gradient

    def give_away(self, gradient: Gradient) -> None:
        """Transfer the last gradient to the caller: copy δ, and drop references to the examples."""
        if gradient.errors is not None:
            gradient.errors = tuple([delta.copy() for delta in gradient.errors])
        self.tape.load(self._no_examples, None)
        # The next call allocates again, which is cheaper than a copy and often reuses the memory of a freed gradient.
        self._whole = self._part = self._whole[0], None

    def _smaller(self, m: int) -> tuple[Tape, Gradient | None]:
        if m > self.batch_size:
            raise StalePlan(_difference([("batch_size", f"at most {self.batch_size}", m, False)]))
        if self._part[0].m != m:
            self._part = self._ready(self._whole[0].first(m))
        return self._part

    def _prepare(self) -> None:
        self._whole = self._ready(Tape(self.network, self.cost, self.batch_size))
        # Training ends an epoch with a smaller batch: its tape is kept beside the whole one.
        self._part, self.tape = self._whole, self._whole[0]

    def _ready(self, tape: Tape) -> tuple[Tape, Gradient | None]:
        return tape, self.backend.ready(self.network, tape)

    def _check_fits(self, network: Network) -> None:
        check_network(network)
        mine = self.network
        fields = [
            ("sizes", mine.sizes, network.sizes, mine.sizes == network.sizes),
            ("pattern", "as prepared", "another", mine.layout.patterns == network.layout.patterns),
            (
                "activations",
                [activation.name for activation in mine.activations],
                [activation.name for activation in network.activations],
                mine.activations == network.activations,
            ),
            ("dtype", mine.dtype, network.dtype, mine.dtype == network.dtype),
        ]
        if not all(same for *_, same in fields):
            raise StalePlan(_difference(fields))

    def _adopt(self, network: Network) -> None:
        self.network = network
        self._prepare()

    def __reduce__(self) -> Any:
        # A copy is prepared again, since the workspace refers to this plan's memory.
        return Plan, (self.network, self.batch_size, self.cost, self.backend)

    def __repr__(self) -> str:
        return f"<Plan {self.backend.label} for {self.network!r}, {self.cost.name} cost, batch_size {self.batch_size}>"


def _difference(fields: list[tuple[str, Any, Any, bool]]) -> str:
    marks = [
        f"{name} ✓ {expected}" if same else f"{name} ✗ prepared for {expected}, got {came}"
        for name, expected, came, same in fields
    ]
    return f"this plan was not prepared for that: {'; '.join(marks)}; prepare another with formulations.prepare."
