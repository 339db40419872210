"""What an objective has computed at a vector: from examples in memory, or by a sum over sources."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from formulations.arrays import Array
from formulations.backends import Backend, Linearization
from formulations.exceptions import GradientNotFinite
from formulations.functions import Cost
from formulations.network import Batch, Gradient, Network, Point, Tape, forward
from formulations.plans import ChunkedPlan, prepare

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["FLOAT", "Evaluation", "GradientOverSources", "Sources", "SummedEvaluation", "TapeEvaluation", "Work"]

FLOAT = np.dtype(np.float64)
"""What SciPy computes in."""


@dataclass
class Work:
    """What an objective has computed so far.

    Attributes
    ----------
    forward_passes, backward_passes : int
        Passes over all examples, in memory or in sources; one that ends early, because a gradient is not finite, does
        not count. A formulation that computes no errors δ counts one backward pass for a gradient, and as many forward
        passes as it takes.
    hessian_products, jacobian_products : int
        Products with the Hessian, and with the Jacobian of the residuals or its transpose.
    """

    forward_passes: int = 0
    backward_passes: int = 0
    hessian_products: int = 0
    jacobian_products: int = 0


class Evaluation(Protocol):
    """What has been computed at one vector of parameters.

    Attributes
    ----------
    vector : ndarray of shape (P,)
        The vector.
    kept : bool
        Whether an operator uses it, so that it must not move.
    """

    vector: Array
    kept: bool

    @property
    def cost(self) -> Any:
        """C, without penalty."""

    @property
    def gradient(self) -> Array:
        """∇C, without penalty, in memory of the evaluation."""

    def move(self, vector: Array) -> None:
        """Go to another vector, which is copied, and forget what has been computed."""


class TapeEvaluation:
    """The evaluation of examples in memory, on a tape of its own."""

    def __init__(self, network: Network, batch: Batch, backend: Backend, work: Work) -> None:
        self.network = network.copy()
        self._batch = batch
        self._work = work
        self._plan = prepare(self.network, len(batch.X), batch.cost, backend)
        self._tape = self._plan.tape
        self._tape.load(batch.X, batch.Y, batch.shares)
        # A backend that defines gradient() itself may leave anything on the tape.
        self._by_errors = type(backend).gradient is Backend.gradient
        self._buffer = self._plan.backend.allocate(self.network) if self._by_errors else None
        self.kept = False
        self.move(self.network.vector.astype(FLOAT))

    def move(self, vector: Array) -> None:
        """Go to another vector, which is copied, and forget what has been computed."""
        self.vector = vector.copy()
        self.network.vector[...] = vector
        self._filled = False
        self._cost: Any = None
        self._gradient: Array | None = None
        self._linear: Linearization | None = None

    @property
    def filled(self) -> Tape:
        """The tape after a forward pass."""
        if not self._filled:
            forward(self.network, self._tape)
            self._work.forward_passes += 1
            self._filled = True
        return self._tape

    @property
    def cost(self) -> Any:
        """C, without penalty."""
        if self._cost is None:
            self._cost = self.filled.cost_value
        return self._cost

    @property
    def gradient(self) -> Array:
        """∇C, without penalty, in memory of the evaluation."""
        if self._gradient is None:
            X, Y, shares, _ = self._batch
            if self._buffer is not None:
                backend, tape = self._plan.backend, self.filled
                backend.collect(tape, backend.errors(self.network, tape), self._buffer)
                self._gradient = self._buffer.vector
            else:
                found = self._plan.evaluate(X, Y, shares)
                self._filled, self._gradient = False, found.vector
                self._cost = found.cost if self._cost is None else self._cost
                self._work.forward_passes += found.forward_passes
            self._work.backward_passes += 1
        return self._gradient

    @property
    def linear(self) -> Linearization:
        """The derivatives of the network here, in the backend's formulation."""
        if self._linear is None:
            point = Point.on(self.filled) if self._by_errors else Point(self.network, self._batch)
            self._work.forward_passes += not self._by_errors
            self._linear = self._plan.backend.linearize(point)
        return self._linear


@dataclass(frozen=True)
class Sources:
    """Examples described by where they are, and who sums over them.

    Attributes
    ----------
    sources : sequence of source
        As :meth:`formulations.ChunkedPlan.over` takes them.
    cost : Cost
        The cost of an example.
    executor, progress
        As in :meth:`formulations.ChunkedPlan.over`.
    """

    sources: Sequence[Any]
    cost: Cost
    executor: Executor | None
    progress: bool | Callable[..., object] | None


class GradientOverSources:
    """The gradient of the cost over sources, at any vector."""

    def __init__(self, network: Network, data: Sources, backend: Backend) -> None:
        self._network, self._data = network.copy(), data
        self._plan = prepare(self._network, "auto", data.cost, backend)
        self._taken = False
        self._of_thread = threading.local()

    def __call__(self, vector: Array) -> tuple[Gradient, int]:
        """Return it in the memory of a plan, and how many forward passes over all examples it takes."""
        plan: ChunkedPlan | None = getattr(self._of_thread, "plan", None)
        if plan is None:
            # A plan belongs to the thread that calls it first.
            plan = self._of_thread.plan = copy.copy(self._plan) if self._taken else self._plan
            self._taken = True
        self._network.vector[...] = vector
        gradient = plan.over(self._data.sources, self._data.executor, self._data.progress)
        # Those that were counted are passes over chunks.
        return gradient, plan.backend.estimate(self._network, plan.examples).forward_passes


class SummedEvaluation:
    """The evaluation of sources, chunk by chunk."""

    kept = False

    def __init__(self, compute: GradientOverSources, vector: Array, work: Work) -> None:
        self._compute, self._work = compute, work
        self.move(vector)

    def move(self, vector: Array) -> None:
        """Go to another vector, which is copied, and forget what has been computed."""
        self.vector = vector.copy()
        self._found: tuple[Any, Array] | None = None

    @property
    def cost(self) -> Any:
        """C, without penalty."""
        return self._both[0]

    @property
    def gradient(self) -> Array:
        """∇C, without penalty."""
        return self._both[1]

    @property
    def _both(self) -> tuple[Any, Array]:
        """C and ∇C, which one pass over the sources computes together."""
        if self._found is None:
            try:
                gradient, passes = self._compute(self.vector)
            except GradientNotFinite:
                # A step that overshoots, from which a line search steps back; not all chunks are needed for that.
                self._found = np.inf, np.full(len(self.vector), np.nan)
            else:
                self._found = gradient.cost, gradient.vector.copy()
                self._work.forward_passes += passes
                self._work.backward_passes += 1
        return self._found
