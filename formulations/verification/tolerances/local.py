r"""T1, the local bound: every equation is judged with the candidate's own error of the layer above.

.. math::

    |\hat\delta^l - \hat s| &\le \gamma_k M^T (|w^{l+1}|^T |\hat\delta^{l+1}|)
        + \eta k (1 + M^T 1 + 1^T |\hat\delta^{l+1}|),
    \qquad \hat s = \Sigma'(z^l)^T (w^{l+1})^T \hat\delta^{l+1} \\
    |\hat\delta^L - \Sigma'(z^L)^T \nabla_a C| &\le \gamma_k M^T |\nabla_a C| + 5\eta (1 + M^T 1)

M holds what rounding acts on in Σ′, the diagonal |d|, and k is n_{l+1} + 2 in hidden layers and 5 at the output. A
coupled activation has the M of :mod:`formulations.verification.oracles.slopes`, and adds n_l + 5 to k. Nothing is
carried from layer to layer. So the bound does not grow with depth, and a ratio above 1 names the layer and the
equation.

If cost and output activation have a combined form, δ^L is s(y)a − y times the example's share, since Σ′ᵀ∇_aC may be
0·∞. The bound is γ_5(|a| + |y|) times that share, or γ_{n_L+5}(|s(y)a| + |y|) if s(y) is a sum over the outputs. If
δ^L is −y(1 − a), the bound is γ_12 y(1 − a): 1 − a is known to within 8u, and nothing cancels. For the gradients, k is
m + 3 and γ_k multiplies |δ̂||a|ᵀ. Each γ is that of the candidate plus that of the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from formulations.arrays import Array, Precision
from formulations.functions import CombinedOutput
from formulations.network import Gradient, Tape
from formulations.verification.oracles import combined_error, magnitudes, outer, read_slope, shares_of, through, widened
from formulations.verification.tolerances.verdict import Check, error_check, gradient_checks

__all__ = ["OutputError", "local_checks", "output_error"]


@dataclass(frozen=True)
class OutputError:
    """δ^L by (BP1) from the tape, and the parts of its bound, γ_k times size plus floor.

    Attributes
    ----------
    reference : ndarray of shape (m, n_L)
        In the wide precision.
    size, floor : ndarray of shape (m, n_L)
        What rounding acts on, and the bound of underflow.
    k : int
        The number of roundings.
    """

    reference: Array
    size: Array
    floor: Array
    k: int


def local_checks(tape: Tape, gradient: Gradient) -> list[Check]:
    """Return the checks of (BP1), (BP2), (BP4) and (BP3), from the output backwards.

    Parameters
    ----------
    tape : Tape
        The tape that the gradient was computed on; its z, a, σ′ and ∇_aC are taken as exact.
    gradient : Gradient
        With its errors.

    Returns
    -------
    list of Check
        Empty if there are no errors.
    """
    precision = Precision.of(tape.network.dtype)
    errors = gradient.errors
    if errors is None:
        return []
    return [*_error_checks(tape, errors, precision), *_gradient_checks(tape, gradient, errors, precision)]


def _error_checks(tape: Tape, errors: tuple[Array, ...], precision: Precision) -> list[Check]:
    working = precision.working
    output, depth = output_error(tape, precision), len(errors) + 1
    bound = precision.gamma(output.k) * output.size + output.floor
    checks = [error_check(depth, "BP1", errors[-1], output.reference, bound, local=True)]
    weights = widened(tape.network.weights, precision.wide)
    absolute = magnitudes(tape.network.weights, working)
    for l in range(depth - 1, 1, -1):
        above, slope = errors[l - 1], read_slope(tape.slopes[l - 2], precision)
        k = above.shape[1] + 2 + slope.roundings
        reference = through(slope.matrix, above.astype(precision.wide) @ weights[l - 1])
        magnitude = np.abs(above).astype(working)
        size = through(slope.acted_on, magnitude @ absolute[l - 1])
        # A candidate that forms Σ′wᵀ first multiplies an underflow there by δ.
        under = precision.eta * k * (1 + slope.gain + magnitude.sum(axis=1, keepdims=True))
        bound = precision.gamma(k) * size + under
        checks.append(error_check(l, "BP2", errors[l - 2], reference, bound, local=True))
    return checks


def _gradient_checks(tape: Tape, gradient: Gradient, errors: tuple[Array, ...], precision: Precision) -> list[Check]:
    layout, k = tape.network.layout, tape.m + 3
    factor, floor = precision.gamma(k), precision.eta * k
    checks = []
    for i in reversed(range(len(errors))):
        delta, a = widened((errors[i], tape.activations[i]), precision.wide)
        size, a_size = magnitudes((errors[i], tape.activations[i]), precision.working)
        bounds = (factor * outer(size, a_size, layout, i) + floor, factor * size.sum(axis=0) + floor)
        checks += gradient_checks(gradient, i, (outer(delta, a, layout, i), delta.sum(axis=0)), bounds, local=True)
    return checks


def output_error(tape: Tape, precision: Precision) -> OutputError:
    """Return δ^L by (BP1), in the combined form if there is one, with its bound."""
    if tape.combined is not None:
        return _combined(tape.combined, tape, precision)
    slope = read_slope(tape.slopes[-1], precision)
    return OutputError(
        reference=through(slope.matrix, tape.cost_gradient.astype(precision.wide)),
        size=through(slope.acted_on, np.abs(tape.cost_gradient).astype(precision.working)),
        floor=(5 + slope.roundings) * precision.eta * (1 + slope.gain),
        k=5 + slope.roundings,
    )


def _combined(combined: CombinedOutput, tape: Tape, precision: Precision) -> OutputError:
    wide = widened((tape.weighted_inputs[-1], tape.output, tape.targets), precision.wide)
    delta, size, k = combined_error(combined, *wide)
    shares = shares_of(tape, precision.working)
    size = size.astype(precision.working) * shares
    floor = np.full_like(size, k * precision.eta)
    if combined.complement is not None:
        # An underflow in 1 − a is multiplied by y.
        floor = floor * (1 + np.abs(tape.targets))
    return OutputError(
        reference=delta * shares_of(tape, precision.wide),
        size=size,
        floor=floor,
        k=k,
    )
