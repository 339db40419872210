r"""T3, the bound of partial products: a product over several layers, multiplied from either end.

With :math:`M_k = \Sigma'(z^k)^T (w^{k+1})^T`, so that :math:`\delta^k = M_k \delta^{k+1}`, and their exact products
:math:`A_{l,k} = M_l \cdots M_k`, A_{l,l−1} = I,

.. math::

    |\hat\delta^l - \delta^l| \le B_l = \sum_{k=l}^{L-1} |A_{l,k-1}|\, N_k (|\delta^{k+1}| + B_{k+1})
        + |A_{l,L-1}|\, B_L, \qquad N_k = \gamma_{\max(n_k, n_{k+1}) + 2} |M_k|

B_L is γ_{n_L+5} times what rounding acts on in δ^L. A coupled slope enters |M_k| by the entries that rounding acts on,
and adds n_k + 5 roundings.

*From the back*, the computed vector is :math:`\hat\delta^k = M_k \hat\delta^{k+1} + \epsilon_k` with
:math:`|\epsilon_k| \le N_k |\hat\delta^{k+1}|`, and :math:`\hat\delta^l - \delta^l` is the sum of
:math:`A_{l,k-1} \epsilon_k`.

*From the front*, the computed matrix is :math:`\hat A_k = \hat A_{k-1} M_k + \Delta_k` with :math:`|\Delta_k| \le q_k =
|\hat A_{k-1}| N_k`. Unrolled, :math:`\hat A_{k-1} = A_{l,k-1} + \sum_{j<k} \Delta_j A_{j+1,k-1}`, whence

.. math::

    |\hat\delta^l - \delta^l| &\le \sum_k q_k |\delta^{k+1}| + |\hat A_{L-1}| B_L, \\
    q_k &\le |A_{l,k-1}| N_k + \sum_{j<k} q_j |A_{j+1,k-1}| N_k.

Multiply the second line by :math:`|\delta^{k+1}| + B_{k+1}` and sum over k. What is subtracted from q_j is the sum in
B_{j+1}, so that q_j keeps the factor :math:`|\delta^{j+1}| + |A_{j+1,L-1}| B_L`: the sum is at least that of the first
line, and the bound is the same as from the back.

Underflow adds to each step at most ηk times what stands beside it in the product: to :math:`N_k (\dots)` where it is
multiplied by A, and to B_l where it is not. The gradients add m + 3 roundings. A sum over paths with all their
cancellation in it, T3 is sharp where T2 sees nothing. It costs a matrix for each example and pair of layers, and so is
asked last, and not of large networks. That a gradient is within it says "equal" whatever way it was multiplied; that
one is not says nothing of other brackets.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import issparse

from formulations.arrays import Gradient
from formulations.network import Tape
from formulations.verification.oracles import Precision, magnitudes, outer, read_slope, through, widened
from formulations.verification.tolerances.carried import Carried, affordable
from formulations.verification.tolerances.local import output_error
from formulations.verification.tolerances.verdict import Check, error_check, gradient_checks

__all__ = ["partial_checks"]


def partial_checks(tape: Tape, gradient: Gradient) -> list[Check]:
    """Return the checks of δ^l, ∂C/∂w^l and ∂C/∂b^l, from the output backwards.

    Parameters
    ----------
    tape : Tape
        The one that the gradient was computed on; its z, a, σ′ and ∇_aC are taken as they are.
    gradient : Gradient
        With or without errors.

    Returns
    -------
    list of Check
        None where the products would take too long, or too much memory.
    """
    layout, precision = tape.network.layout, Precision.of(tape.network.dtype)
    if not affordable(tape.m, layout.sizes[:0:-1], precision.wide):
        return []
    wide, working, eta = precision.wide, precision.working, precision.eta
    weights = [w.toarray() if issparse(w) else w for w in widened(tape.network.weights, wide)]
    output, n = output_error(tape, precision), layout.sizes[-1]
    delta, k = output.reference, output.k + n
    bound = precision.gamma(k) * output.size + output.floor
    carried = Carried(bound.shape, precision)
    carried.add(bound)
    # Multiplied from the front, ∇_aC may come last: what underflows before is multiplied by it, and by nothing else.
    last = np.abs(tape.cost_gradient).astype(working) if tape.combined is None else np.zeros_like(bound)
    apart = eta * k * (1 + last.sum(axis=1, keepdims=True))
    errors, gradients = [], []
    for l in range(layout.last, 1, -1):
        if l < layout.last:
            slope = read_slope(tape.slopes[l - 2], precision)
            k = max(layout.sizes[l - 1 : l + 1]) + 2 + slope.roundings
            above = np.abs(delta).astype(working) + bound
            pulled = above @ np.abs(weights[l - 1]).astype(working)
            under = eta * k * (1 + above.sum(axis=1, keepdims=True) + pulled.sum(axis=1, keepdims=True))
            apart = apart + under
            carried.multiply(weights[l - 1].T)
            carried.apply(slope.matrix, transposed=True)
            carried.add(precision.gamma(k) * through(slope.acted_on, pulled) + under + eta * k * slope.gain)
            delta = through(slope.matrix, delta @ weights[l - 1])
            bound = carried.bound() + apart
        if gradient.errors is not None:
            errors.append(error_check(l, "δ", gradient.errors[l - 2], delta, bound))
        a, factor, i = tape.activations[l - 2], precision.gamma(tape.m + 3), l - 2
        size, a_size = magnitudes((delta, a), working)
        floor = apart.sum() + eta * (tape.m + 3)
        of_each = bound + factor * (size + bound)
        limits = outer(of_each, a_size, layout, i) + floor, of_each.sum(axis=0) + floor
        references = outer(delta, a.astype(wide), layout, i), delta.sum(axis=0)
        gradients += gradient_checks(gradient, i, ("∂C/∂w", "∂C/∂b"), references, limits)
    return [*errors, *gradients]
