"""Faults of memory: stale buffers, changed inputs, and results that depend on earlier calls."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.network import Gradient, Network, Tape
from tests.audit.mutants.written import Written, planted

_calls = itertools.count()


@planted()
class AccumulatesOverCalls(Written):
    """The gradient added to that of the last call."""

    def prepare(self, network: Network, tape: Tape) -> Any:  # noqa: ARG002
        return np.zeros(network.layout.count, network.dtype)

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        super().gradient(network, tape, gradient)
        tape.workspace += gradient.vector
        gradient.vector[...] = tape.workspace


@planted()
class StaleErrors(Written):
    """δ^L of the previous call, from the second call on."""

    def prepare(self, network: Network, tape: Tape) -> Any:  # noqa: ARG002
        return []

    def output(self, tape: Tape) -> Any:
        tape.workspace.append(super().output(tape).copy())
        return tape.workspace[-2] if len(tape.workspace) > 1 else tape.workspace[-1]


@planted()
class StaleParameters(Written):
    """The weights as they were when the plan was prepared."""

    def prepare(self, network: Network, tape: Tape) -> Any:  # noqa: ARG002
        return [w.copy() for w in network.weights]

    def carried(self, tape: Tape, l: int, delta: Array) -> Any:
        return delta @ tape.workspace[l - 1]


@planted()
class CountsCalls(Written):
    """A factor that depends on the number of calls."""

    def output(self, tape: Tape) -> Any:
        delta = super().output(tape)
        return delta * delta.dtype.type(1 + 1e-3 * (next(_calls) % 7))


@planted()
class Random(Written):
    """Noise in the last digits."""

    def output(self, tape: Tape) -> Any:
        delta = super().output(tape)
        noise = np.random.default_rng().integers(-2, 3, delta.shape)
        return delta + (noise * np.spacing(delta)).astype(delta.dtype)


@planted()
class ChangesX(Written):
    """The inputs centred in place."""

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        super().gradient(network, tape, gradient)
        if tape.X.flags.writeable:
            tape.X[...] -= tape.X.mean(axis=0)


@planted()
class ChangesY(Written):
    """y overwritten by a − y."""

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        super().gradient(network, tape, gradient)
        if tape.targets.flags.writeable:
            tape.targets[...] = tape.output - tape.targets


@planted()
class ChangesParameters(Written):
    """A gradient descent step applied to the network."""

    def gradient(self, network: Network, tape: Tape, gradient: Gradient) -> None:
        super().gradient(network, tape, gradient)
        if network.vector.flags.writeable:
            network.vector[...] -= gradient.vector


@planted()
class NeedsWriteable(Written):
    """An input overwritten by itself, which fails if the inputs are read-only."""

    def output(self, tape: Tape) -> Any:
        tape.X[0, 0] = tape.X[0, 0]
        return super().output(tape)


@planted()
class OrderMatters(Written):
    """The mean of the first two examples instead of the first."""

    def output(self, tape: Tape) -> Any:
        delta = super().output(tape).copy()
        if tape.m > 1:
            delta[0] = delta[:2].mean(axis=0)
        return delta
