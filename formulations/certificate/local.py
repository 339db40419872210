r"""T1, the local certificate: every equation judged on the candidate's own error of the layer above.

.. math::

    |\hat\delta^l - \hat s| &\le \gamma_k |d^l| \circ (|w^{l+1}|^T |\hat\delta^{l+1}|) + \eta k (1 + |d^l|),
    \qquad \hat s = ((w^{l+1})^T \hat\delta^{l+1}) \circ d^l, \quad k = n_{l+1} + 2 \\
    |\hat\delta^L - d^L \circ \nabla_a C| &\le \gamma_5 |d^L \circ \nabla_a C| + 5\eta (1 + |d^L|)

Nothing is carried from layer to layer, so the bound does not grow with depth, and a ratio above 1 names the layer and
the equation. Where cost and output activation are fused, γ_5(|a| + |y|)/m stands for the output: d∘∇_aC may be 0·∞.
The gradients' lines have k = m + 3 and |δ̂||a|ᵀ. Each γ is that of the candidate plus that of the reference.
"""

from __future__ import annotations

import numpy as np

from formulations.certificate.algebra import magnitudes, outer, shares_of, widened
from formulations.certificate.roundoff import Precision
from formulations.certificate.verdict import Check, error_check, gradient_checks
from formulations.parameters import Array, Gradient
from formulations.tape import Tape

__all__ = ["local_checks", "output_error"]


def local_checks(tape: Tape, gradient: Gradient) -> list[Check]:
    """Return the checks of (BP1), (BP2), (BP4) and (BP3), from the output backwards.

    Parameters
    ----------
    tape : Tape
        The one that the gradient was computed on; its z, a, σ′ and ∇_aC are taken as they are.
    gradient : Gradient
        With its errors.

    Returns
    -------
    list of Check
    """
    precision = Precision.of(tape.network.dtype)
    errors = gradient.errors or ()
    return [*_error_checks(tape, errors, precision), *_gradient_checks(tape, gradient, errors, precision)]


def _error_checks(tape: Tape, errors: tuple[Array, ...], precision: Precision) -> list[Check]:
    working = precision.working
    reference, size = output_error(tape, precision)
    depth = len(errors) + 1
    checks = [error_check(depth, "BP1", errors[-1], reference, size)]
    weights = widened(tape.network.weights, precision.wide)
    absolute = magnitudes(tape.network.weights, working)
    for l in range(depth - 1, 1, -1):
        above, d = errors[l - 1], tape.slopes[l - 2]
        k = above.shape[1] + 2
        reference = (above.astype(precision.wide) @ weights[l - 1]) * d
        d, above = np.abs(d).astype(working), np.abs(above).astype(working)
        bound = precision.gamma(k) * d * (above @ absolute[l - 1]) + precision.eta * k * (1 + d)
        checks.append(error_check(l, "BP2", errors[l - 2], reference, bound))
    return checks


def _gradient_checks(tape: Tape, gradient: Gradient, errors: tuple[Array, ...], precision: Precision) -> list[Check]:
    layout, k = tape.network.layout, tape.m + 3
    factor, floor = precision.gamma(k), precision.eta * k
    checks = []
    for i in reversed(range(len(errors))):
        delta, a = widened((errors[i], tape.activations[i]), precision.wide)
        size, a_size = magnitudes((errors[i], tape.activations[i]), precision.working)
        bounds = (factor * outer(size, a_size, layout, i) + floor, factor * size.sum(axis=0) + floor)
        checks += gradient_checks(gradient, i, ("BP4", "BP3"), (outer(delta, a, layout, i), delta.sum(axis=0)), bounds)
    return checks


def output_error(tape: Tape, precision: Precision) -> tuple[Array, Array]:
    """Return δ^L by (BP1) from what the tape holds, in the wide precision, and the bound for a candidate's.

    Returns
    -------
    reference, bound : ndarray of shape (m, n_L)
    """
    working, factor = precision.working, precision.gamma(5)
    if tape.fused is None:
        d = tape.slopes[-1].astype(precision.wide)
        reference = d * tape.cost_gradient
        size = np.abs(reference).astype(working)
        return reference, factor * size + 5 * precision.eta * (1 + np.abs(d).astype(working))
    output, targets = widened((tape.output, np.asarray(tape.Y)), precision.wide)
    reference = np.empty_like(output)
    tape.fused.error(output, targets, reference)
    reference *= shares_of(tape, precision.wide)
    size = (np.abs(output) + np.abs(targets)).astype(working) * shares_of(tape, working)
    return reference, factor * size + 5 * precision.eta
