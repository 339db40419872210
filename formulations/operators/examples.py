"""The gradients of single examples, one a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array, current_budget, quiet
from formulations.backends import errors_by_recurrence, khatri_rao
from formulations.exceptions import NotFinite, Refused
from formulations.functions import Cost
from formulations.network import Network, Tape, check_network, forward

__all__ = ["per_example_gradients"]


@quiet
def per_example_gradients(net: Network, X: Any, Y: Any, cost: str | Cost = "quadratic") -> Array:
    r"""Compute the gradient of every example's own cost: vec ∂C_x/∂w^l = δ^{x,l} ⊗ a^{x,l−1}, ∂C_x/∂b^l = δ^{x,l}.

    One forward and one backward pass over the mini-batch give all of them, by (BP1)–(BP4) without the sums.

    Parameters
    ----------
    net : Network
        The network; it is not changed.
    X : array_like of shape (m, n₁)
        One example a row.
    Y : array_like of shape (m, n_L)
        The targets.
    cost : str or Cost
        As in :func:`formulations.gradient`.

    Returns
    -------
    ndarray of shape (m, P + N)
        Row x is the gradient of C_x, in the order of ``network.vector``; the mean of the rows is the gradient of C.

    Raises
    ------
    WrongShape, WrongType, InvalidInput
        If the data cannot be used.
    NotFinite
        If the data or the gradients hold NaN or infinity.
    UnknownName
        If no cost has this name.
    Refused
        If the m·(P + N) numbers exceed the budget of :func:`formulations.use_budget`.

    Notes
    -----
    Goodfellow, "Efficient per-example gradient computations", arXiv:1510.01799.

    Examples
    --------
    >>> net = Network(weights=[[[2.0]]], biases=[[1.0]], activations="identity")
    >>> per_example_gradients(net, [[3.0], [1.0]], [[5.0], [0.0]])  # z = 7 and 3, δ = 2 and 3
    array([[6., 2.],
           [3., 3.]])
    """
    check_network(net)
    X, Y, _, cost = net.check_examples(X, Y, cost=cost)
    layout, m = net.layout, len(X)
    wanted, allowed = m * layout.count * net.dtype.itemsize, current_budget().memory
    if wanted > allowed:
        raise Refused(
            f"the gradients of {m} examples by {layout.count} parameters must fit the budget of {allowed / 1e6:.3g} "
            f"MB, and take {wanted / 1e6:.3g} MB; take fewer examples at once, or allow it with "
            "formulations.use_budget(memory=...)."
        )
    tape = Tape(net, cost, m)
    # With shares of 1 the tape holds each example's own δ, and not its share of the mean.
    tape.load(X, Y, np.ones((m, 1), net.dtype))
    rows = np.empty((m, layout.count), net.dtype)
    forward(net, tape)
    layers = zip(errors_by_recurrence(net, tape), tape.activations, layout.patterns, layout.slices, strict=False)
    for delta, a, pattern, (weights, biases) in layers:
        khatri_rao(delta, a, pattern, rows[:, weights])
        rows[:, biases] = delta
    finite = np.isfinite(rows)
    if not finite.all():
        x, position = (int(i) for i in np.argwhere(~finite)[0])
        raise NotFinite(
            f"every example's gradient must be finite, got ∂C_x/∂{layout.locate(position)} = {rows[x, position]} for "
            f"example {x}; scale weights, inputs and targets down, or take a cost that has a form combined with the "
            "output activation."
        )
    return rows
