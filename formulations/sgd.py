"""Stochastic gradient descent: the one training loop, for every backend."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np

from formulations.api import prepare
from formulations.costs import Cost
from formulations.exceptions import InvalidInput, NotFinite
from formulations.inputs import positive_integer, positive_number, random_generator
from formulations.network import Network, check_network
from formulations.parameters import Array
from formulations.registry import BackendLike
from formulations.tables import format_seconds, format_table

__all__ = ["Epoch", "History", "accuracy", "sgd"]


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training examples came to.

    Attributes
    ----------
    epoch : int
        Counted from 1.
    cost : float
        Mean of the mini-batches' costs, each before its own step.
    accuracy : float or None
        Share of the validation examples whose class is right after this epoch; None without such.
    seconds : float
        Time since training began.
    """

    epoch: int
    cost: float
    accuracy: float | None
    seconds: float


@dataclass(frozen=True)
class History:
    """The course of a training; printed, it is a table.

    Attributes
    ----------
    backend : str
        The backend that computed the gradients.
    epochs : tuple of Epoch
        One for each epoch.
    """

    backend: str
    epochs: tuple[Epoch, ...]

    @property
    def costs(self) -> list[float]:
        """Cost of each epoch."""
        return [epoch.cost for epoch in self.epochs]

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the validation examples at the end."""
        return self.epochs[-1].accuracy

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values, ready for JSON."""
        return {"backend": self.backend, "epochs": [asdict(epoch) for epoch in self.epochs]}

    def __str__(self) -> str:
        # About ten lines, the last epoch among them, tell the course of any training.
        stride = max(1, math.ceil(len(self.epochs) / 10))
        shown = [epoch for epoch in self.epochs if (len(self.epochs) - epoch.epoch) % stride == 0]
        return format_table(
            ["epoch", "cost", "accuracy", "time"],
            [
                [
                    str(epoch.epoch),
                    f"{epoch.cost:.5f}",
                    "–" if epoch.accuracy is None else f"{100 * epoch.accuracy:.2f} %",
                    format_seconds(epoch.seconds),
                ]
                for epoch in shown
            ],
            right=[0, 1, 2, 3],
        )


def accuracy(net: Network, X: Any, Y: Any) -> float:
    """Return the share of examples whose class the network gets right.

    The class is the largest output; with one output neuron it is whether that is above ½.

    Parameters
    ----------
    net : Network
        The network.
    X : array_like of shape (m, n₁)
        The examples.
    Y : array_like of shape (m, n_L)
        Their targets.

    Returns
    -------
    float
        Between 0 and 1.
    """
    X, Y, _, _ = net.check_examples(X, Y)
    outputs = net(X)
    if Y.shape[1] == 1:
        return float(np.mean((outputs > 0.5) == (Y > 0.5)))
    return float(np.mean(outputs.argmax(axis=1) == Y.argmax(axis=1)))


def sgd(
    net: Network,
    X: Any,
    Y: Any,
    epochs: int = 30,
    batch_size: int = 10,
    learning_rate: float = 3.0,
    backend: BackendLike = None,
    seed: int | None = None,
    *,
    cost: str | Cost = "quadratic",
    validation: tuple[Any, Any] | None = None,
    progress: Callable[[Epoch], object] | None = None,
) -> History:
    """Train a network in place by stochastic gradient descent.

    After every epoch's shuffle the examples are taken in mini-batches, and each mini-batch moves the parameters by
    −η∇C, Equations (20) and (21) of Nielsen's chapter 1: one operation on the flat vector.

    Parameters
    ----------
    net : Network
        Changed in place.
    X : array_like of shape (m, n₁)
        Training examples, one a row.
    Y : array_like of shape (m, n_L)
        Their targets.
    epochs : int
        Passes over the examples.
    batch_size : int
        Examples in a mini-batch; the last one of an epoch may be smaller.
    learning_rate : float
        η, for the mean cost of a mini-batch.
    backend : str, Backend or None
        The formulation that computes the gradients; see :func:`formulations.get_backend`.
    seed : int, optional
        The same seed shuffles the same way, whatever the backend.
    cost : str or Cost
        The cost to descend on.
    validation : (X, Y), optional
        Examples whose accuracy is measured after every epoch.
    progress : callable, optional
        Called with each :class:`Epoch` when it is over.

    Returns
    -------
    History
        Cost, accuracy and time of every epoch.

    Raises
    ------
    InvalidInput
        Where a count or the learning rate is not positive, or a mini-batch is larger than the data.
    NotFinite
        Where the training diverges: the parameters are then those after the epoch that diverged.

    Examples
    --------
    >>> net = Network.random([2, 3, 1], seed=1)
    >>> X, Y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    >>> history = sgd(net, X, Y, epochs=1000, batch_size=4, learning_rate=5.0, seed=0)
    >>> net(X).round().astype(int).ravel().tolist()
    [0, 1, 1, 0]
    """
    check_network(net)
    epochs = positive_integer(epochs, "epochs")
    size = positive_integer(batch_size, "batch_size")
    eta = net.dtype.type(positive_number(learning_rate, "learning_rate"))
    X, Y, _, cost = net.check_examples(X, Y, cost=cost)
    if size > len(X):
        raise InvalidInput(f"batch_size must be at most the number of examples, {len(X)}, got {size}; take fewer.")
    if validation is not None:
        validation = net.check_examples(*validation, cost=cost)[:2]
    plan = prepare(net, size, cost=cost, backend=backend)
    generator = random_generator(seed)
    batch_X, batch_Y = np.empty((size, X.shape[1]), net.dtype), np.empty((size, Y.shape[1]), net.dtype)
    history: list[Epoch] = []
    start = perf_counter()

    def step(chosen: Array) -> float:
        """Descend on one mini-batch and return its cost times its size."""
        m = len(chosen)
        # mode="clip" writes straight into the buffer; the indices are in range anyway.
        np.take(X, chosen, axis=0, out=batch_X[:m], mode="clip")
        np.take(Y, chosen, axis=0, out=batch_Y[:m], mode="clip")
        gradient = plan(batch_X[:m], batch_Y[:m])
        # The plan's own memory serves as room for η∇C: the next call overwrites it anyway.
        gradient.vector *= eta
        net.vector -= gradient.vector
        return m * float(gradient.cost)

    for epoch in range(1, epochs + 1):
        order = generator.permutation(len(X))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            total = math.fsum(step(order[i : i + size]) for i in range(0, len(X), size))
        if not (math.isfinite(total) and np.isfinite(net.vector).all()):
            raise NotFinite(
                f"training diverged in epoch {epoch}: cost or parameters are no longer finite; "
                f"take a learning_rate below {learning_rate}."
            )
        share = None if validation is None else accuracy(net, *validation)
        history.append(Epoch(epoch, total / len(X), share, perf_counter() - start))
        if progress is not None:
            progress(history[-1])
    return History(plan.backend.label, tuple(history))
