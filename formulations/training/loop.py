"""Stochastic gradient descent with any backend."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np

from formulations.arrays import Array, positive_integer, positive_number, quiet, random_generator, size_of_batch
from formulations.backends import BackendLike
from formulations.exceptions import InvalidInput, NotFinite, WrongType
from formulations.functions import Cost
from formulations.network import Network, Tape, check_network, forward
from formulations.training.history import Epoch, History
from formulations.training.scores import Examination
from formulations.training.trainer import Trainer

__all__ = ["sgd"]


@quiet
def sgd(
    net: Network,
    X: Any,
    Y: Any,
    epochs: int = 30,
    batch_size: int | None = None,
    learning_rate: float = 3.0,
    backend: BackendLike = None,
    seed: int | None = None,
    *,
    cost: str | Cost = "quadratic",
    validation: tuple[Any, Any] | None = None,
    progress: Callable[[Epoch], object] | None = None,
) -> History:
    """Train a network in place by stochastic gradient descent.

    Each epoch shuffles the examples and splits them into mini-batches. Each mini-batch changes the parameters by −η∇C,
    Equations (20) and (21) of Nielsen's chapter 1, in one operation on the flat vector.

    Parameters
    ----------
    net : Network
        The network; changed in place.
    X : array_like of shape (m, n₁)
        Training examples, one per row.
    Y : array_like of shape (m, n_L)
        Their targets.
    epochs : int
        Passes over the examples.
    batch_size : int, optional
        Examples per mini-batch; by default 10, or all if there are fewer. The last mini-batch of an epoch may be
        smaller.
    learning_rate : float
        η, for the mean cost of a mini-batch.
    backend : str, Backend or None
        The formulation that computes the gradients; see :func:`formulations.get_backend`.
    seed : int, optional
        Seed of the shuffles; the order does not depend on the backend.
    cost : str or Cost
        The cost to minimise.
    validation : (X, Y), optional
        Examples whose accuracy is measured after every epoch.
    progress : callable, optional
        Called with each :class:`Epoch` at its end.

    Returns
    -------
    History
        Cost, accuracy and time of every epoch, and whether the training diverged or is dead.

    Raises
    ------
    InvalidInput
        If a count or the learning rate is out of range, a mini-batch is larger than the data, or the parameters are
        read-only.
    WrongShape
        If the data do not fit the network.
    WrongType
        If the data are not real numbers, ``validation`` is not a pair, or ``progress`` is not a function.
    NotFinite
        If the training diverges; the parameters are then those after the epoch in which it diverged.

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
    eta = _rate(learning_rate, net.dtype)
    if progress is not None and not callable(progress):
        raise WrongType(f"progress must be a function of an Epoch, got {progress!r}; pass a callable such as print.")
    if not net.vector.flags.writeable:
        raise InvalidInput("the parameters must be writable to learn, got a read-only vector; train network.copy().")
    X, Y, _, cost = net.check_examples(X, Y, cost=cost)
    size = size_of_batch(batch_size, len(X))
    examination = None if validation is None else Examination(net, *_pair(validation), cost=cost)
    trainer = Trainer(net, X, Y, cost=cost, batch_size=size, rate=eta, backend=backend)
    generator = random_generator(seed)
    history: list[Epoch] = []
    initial = math.nan
    start = perf_counter()
    parameters = net.vector
    for epoch in range(1, epochs + 1):
        order = generator.permutation(len(X))
        if epoch == epochs:
            before = parameters.copy()
        costs = [trainer.step(chosen)[0] for chosen in trainer.batches(order)]
        total = float(np.sum(costs))
        if epoch == 1:
            initial = costs[0] / size
        if not (math.isfinite(total) and np.isfinite(net.vector).all()):
            raise NotFinite(
                f"training diverged in epoch {epoch}: cost or parameters are no longer finite; "
                f"use a learning_rate below {learning_rate}."
            )
        share = None if examination is None else examination()
        history.append(Epoch(epoch, total / len(X), share, perf_counter() - start))
        if progress is not None:
            progress(history[-1])
    return History(
        trainer.plan.backend.label,
        tuple(history),
        initial,
        _constant_cost(X, Y, cost),
        np.array_equal(before, parameters),
        _is_uniform(net, X, size),
    )


def _constant_cost(X: Array, Y: Array, cost: Cost) -> float | None:
    """Return the cost of predicting the mean of the targets; None if all inputs or all targets are the same."""
    if any(np.array_equal(array, np.broadcast_to(array[0], array.shape)) for array in (X, Y)):
        return None
    found = float(np.mean(cost.evaluate(np.tile(Y.mean(axis=0), (len(Y), 1)), Y)))
    return found if math.isfinite(found) else None


def _is_uniform(net: Network, X: Array, size: int) -> bool:
    """Return whether the activations of some layer are bitwise the same for all examples."""
    tape = Tape(net, None, size)
    rows: dict[int, Array] = {}
    for i in range(0, len(X), size):
        chunk = X[i : i + size]
        part = tape if len(chunk) == size else tape.first(len(chunk))
        part.load(chunk, None)
        forward(net, part, slopes=False)
        layers = dict(enumerate(part.activations[1:]))
        if i == 0:
            rows = {l: a[0].copy() for l, a in layers.items()}
        rows = {l: row for l, row in rows.items() if (layers[l] == row).all()}
        if not rows:
            return False
    return True


def _rate(learning_rate: Any, dtype: np.dtype[Any]) -> Any:
    """Return η in the network's dtype."""
    number = positive_number(learning_rate, "learning_rate")
    eta = dtype.type(number)
    if not 0 < eta < math.inf:
        raise InvalidInput(
            f"learning_rate must be positive and finite in {dtype}, in which {number:g} is {eta:g}; "
            "pass a number such as 0.5."
        )
    return eta


def _pair(validation: Any) -> tuple[Any, Any]:
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise WrongType(
            f"validation must be a pair (X, Y) of examples and targets, got {type(validation).__name__}"
            f"{f' of {len(validation)}' if isinstance(validation, tuple | list) else ''}; pass validation=(X, Y)."
        )
    X, Y = validation
    return X, Y
