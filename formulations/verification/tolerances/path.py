r"""T2, the path bound: for a product over several layers in any order, on the tape that it read.

.. math::

    |\hat g - g| \le \frac{\gamma_{K} + \gamma'_{K}}{1 - \gamma_{K}}\, g_{abs}, \qquad
    K_l = \sum_{j>l} (n_j + 1) + 5 \quad (+\, m + 3 \text{ for the gradients})

where g_abs is the same gradient with |w|, |σ′|, |∇_aC| and |a|, and γ′ is that of the reference. A coupled slope enters
g_abs by the entries that rounding acts on, and adds n_j + 5 to K. Each path from a neuron to the output takes at most K
roundings. The sum over paths ignores cancellation, so in deep networks the bound is too wide and the verdict
inconclusive: from about depth 8 in float32, and from about 30 in float64.
"""

from __future__ import annotations

import numpy as np

from formulations.arrays import Precision
from formulations.network import Gradient, Tape
from formulations.verification.oracles import magnitudes, outer, read_slope, through, widened
from formulations.verification.tolerances.local import output_error
from formulations.verification.tolerances.verdict import Check, error_check, gradient_checks

__all__ = ["path_checks"]


def path_checks(tape: Tape, gradient: Gradient) -> list[Check]:
    """Return the checks of δ^l, ∂C/∂w^l and ∂C/∂b^l, from the output backwards.

    Parameters
    ----------
    tape : Tape
        The tape that the gradient was computed on; its z, a, σ′ and ∇_aC are taken as exact.
    gradient : Gradient
        With or without errors.

    Returns
    -------
    list of Check
    """
    precision = Precision.of(tape.network.dtype)
    wide, working, layout = precision.wide, precision.working, tape.network.layout
    weights, absolute = widened(tape.network.weights, wide), magnitudes(tape.network.weights, working)
    output = output_error(tape, precision)
    reference, size, under, k = output.reference, output.size, output.floor, output.k
    # A product of matrices that has underflowed may still be multiplied by the vector of any layer above.
    amplified = 1 + size.sum(axis=1, keepdims=True)
    if tape.combined is None:
        amplified = amplified + np.abs(tape.cost_gradient).astype(working).sum(axis=1, keepdims=True)
    errors, gradients = [], []
    for l in range(len(layout.sizes), 1, -1):
        if l < len(layout.sizes):
            n, slope = layout.sizes[l], read_slope(tape.slopes[l - 2], precision)
            reference = through(slope.matrix, reference @ weights[l - 1])
            size = through(slope.acted_on, size @ absolute[l - 1])
            k += n + 1 + slope.roundings
            under = through(slope.acted_on, under @ absolute[l - 1])
            under = under + precision.eta * (n + 2 + slope.roundings) * (1 + slope.gain) * amplified
            amplified = amplified + size.sum(axis=1, keepdims=True)
        if gradient.errors is not None:
            bound = precision.gamma(k) * size + under
            errors.append(error_check(l, "δ", gradient.errors[l - 2], reference, bound))
        a, k_all = tape.activations[l - 2], k + tape.m + 3
        a_size = np.abs(a).astype(working)
        # Multiplied from the parameter upwards, an underflow is multiplied by what is above it, but not by a.
        floor = precision.eta * k_all * amplified.sum()
        references = outer(reference, a.astype(wide), layout, l - 2), reference.sum(axis=0)
        bounds = (
            precision.gamma(k_all) * outer(size, a_size, layout, l - 2) + outer(under, a_size, layout, l - 2) + floor,
            precision.gamma(k_all) * size.sum(axis=0) + under.sum(axis=0) + floor,
        )
        gradients += gradient_checks(gradient, l - 2, references, bounds)
    return [*errors, *gradients]
