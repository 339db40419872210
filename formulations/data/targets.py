"""Targets: labels become the desired outputs y of the book, and a cost follows from them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from formulations.arrays import Array
from formulations.data.labels import encode_labels, is_labels, unit_vectors
from formulations.exceptions import InvalidInput, WrongShape
from formulations.functions import COSTS, Activation, Cost, get_cost
from formulations.network import Network

__all__ = ["Targets", "default_cost", "targets_for"]

CROSS_ENTROPIES = ("binary_cross_entropy", "log_likelihood")
"""The costs that only a classification has. Sigmoid outputs combine with both, softmax outputs with the second."""


class Targets(NamedTuple):
    """Targets and their cost.

    Attributes
    ----------
    Y : ndarray of shape (m, n_L), or array_like
        The targets of labels; anything else as it came.
    cost : Cost
        The cost.
    classes : ndarray of shape (K,), or None
        The classes of the labels, in order; None if Y was not labels.
    """

    Y: Any
    cost: Cost
    classes: Array | None


def targets_for(
    net: Network,
    Y: Any,
    cost: str | Cost | None = None,
    classes: Any = None,
    *,
    are_labels: bool = False,
    by_index: bool = False,
) -> Targets:
    """Turn labels into targets, and return anything else as it is.

    Labels become unit vectors, the desired outputs y of the book; with one output and two classes, 1 stands for the
    second class. They are turned if they are strings or booleans, if the outputs are softmax or sigmoid, or if the cost
    is a cross-entropy. Integers for other outputs may be numbers to learn, and are refused.

    Parameters
    ----------
    net : Network
        The network.
    Y : array_like of shape (m, n_L), or labels of shape (m,)
        The targets, or the class of each example: an integer, string or boolean.
    cost : str, Cost or None
        The cost; None means that of :func:`default_cost` for labels, and else the quadratic cost.
    classes : array_like of shape (K,), optional
        The classes in the order of the outputs; by default the distinct labels, sorted.
    are_labels : bool
        Integers are labels whatever the outputs and the cost.
    by_index : bool
        Integers from 0 to n_L − 1 (0 and 1 for one output) are the indices of the outputs, so that a mini-batch may
        lack some of the classes.

    Raises
    ------
    WrongShape
        If the number of classes does not fit the outputs.
    InvalidInput
        If the integers may be numbers to learn, or the labels are of one class.
    UnknownName
        If there is no such cost.
    """
    labelled = is_labels(Y)
    if cost is None:
        cost = default_cost(net.activations[-1]) if labelled else "quadratic"
    chosen = get_cost(cost)
    if not labelled:
        return Targets(Y, chosen, None)
    known, indices = encode_labels(Y, classes, "Y")
    if not (are_labels or known.dtype.kind in "bU" or _is_classifier(net, chosen)):
        raise InvalidInput(
            f"Y must have shape (m, {net.sizes[-1]}) for {net.activations[-1].name} outputs and the {chosen.name} "
            f"cost, got {len(indices)} integers; pass formulations.one_hot(Y) if they are classes, or "
            "Y.reshape(-1, 1) if they are numbers to learn."
        )
    if by_index and known.dtype.kind == "i" and known[0] >= 0 and known[-1] < max(net.sizes[-1], 2):
        known, indices = np.arange(max(net.sizes[-1], 2)), known[indices]
    return Targets(_encoded(net, known, indices), chosen, known)


def default_cost(output: Activation) -> str:
    """Return the name of the cost of a classification that suits its output activation.

    It is the cost whose combined form is that of the activation, the log-likelihood for softmax and binary
    cross-entropy for sigmoid, and else the quadratic cost.
    """
    suited = (name for name in CROSS_ENTROPIES if COSTS[name].combined(output) is not None)
    return next(suited, "quadratic")


def _is_classifier(net: Network, cost: Cost) -> bool:
    """Return whether the outputs or the cost are those of a classification."""
    entropies = {type(COSTS[name]) for name in CROSS_ENTROPIES}
    return type(cost) in entropies or default_cost(net.activations[-1]) in CROSS_ENTROPIES


def _encoded(net: Network, classes: Array, indices: NDArray[np.intp]) -> Array:
    """Return the targets of labels, given by their indices in the classes."""
    outputs, count = net.sizes[-1], len(classes)
    if count == 1:
        raise InvalidInput(
            f"Y must hold labels of two or more classes, got {classes[0].item()!r} alone; add other examples."
        )
    if count == outputs:
        return unit_vectors(indices, count, net.dtype)
    if outputs == 1 and net.activations[-1].coupled:
        raise WrongShape(
            f"{net.activations[-1].name} outputs must be one for each class of Y, two or more, got 1; make the output "
            f"layer {count} neurons wide{' or its activation sigmoid' if count == 2 else ''}."
        )
    if outputs == 1 and count == 2:
        return indices.astype(net.dtype)[:, None]
    absent = count < outputs and classes.dtype.kind == "i" and classes[0] >= 0 and classes[-1] < outputs
    raise WrongShape(
        f"the network must have one output for each class of Y, {count}, got {outputs}; make the output layer {count} "
        f"neurons wide{f', or pass formulations.one_hot(Y, {outputs}) if Y lacks classes' if absent else ''}."
    )
