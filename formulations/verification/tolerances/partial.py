r"""T3, the bound of partial products: T4's backward pass, for a candidate that reads the same tape.

Both sides read the same forward pass, so E_a = E_d = 0. With :math:`M_k = \Sigma'(z^k)^T (w^{k+1})^T`, layer k adds an
error :math:`|\epsilon_k| \le N_k (|\delta^{k+1}| + E_\delta^{k+1})` to :math:`\delta^k = M_k \delta^{k+1}`. N_k is
:math:`\gamma_{\max(n_k, n_{k+1})+2} |M_k|` and the rounding of the product with Σ′: multiplied from the back, M_k is
applied by sums of n_{k+1} terms, from the front by sums of n_k terms. Exact products carry these errors to layer l:

.. math::

    E_\delta^l = \sum_{k=l}^{L-1} |M_l \cdots M_{k-1}|\, N_k (|\delta^{k+1}| + E_\delta^{k+1})
        + |M_l \cdots M_{L-1}|\, E_\delta^L

E_δ^L is the bound of (BP1) in T1, with n_L roundings more: multiplied from the front, the last product is a sum over
the outputs. Each of the p_k products in an entry of δ^k costs η if it underflows, as in T1 and T2. From the front, an
underflow in :math:`M_l \cdots M_k` is multiplied by :math:`\delta^{k+1}`, which adds
:math:`\eta \sum_{k \ge l} p_k\, 1^T |\delta^{k+1}|` to layer l. T2 alone counts an underflow that is multiplied by
:math:`\nabla_a C`, or that follows a factor a.

The products keep the cancellation along the paths, so T3 is sharp where T2 is too wide. They take a matrix for each
example and pair of layers, and are not formed for large networks. T3 only confirms: a gradient within a sharp bound is
right in whatever order it was multiplied, and one beyond it is left to T2, which covers every order.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from formulations.arrays import Array, Precision
from formulations.network import Gradient, Tape
from formulations.verification.oracles import Matrices, OuterBlocks, reference_on_tape
from formulations.verification.tolerances.customary import Formulas
from formulations.verification.tolerances.jacobians import affordable
from formulations.verification.tolerances.local import OutputError, output_error
from formulations.verification.tolerances.propagation import Propagation
from formulations.verification.tolerances.verdict import Check

__all__ = ["partial_checks"]


def partial_checks(tape: Tape, gradient: Gradient) -> list[Check]:
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
        Empty if the products would take too long or too much memory.
    """
    precision = Precision.of(tape.network.dtype)
    if not affordable(tape.m, tape.network.layout.sizes[:0:-1], precision.wide):
        return []
    return _OnTape(tape, output_error(tape, precision)).checks(gradient)


class _OnTape(Propagation):
    """The bounds of T4 for a forward pass that candidate and reference share."""

    def __init__(self, tape: Tape, output: OutputError) -> None:
        self._of_output = output
        super().__init__(reference_on_tape(tape, output.reference), exactly=True, formulas=Formulas.CAREFUL)

    def _forward_pass(self) -> tuple[list[Array], list[Matrices]]:
        working, reference = self.precision.working, self.reference
        of_a = [np.zeros(a.shape, working) for a in reference.activations]
        return of_a, [_zero(slope.acted_on) for slope in reference.slopes]

    @cached_property
    def own_last_error(self) -> Array:
        """The bound of (BP1) in T1, with n_L roundings more."""
        output = self._of_output
        return self.precision.gamma(output.k + output.size.shape[1]) * output.size + output.floor

    @property
    def _smallest(self) -> Any:
        return self.precision.eta

    def _terms(self, l: int) -> int:
        sizes = self._network.sizes
        return max(sizes[l - 1], sizes[l])

    def _underflow(self, l: int) -> Array:
        above = range(l, len(self._deltas) + 1)
        carried = sum(self._products(k) * self._deltas[k - 1].sum(axis=1, keepdims=True) for k in above)
        return np.asarray(self._smallest * (self._products(l) * (1 + self.reference.slopes[l - 2].gain) + carried))

    def _products(self, l: int) -> int:
        """Return the number of products in an entry of δ^l."""
        return self._terms(l) + 2 + self.reference.slopes[l - 2].roundings


def _zero(slope: Matrices) -> Matrices:
    return OuterBlocks(np.zeros_like(slope.diagonal), ()) if isinstance(slope, OuterBlocks) else np.zeros_like(slope)
