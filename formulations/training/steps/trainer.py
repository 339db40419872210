"""The steps of a training run: mini-batch, gradient, penalty, update."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any

import numpy as np

from formulations.arrays import Array, excluding
from formulations.backends import BackendLike, CompiledSteps
from formulations.functions import Cost
from formulations.network import Network
from formulations.plans import prepare
from formulations.training.steps.optimizers import GradientDescent, Optimizer

__all__ = ["Trainer", "batches_at_once"]

GATHERED = 2**14
"""The numbers in the mini-batches that are gathered at once: 128 KiB in float64, which a cache holds."""

RUN = 0.1
"""The seconds that a run of compiled steps takes at most, after which Ctrl-C and progress are seen."""

FIRST = 32
"""The number of steps in the first run, before their speed is known."""


def batches_at_once(batch_size: int, width: int) -> int:
    """Return how many mini-batches, of so many numbers an example, a trainer gathers at once."""
    return max(1, GATHERED // (batch_size * width))


class Trainer:
    """A network in training on one set of examples; every training loop of the library takes its steps here.

    The caller has checked the data, and calls it inside a function that is :func:`formulations.arrays.quiet`, by one
    thread.

    Parameters
    ----------
    network : Network
        Changed in place.
    X : ndarray or csr_array of shape (m, n₁)
        Finite examples of the network's dtype. Rows of a sparse array become dense in the mini-batch alone.
    Y : ndarray of shape (m, n_L)
        Their targets, finite, of the network's dtype, and valid for the cost.
    cost : Cost
        The cost to minimise.
    batch_size : int
        The largest number of examples in a step, at most m.
    rate : float
        η; finite and positive in the network's dtype.
    backend : str, Backend or None
        The formulation that computes the gradients.
    optimizer : Optimizer
        How the gradient changes the parameters.
    l2, l1 : float
        The penalty ½·l2·Σw² + l1·Σ|w| on the weights, never on the biases; the book's λ/n, Equations (87) and (95).
    sample_weight : ndarray of shape (m,), optional
        Weights of the examples: each mini-batch's cost is a weighted mean. A mini-batch without weight is skipped.
    penalty_per_batch : bool
        Divide the penalty by the sum of the mini-batch's sample weights (its size if there are none), as scikit-learn
        does with α.

    Attributes
    ----------
    plan : Plan
        The plan that computes the gradients.
    updates : Updates
        The optimizer's state.

    Raises
    ------
    Refused
        If the backend cannot serve the network.
    """

    def __init__(
        self,
        network: Network,
        X: Any,
        Y: Array,
        *,
        cost: Cost,
        batch_size: int,
        rate: float,
        backend: BackendLike = None,
        optimizer: Optimizer = GradientDescent(),  # noqa: B008 - frozen
        l2: float = 0.0,
        l1: float = 0.0,
        sample_weight: Array | None = None,
        penalty_per_batch: bool = False,
    ) -> None:
        self.network = network
        self.batch_size = batch_size
        self.plan = prepare(network, batch_size, cost, backend)
        self.updates = optimizer.start(network.vector)
        self.updates.compiled = self.plan.backend.inner.compiled_updates()
        info = np.finfo(network.dtype)
        # What underflows in −ηC or −ηδ is then below ε² in C or δ, and what overflows there is above 1/ε² of the range.
        self._moderate = info.tiny / info.eps**2, 1 / info.eps
        self._takes_change = self.plan.backend.linear_in_shares and self.updates.takes_change
        self._l2, self._l1, self._per_batch = l2, l1, penalty_per_batch
        self._can_add = self.updates.adds_change and self.plan.tape.adds and not (l2 or l1)
        self._rate, self._share = np.array(rate, network.dtype), np.empty((), network.dtype)
        self.rate = rate
        if l2 or l1:
            self._on_weights = np.zeros_like(network.vector)
            for of_weights, _ in network.layout.slices:
                self._on_weights[of_weights] = 1
            self._weights_alone = np.empty_like(network.vector)
        self.X, self.Y, self.sample_weight = X, Y, sample_weight
        widths = X.shape[1], Y.shape[1]
        rule = self.updates.rule(l2=l2, l1=l1, per_batch=penalty_per_batch)
        self._compiled = None
        if rule is not None and type(X) is np.ndarray:
            self._compiled = self.plan.backend.compiled_steps(network, self.plan.tape, rule)
        self._length = FIRST
        # Whole mini-batches: all, or those that stay in the cache, at least one.
        batches = min(-(-len(Y) // batch_size), batches_at_once(batch_size, sum(widths)))
        self._buffers = [np.empty((batches * batch_size, width), network.dtype) for width in widths]

    @property
    def rate(self) -> float:
        """η, the learning rate of the next steps."""
        return float(self._rate)

    @rate.setter
    def rate(self, value: float) -> None:
        self._rate[...] = value
        smallest, largest = self._moderate
        # Whether the gradient is computed as −η∇C, from shares that are multiplied by −η.
        self._at_once = self._takes_change and smallest <= self._rate / self.batch_size and self._rate <= largest
        self._scale = -self.rate if self._at_once else 1.0
        self._share[...] = self._scale / self.batch_size
        # Whether it is added to the parameters where it is computed.
        self._adds = self._at_once and self._can_add

    def count(self, examples: int) -> int:
        """Return the number of steps that so many examples take."""
        return -(-examples // self.batch_size)

    def steps(self, order: Array, record: Array | None = None) -> Iterator[Array]:
        """Descend on one mini-batch after the other, the last of which may be smaller.

        The steps come in runs, each of at least one step. The results do not depend on how long the runs are.

        Parameters
        ----------
        order : ndarray of int of shape (any,)
            The rows of the examples, one mini-batch after the other; they must be in range.
        record : ndarray of float64 of shape (2, steps), optional
            Receives what :meth:`descend` returns for each step; a new array if none is given.

        Yields
        ------
        ndarray of shape (2, k)
            After each run of k steps, the columns of the record that it has filled: costs and weights.
        """
        if record is None:
            record = np.empty((2, self.count(len(order))))
        if self._compiled is not None:
            return self._in_runs(self._compiled, order, record)
        return self._one_by_one(order, record)

    def _in_runs(self, take: CompiledSteps, order: Array, record: Array) -> Iterator[Array]:
        """Descend as :meth:`steps` does, in compiled runs that are long enough not to be noticed, but for Ctrl-C."""
        done, size, (costs, weights) = 0, self.batch_size, record
        while done < len(costs):
            part = slice(done, done + self._length)
            begun = perf_counter()
            chosen = order[part.start * size : part.stop * size]
            take(self.X, self.Y, chosen, self.sample_weight, self._rate, costs[part], weights[part])
            taken = perf_counter() - begun
            yield record[:, part]
            done = part.stop
            if taken > RUN:
                self._length = max(1, self._length // 2)
            elif taken < RUN / 2:
                self._length *= 2

    def _one_by_one(self, order: Array, record: Array) -> Iterator[Array]:
        """Descend in runs of one step."""
        costs, weights = record
        size, given, k, rows = self.batch_size, None, 0, len(self._buffers[0])
        # Gathering several mini-batches at once takes a third of the time.
        for start in range(0, len(order), rows):
            chosen = order[start : start + rows]
            X, Y = (buffer[: len(chosen)] for buffer in self._buffers)
            if type(self.X) is np.ndarray:
                # mode="clip" writes directly into the buffer.
                self.X.take(chosen, 0, X, "clip")
            else:
                self.X[chosen].toarray(out=X)
            self.Y.take(chosen, 0, Y, "clip")
            if self.sample_weight is not None:
                given = self.sample_weight[chosen]
            for i in range(0, len(chosen), size):
                part = slice(i, i + size)
                costs[k], weights[k] = self.descend(X[part], Y[part], None if given is None else given[part])
                yield record[:, k : k + 1]
                k += 1

    def descend(self, X: Array, Y: Array, weights: Array | None = None) -> tuple[float, float]:
        """Descend on one mini-batch, whose examples need not be the trainer's.

        Parameters
        ----------
        X, Y : ndarray of shape (m, n₁) and (m, n_L)
            Its examples, checked like the trainer's; m is at most the batch size.
        weights : ndarray of shape (m,), optional
            Their sample weights.

        Returns
        -------
        float, float
            The mini-batch's cost before the step, with the penalty, times its weight; and its weight: the sum of the
            sample weights, or its number of examples.
        """
        weight, shares = float(len(X)), None
        if weights is not None:
            weight = float(weights.sum())
            if not weight:
                return 0.0, 0.0
            shares = (weights / weights.sum()).astype(X.dtype)[:, None]
            X, Y = excluding(X, Y, shares)
            shares *= self._scale
        elif self._at_once:
            shares = self._share if len(X) == self.batch_size else np.array(self._scale / len(X), X.dtype)
        # −η∇C or ∇C; the vector is overwritten here, and by the next call.
        scaled = self.plan.evaluate(X, Y, shares, add=self._adds)
        cost = float(scaled.cost) / self._scale
        if self._adds:
            return weight * cost, weight
        if self._l2 or self._l1:
            cost += self._penalise(scaled.vector, weight if self._per_batch else 1.0)
        if self._at_once:
            self.updates.move(scaled.vector)
        else:
            self.updates.step(scaled.vector, self._rate)
        return weight * cost, weight

    def _penalise(self, scaled: Array, divisor: float) -> float:
        """Add the penalty's derivative to −η∇C or ∇C, and return the penalty."""
        parameters, weights = self.network.vector, self._weights_alone
        number, total = scaled.dtype.type, 0.0
        np.multiply(parameters, self._on_weights, weights)
        if self._l1:
            factor = self._l1 / divisor
            total += factor * float(np.abs(weights).sum())
            scaled += number(self._scale * factor) * np.sign(weights)
        if self._l2:
            factor = self._l2 / divisor
            total += 0.5 * factor * float(np.dot(weights, weights))
            np.multiply(weights, number(self._scale * factor), weights)
            np.add(scaled, weights, scaled)
        return total
