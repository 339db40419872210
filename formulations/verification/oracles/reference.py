"""The reference gradient, computed in the next higher precision by code that it does not share with the tape.

Only the functions of the activations and of the cost are shared; separate tests compare these with fifty digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array, Precision, current_budget, format_bytes, higher
from formulations.exceptions import Refused
from formulations.functions import CoupledActivation, CoupledSlope, Softmax
from formulations.network import Gradient, Tape
from formulations.verification.oracles.algebra import combined_error, outer, shares_of, through, widened
from formulations.verification.oracles.slopes import Slope, read_slope

__all__ = ["Reference", "reference_gradient", "reference_on_tape"]


class Reference(Gradient):
    """A gradient together with the pass that computed it.

    Attributes
    ----------
    tape : Tape
        Supplies the network, the examples and the cost.
    weighted_inputs : list of ndarray
        z^l at ``[l-2]``, shape (m, n_l).
    slopes : list of Slope
        Σ′(z^l) at ``[l-2]``.
    activations : list of ndarray
        a^l at ``[l-1]``, shape (m, n_l).
    cost_gradient : ndarray of shape (m, n_L)
        ∇_aC of the mean cost; zero if cost and output activation have a combined form.
    l2 : float
        λ of the weight decay that the gradient has: it is that of C + ½λΣw².
    decay : ndarray of shape (P + N,), or None
        λw for the weights and 0 for the biases, which ``vector`` includes; None if λ is 0.
    bounds : dict
        The propagated bounds of T4, which are the same for every candidate; see
        :func:`formulations.verification.tolerances.propagation.propagate_bounds`.
    """

    tape: Tape
    weighted_inputs: list[Array]
    slopes: list[Slope]
    activations: list[Array]
    cost_gradient: Array
    bounds: dict[Any, Any]
    l2: float = 0.0
    decay: Array | None = None


def reference_gradient(tape: Tape, l2: float = 0.0) -> Reference:
    """Compute the gradient for the examples that are loaded on a tape, in the next higher precision.

    If there is no higher precision, or if an activation or the cost does not serve it, the tape's own is used.

    Parameters
    ----------
    tape : Tape
        Only its network, examples and cost are read, also by the bounds later.
    l2 : float
        λ: ½λΣw² is added to the cost, for the weights and not for the biases.

    Returns
    -------
    Reference
        Its dtype is the precision that was used.

    Raises
    ------
    Refused
        If the slopes of user-defined coupled activations would exceed the budget's memory.
    """
    wide, own = higher(tape.network.dtype), tape.network.dtype
    if wide is None or any(part.why_not(wide) for part in (*tape.network.activations, tape.cost) if part is not None):
        wide = own
    _check_memory(tape, Precision(own, wide))
    reference = _compute(tape, wide)
    if l2:
        _add_decay(reference, l2)
    return reference


def _add_decay(reference: Reference, l2: float) -> None:
    """Add ½λΣw² to the cost, and λw to ∂C/∂w."""
    parameters = reference.tape.network.vector.astype(reference.dtype)
    decay = np.zeros_like(parameters)
    for of_weights, _ in reference.layout.slices:
        decay[of_weights] = reference.dtype.type(l2) * parameters[of_weights]
    reference.l2, reference.decay = l2, decay
    reference.vector += decay
    reference.cost += (decay @ parameters) / 2


def _check_memory(tape: Tape, precision: Precision) -> None:
    """Refuse to form Σ′ of coupled activations of which only products are known, if it exceeds the budget."""
    network, allowed = tape.network, current_budget().memory
    formed = [
        (activation.slope_entries(n), activation.name)
        for n, activation in zip(network.layout.sizes[1:], network.activations, strict=True)
        if activation.coupled and not isinstance(activation, Softmax)
    ]
    if not formed:
        return
    entries, names = zip(*formed, strict=True)
    wide, working = precision.wide.itemsize, precision.working.itemsize
    # Σ′, M, |Σ′| and E_d of each layer are kept; E_d is computed from Σ′ at both ends of the interval of each z.
    needed = tape.m * (sum(entries) * (wide + 3 * working) + max(entries) * 7 * wide)
    if needed > allowed:
        raise Refused(
            f"a verdict must fit the budget of {format_bytes(allowed)}, and takes about {format_bytes(needed)}: "
            f"{tape.m} examples of a slope that is a full matrix in each layer of {', '.join(dict.fromkeys(names))}; "
            "take fewer examples or neurons, or allow it with formulations.use_budget(memory=...)."
        )


def _compute(tape: Tape, dtype: np.dtype[Any]) -> Reference:
    network, precision = tape.network, Precision(tape.network.dtype, dtype)
    weights = widened(network.weights, dtype)
    reference = Reference(network.layout, np.empty(network.layout.count, dtype), backend="reference", forward_passes=1)
    reference.tape, reference.bounds = tape, {}
    reference.weighted_inputs, reference.slopes = [], []
    reference.activations = [tape.X.astype(dtype)]
    for w, b, activation in zip(weights, network.biases, network.activations, strict=True):
        z = reference.activations[-1] @ w.T + b
        a, slope = np.empty_like(z), np.empty_like(z)
        activation.evaluate(z, a, slope)
        reference.weighted_inputs.append(z)
        reference.activations.append(a)
        of_layer = CoupledSlope(activation, z, a) if isinstance(activation, CoupledActivation) else slope
        reference.slopes.append(read_slope(of_layer, precision))
    _backward_pass(reference, weights, _output_error(tape, reference, dtype))
    return reference


def reference_on_tape(tape: Tape, output_error: Array) -> Reference:
    """Compute the gradient from the forward pass that a tape holds, in the next higher precision.

    Parameters
    ----------
    tape : Tape
        Its z, a and σ′ are taken as exact.
    output_error : ndarray of shape (m, n_L)
        δ^L, in the next higher precision.

    Returns
    -------
    Reference
        Without cost and ∇_aC.
    """
    network, precision = tape.network, Precision.of(tape.network.dtype)
    wide = precision.wide
    reference = Reference(network.layout, np.empty(network.layout.count, wide), backend="reference", forward_passes=0)
    reference.tape, reference.bounds = tape, {}
    reference.weighted_inputs = widened(tape.weighted_inputs, wide)
    reference.activations = widened(tape.activations, wide)
    reference.slopes = [read_slope(slope, precision) for slope in tape.slopes]
    _backward_pass(reference, widened(network.weights, wide), output_error)
    return reference


def _backward_pass(reference: Reference, weights: list[Array], output_error: Array) -> None:
    """Set δ and the gradient of a reference that has its forward pass."""
    errors, layout = [output_error], reference.layout
    for w, slope in zip(weights[:0:-1], reference.slopes[-2::-1], strict=True):
        errors.append(through(slope.matrix, errors[-1] @ w))
    reference.errors = tuple(errors[::-1])
    for i, (delta, a) in enumerate(zip(reference.errors, reference.activations[:-1], strict=True)):
        of_weights, of_biases = layout.slices[i]
        reference.vector[of_weights] = outer(delta, a, layout, i)
        reference.vector[of_biases] = delta.sum(axis=0)


def _output_error(tape: Tape, reference: Reference, dtype: np.dtype[Any]) -> Array:
    """Return δ^L, and set C and ∇_aC of the reference."""
    output, targets, shares = reference.activations[-1], tape.targets.astype(dtype), shares_of(tape, dtype)
    reference.cost_gradient = np.zeros_like(output)
    if tape.combined is not None:
        values = tape.combined.value(reference.weighted_inputs[-1], targets)
        delta = combined_error(tape.combined, reference.weighted_inputs[-1], output, targets)[0] * shares
    elif tape.cost is not None:
        values = tape.cost.evaluate(output, targets, reference.cost_gradient)
        reference.cost_gradient *= shares
        delta = through(reference.slopes[-1].matrix, reference.cost_gradient)
    reference.cost = (values * shares[:, 0]).sum()
    return np.asarray(delta)
