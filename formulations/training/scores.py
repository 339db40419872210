"""Accuracy: the share of examples that the network classifies correctly."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.data import classes_of
from formulations.functions import Cost
from formulations.network import Network, Tape, forward

__all__ = ["Examination", "accuracy", "chance"]


class Examination:
    """Examples for repeated tests of a network: checked once, and kept on their own tape.

    Parameters
    ----------
    net : Network
        The network; each call uses its current parameters.
    X : array_like of shape (m, n₁)
        The examples.
    Y : array_like of shape (m, n_L)
        Their targets.
    cost : str or Cost
        The cost for which the targets must be valid.

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used.
    """

    def __init__(self, net: Network, X: Any, Y: Any, cost: str | Cost = "quadratic") -> None:
        X, Y, _, _ = net.check_examples(X, Y, cost=cost)
        self._net = net
        self._wanted = classes_of(Y)
        self._tape = Tape(net, None, len(X))
        self._tape.load(X, None)

    def __call__(self) -> float | None:
        """Return the share of correctly classified examples; None if the targets are not classes."""
        if self._wanted is None:
            return None
        forward(self._net, self._tape, slopes=False)
        return float(np.mean(_classes(self._tape.output) == self._wanted))


def accuracy(net: Network, X: Any, Y: Any) -> float | None:
    """Return the share of examples that the network classifies correctly.

    The predicted class is that of the largest output; with one output neuron, whether the output exceeds ½.

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
    float or None
        Between 0 and 1; None if the targets are neither unit vectors nor one column of 0 and 1.

    Raises
    ------
    WrongShape, WrongType, NotFinite
        If the data cannot be used.

    Examples
    --------
    >>> net = Network([[[1.0]]], [[0.0]], "identity")
    >>> accuracy(net, [[0.9], [0.2]], [[1], [1]])
    0.5
    """
    return Examination(net, X, Y)()


def chance(Y: Array) -> float | None:
    """Return the accuracy of always predicting the most frequent class; None if the targets are not classes.

    Parameters
    ----------
    Y : ndarray of shape (m, n_L)
        The targets.

    Examples
    --------
    >>> chance(np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    0.75
    """
    classes = classes_of(Y)
    return None if classes is None else float(np.bincount(classes).max() / len(Y))


def _classes(outputs: Any) -> Any:
    """Return the predicted class of each example, shape (m,)."""
    return outputs[:, 0] > 0.5 if outputs.shape[1] == 1 else outputs.argmax(axis=1)
