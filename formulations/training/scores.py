"""Scores: the share of examples that a network classifies correctly, and R² of the numbers that it predicts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations.arrays import Array, quiet
from formulations.data import classes_of
from formulations.network import Network, Tape, examples_in_one_pass, passes
from formulations.training.examples import Examples, examples_for

__all__ = ["Examination", "accuracy", "predicted", "r_squared"]


class Examination:
    """Examples for repeated tests of a network: checked once, and kept with their own tape.

    Parameters
    ----------
    net : Network
        The network; each call uses its current parameters.
    examples : Examples
        The examples; a sparse X becomes dense in part only.
    """

    def __init__(self, net: Network, examples: Examples) -> None:
        self._net = net
        self._examples = examples
        self._wanted = classes_of(examples.Y)
        self._tape = Tape(net, examples.cost, examples_in_one_pass(net, len(examples.Y)))

    def __call__(self) -> tuple[float, float | None]:
        """Return the mean cost, and the share of correctly classified examples; None if the targets are not classes."""
        X, Y, *_ = self._examples
        total, right, m = 0.0, 0, len(Y)
        for rows, tape in passes(self._net, X, Y, tape=self._tape):
            total += tape.m * float(tape.cost_value)
            if self._wanted is not None:
                right += int(np.count_nonzero(predicted(tape.output) == self._wanted[rows]))
        return total / m, None if self._wanted is None else right / m


@quiet
def accuracy(net: Network, X: Any, Y: Any, classes: Any = None) -> float | None:
    """Return the share of examples that the network classifies correctly.

    The predicted class is that of the largest output; with one output neuron, whether the output exceeds ½.

    Parameters
    ----------
    net : Network
        The network.
    X : array_like, frame or sparse array of shape (m, n₁)
        The examples.
    Y : array_like of shape (m, n_L), or labels of shape (m,)
        Their targets, or the class of each: an integer, string or boolean.
    classes : array_like of shape (K,), optional
        For labels, the classes in the order of the outputs, ``history.classes`` of the training; by default the
        distinct labels, sorted.

    Returns
    -------
    float or None
        Between 0 and 1; None if the targets are neither labels, unit vectors nor one column of 0 and 1.

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used.

    Examples
    --------
    >>> net = Network([[[1.0]]], [[0.0]], "identity")
    >>> accuracy(net, [[0.9], [0.2]], [[1], [1]])
    0.5
    >>> accuracy(net, [[0.9], [0.2]], ["yes", "yes"], classes=["no", "yes"])
    0.5
    """
    examples = examples_for(net, X, Y, "quadratic", classes, are_labels=True)
    return Examination(net, examples)()[1]


def predicted(outputs: Array) -> NDArray[np.intp]:
    """Return the index of the class that each row of outputs stands for, shape (m,)."""
    return (outputs[:, 0] > 0.5).astype(np.intp) if outputs.shape[1] == 1 else outputs.argmax(axis=1)


def r_squared(wanted: Array, found: Array) -> float:
    """Return the coefficient of determination, the mean over the outputs; see :meth:`formulations.Model.score`."""
    wide = np.promote_types(found.dtype, np.float64)
    wanted, found = wanted.astype(wide), found.astype(wide)
    constant, correct = (wanted == wanted[0]).all(axis=0), (wanted == found).all(axis=0)
    # With targets scaled to 1, by a power of two and so exactly, no square overflows or vanishes.
    exponents = np.frexp(np.abs(wanted).max(axis=0))[1]
    wanted, found = np.ldexp(wanted, -exponents), np.ldexp(found, -exponents)
    unexplained = ((wanted - found) ** 2).sum(axis=0)
    total = ((wanted - wanted.mean(axis=0)) ** 2).sum(axis=0)
    each = np.where(constant, correct, 1 - unexplained / np.where(constant, 1, total))
    return float(each.mean())
