"""The reference: the gradient by a pass of its own in the next higher precision, sharing no code with the tape.

Only the activations' and the cost's own functions are shared; their tests against independent digits stand elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.certificate.algebra import outer, shares_of, widened
from formulations.certificate.roundoff import higher
from formulations.exceptions import WrongType
from formulations.parameters import Array, Gradient
from formulations.tape import Tape

__all__ = ["Reference", "reference_gradient"]


class Reference(Gradient):
    """A gradient together with the pass that it comes from.

    Attributes
    ----------
    weighted_inputs, slopes : list of ndarray
        z^l and σ′(z^l) at ``[l-2]``, shape (m, n_l).
    activations : list of ndarray
        a^l at ``[l-1]``, shape (m, n_l).
    cost_gradient : ndarray of shape (m, n_L)
        ∇_aC of the mean cost; zero where cost and output activation have a fused form.
    """

    weighted_inputs: list[Array]
    slopes: list[Array]
    activations: list[Array]
    cost_gradient: Array


def reference_gradient(tape: Tape) -> Reference:
    """Compute the gradient for the examples that are loaded on a tape, in the next higher precision.

    Where there is no higher one, or an activation or the cost does not serve it, the tape's own is taken.

    Parameters
    ----------
    tape : Tape
        Only its network, examples and cost are read.

    Returns
    -------
    Reference
        Its dtype says which precision it is in.
    """
    wide, own = higher(tape.network.dtype), tape.network.dtype
    if wide is not None and all(activation.why_not(wide) is None for activation in tape.network.activations):
        try:
            return _compute(tape, wide)
        except WrongType:
            # A cost of the user's own that makes float64 of everything says so only when it is called.
            pass
    return _compute(tape, own)


def _compute(tape: Tape, dtype: np.dtype[Any]) -> Reference:
    network, targets = tape.network, np.asarray(tape.Y, dtype)
    weights = widened(network.weights, dtype)
    reference = Reference(network.layout, np.empty(network.layout.count, dtype), backend="reference", forward_passes=1)
    reference.weighted_inputs, reference.slopes = [], []
    reference.activations = [tape.X.astype(dtype)]
    for w, b, activation in zip(weights, network.biases, network.activations, strict=True):
        z = reference.activations[-1] @ w.T + b
        a, slope = np.empty_like(z), np.empty_like(z)
        activation.evaluate(z, a, slope)
        for record, array in zip(_records(reference), (z, a, slope), strict=True):
            record.append(array)
    output, shares = reference.activations[-1], shares_of(tape, dtype)
    reference.cost_gradient = np.zeros_like(output)
    if tape.fused is not None:
        values = tape.fused.value(reference.weighted_inputs[-1], targets)
        delta = np.empty_like(output)
        tape.fused.error(output, targets, delta)
        delta *= shares
    elif tape.cost is not None:
        values = tape.cost.evaluate(output, targets, reference.cost_gradient)
        reference.cost_gradient *= shares
        delta = reference.cost_gradient * reference.slopes[-1]
    reference.cost = (values * shares[:, 0]).sum()
    errors = [delta]
    for w, slope in zip(weights[:0:-1], reference.slopes[-2::-1], strict=True):
        errors.append((errors[-1] @ w) * slope)
    reference.errors = tuple(errors[::-1])
    for i, (delta, a) in enumerate(zip(reference.errors, reference.activations[:-1], strict=True)):
        of_weights, of_biases = network.layout.slices[i]
        reference.vector[of_weights] = outer(delta, a, network.layout, i)
        reference.vector[of_biases] = delta.sum(axis=0)
    return reference


def _records(reference: Reference) -> tuple[list[Array], list[Array], list[Array]]:
    return reference.weighted_inputs, reference.activations, reference.slopes
