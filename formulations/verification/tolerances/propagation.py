r"""Propagated roundoff: how far another forward and backward pass can be from the reference, entry by entry.

With E the bound of a quantity's error, componentwise, beside a reference in the next higher precision:

.. math::

    E_z &= |w| E_a + \gamma_{n+2} (|w| (|a| + E_a) + |b|) \\
    E_a &= \max_\pm |\sigma(z \pm E'_z) - \sigma(z)| + 8u |a|, \qquad E'_z = E_z + 8u |z| \\
    E_d &= \max_\pm |\sigma'(z \pm E'_z) - \sigma'(z)| + 8u (|d| + |a|) \\
    E_\delta^l &= |d| E_s + |s| E_d + E_s E_d + 2u (|d| + E_d)(|s| + E_s), \qquad s = w^T \delta^{l+1} \\
    E_{\partial w} &= E_\delta |a|^T + |\delta| E_a^T + E_\delta E_a^T + \gamma_{m+3} (|\delta| + E_\delta)(|a| + E_a)^T

A coupled slope is a matrix, and so is its E_d: the products with d and E_d are then those with the transposed
blocks, with γ_{n+7} for 2u. What E_a and E_d are for each kind of activation,
:mod:`formulations.verification.tolerances.activation_bounds` says. Where the output is combined, E_δ = s(y)E_a + γ_k
(|s(y)a| + |y|) times the example's share, with k = 5, or n_L + 5 where s(y) is a sum; where δ^L is −y(1 − a), yE_a +
γ_11 y(1 − a).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.network import Tape
from formulations.verification.oracles import (
    Formulas,
    ForwardBounds,
    Matrices,
    OuterBlocks,
    Precision,
    Reference,
    gamma,
    magnitudes,
    outer,
    through,
)
from formulations.verification.tolerances.activation_bounds import activation_bounds
from formulations.verification.tolerances.jacobians import Backwards, Forwards
from formulations.verification.tolerances.output import alone, of_cost, of_last, within_range

__all__ = ["ForwardBounds", "forward_pass", "of_hidden", "propagate_bounds"]


def propagate_bounds(
    reference: Reference, *, exactly: bool = False, formulas: Formulas = Formulas.CAREFUL
) -> ForwardBounds:
    """Propagate bounds forward and back, for candidate and reference together; the reference keeps them.

    Parameters
    ----------
    reference : Reference
        Of its tape the network, the examples and the cost are read, not what a forward pass left there.
    exactly : bool
        Whether errors are carried by exact products of Jacobians where that is sharper; see
        :mod:`formulations.verification.tolerances.jacobians`.
    formulas : Formulas
        Those that the candidate's activations may be computed by.

    Returns
    -------
    ForwardBounds
    """
    key = exactly, formulas
    if key not in reference.bounds:
        reference.bounds[key] = _propagated(reference, exactly, formulas)
    return reference.bounds[key]


def _propagated(reference: Reference, exactly: bool, formulas: Formulas) -> ForwardBounds:
    tape = reference.tape
    precision = Precision(tape.network.dtype, reference.dtype, formulas)
    absolute = magnitudes(tape.network.weights, precision.working)
    of_a, of_d = forward_pass(tape, reference, absolute, precision, exactly)
    of_z = of_a[-2] @ absolute[-1].T + _of_sum(len(absolute) - 1, reference, absolute, of_a[-2], precision)[0]
    errors = _backward_pass(tape, reference, absolute, (of_a, of_d), precision, exactly)
    layout, factor = tape.network.layout, gamma(tape.m + 3, precision.u)
    deltas = magnitudes(reference.errors, precision.working)
    weights, biases = [], []
    for i, (of_delta, delta) in enumerate(zip(errors, deltas, strict=True)):
        a = np.abs(reference.activations[i]).astype(precision.working)
        largest, floor = a + of_a[i], precision.tiny * (tape.m + 3)
        weights.append(
            outer(of_delta, largest, layout, i)
            + outer(delta, of_a[i], layout, i)
            + factor * outer(delta + of_delta, largest, layout, i)
            + floor
        )
        biases.append(of_delta.sum(axis=0) + factor * (delta + of_delta).sum(axis=0) + floor)
    both = precision.sides
    return ForwardBounds(
        [both * e for e in errors],
        [both * w for w in weights],
        [both * b for b in biases],
        both * of_cost(tape, reference, of_z, of_a[-1], errors[-1], precision),
    )


def forward_pass(
    tape: Tape, reference: Reference, absolute: list[Array], precision: Precision, exactly: bool
) -> tuple[list[Array], list[Matrices]]:
    """Return E_a of a¹, …, a^L and E_d of σ′(z²), …, σ′(z^L)."""
    network, working = tape.network, precision.working
    of_a, of_d = [np.zeros(reference.activations[0].shape, working)], list[Matrices]()
    exact = Forwards(network.weights, reference, precision) if exactly else None
    for i, (w, activation) in enumerate(zip(absolute, network.activations, strict=True)):
        (own, size), z = _of_sum(i, reference, absolute, of_a[-1], precision), reference.weighted_inputs[i]
        e = of_a[-1] @ w.T + own
        if exact is not None:
            # A product of 0 and ∞ is no number, and no bound.
            e = np.fmin(e, exact.weighted_inputs(i, own))
        e = within_range(e, size, precision)
        moved_a, moved_d = activation_bounds(activation, z, e, precision)
        if exact is not None:
            still, _ = activation_bounds(activation, z, np.zeros_like(e), precision)
            moved_a = np.fmin(moved_a, exact.activations(i, still, e, moved_d))
        a = np.abs(reference.activations[i + 1]).astype(working)
        of_a.append(within_range(moved_a, a, precision))
        size_d = reference.slopes[i].size
        if isinstance(moved_d, OuterBlocks) or isinstance(size_d, OuterBlocks):
            # Softmax does not leave the range: neither its slopes nor their bounds exceed a few units.
            of_d.append(moved_d)
        else:
            of_d.append(within_range(moved_d, size_d, precision))
    return of_a, of_d


def _of_sum(
    i: int, reference: Reference, absolute: list[Array], of_a: Array, precision: Precision
) -> tuple[Array, Array]:
    """Return what rounding adds to z of layer i + 2, and what it acts on, where the a below are known to E_a."""
    w, n = absolute[i], absolute[i].shape[1]
    below = np.abs(reference.activations[i]).astype(precision.working)
    size = (below + of_a) @ w.T + np.abs(reference.tape.network.biases[i]).astype(precision.working)
    return gamma(n + 2, precision.u) * size + precision.tiny * (n + 2), size


def _backward_pass(
    tape: Tape,
    reference: Reference,
    absolute: list[Array],
    moved: tuple[list[Array], list[Matrices]],
    precision: Precision,
    exactly: bool,
) -> list[Array]:
    of_a, of_d = moved
    deltas = magnitudes(reference.errors, precision.working)
    e = of_last(tape, reference, of_a[-1], of_d[-1], precision)
    errors, exact = [e], Backwards(tape.network.weights, reference, precision, e) if exactly else None
    for l in range(len(deltas), 1, -1):
        w, above = absolute[l - 1], (reference.errors or ())[l - 1]
        largest = pulled = e @ w
        if exact is not None:
            pulled = np.fmin(pulled, exact.pulled(l))
        own = of_hidden(tape, reference, w, of_d[l - 2], l, above, (pulled, largest), precision)
        e = through(reference.slopes[l - 2].size, pulled) + own
        if exact is not None:
            e = np.fmin(e, exact.errors(l, own))
        e = within_range(e, deltas[l - 2] * alone(tape, precision), precision)
        errors.append(e)
    return errors[::-1]


def of_hidden(
    tape: Tape,
    reference: Reference,
    w: Array,
    d: Matrices,
    l: int,
    above: Array,
    of_pulled: tuple[Any, Any],
    precision: Precision,
) -> Array:
    r"""Return what (BP2) adds in layer l to the error of wᵀδ^{l+1}; w is |w^{l+1}|, and d is E_d.

    ``of_pulled`` bounds the error of wᵀδ^{l+1} that δ^{l+1} brings, and that of \|w\|ᵀ\|δ^{l+1}\|.
    """
    pulled, largest = of_pulled
    working, u, slope, n = precision.working, precision.u, reference.slopes[l - 2], above.shape[1]
    s = np.abs(above.astype(working) @ tape.network.weights[l - 1].astype(working))
    size = np.abs(above).astype(working) @ w + largest
    rounding = gamma(n + 2, u) * size
    of_s = within_range(pulled + rounding, size * alone(tape, precision), precision)
    e = through(slope.size, rounding) + through(d, s + of_s)
    e = e + gamma(2 + slope.roundings, u) * through(slope.acted_on + d, s + of_s)
    return np.asarray(e + precision.tiny * (n + 2) * (1 + slope.gain))
