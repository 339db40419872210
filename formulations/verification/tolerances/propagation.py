r"""T4, the propagated roundoff of a forward and a backward pass, entry by entry.

E is the componentwise bound of a quantity's error, for a reference in the next higher precision:

.. math::

    E_z &= |w| E_a + \gamma_{n+2} (|w| (|a| + E_a) + |b|) \\
    E_a &= \max_\pm |\sigma(z \pm E'_z) - \sigma(z)| + 8u |a|, \qquad E'_z = E_z + 8u |z| \\
    E_d &= \max_\pm |\sigma'(z \pm E'_z) - \sigma'(z)| + 8u (|d| + |a|) \\
    E_\delta^l &= |d| E_s + |s| E_d + E_s E_d + 2u (|d| + E_d)(|s| + E_s), \qquad s = w^T \delta^{l+1} \\
    E_{\partial w} &= E_\delta |a|^T + |\delta| E_a^T + E_\delta E_a^T + \gamma_{m+3} (|\delta| + E_\delta)(|a| + E_a)^T

If the candidate was summed in chunks of at most k examples, γ_{m+3} is that of :class:`~formulations.arrays.Summation`
for k + 3 roundings, plus the γ_{m+3} of the reference, which sums all m at once. Weight decay, λw, adds
:math:`\gamma_6 (|\lambda w| + |\partial w| + E_{\partial w})`.

A coupled slope is a matrix, and so is its E_d: the products with d and E_d become products with the transposed blocks,
and γ_{n+7} replaces 2u. :mod:`formulations.verification.tolerances.activations` derives E_a and E_d for each kind
of activation. If cost and output have a combined form, E_δ^L is s(y)E_a + γ_k(|s(y)a| + |y|) times the example's share,
with k = 5, or n_L + 5 if s(y) is a sum. If δ^L is −y(1 − a), it is yE_a + γ_12 y(1 − a) times that share.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from formulations.arrays import Array, Precision, Summation, gamma, unit_roundoff
from formulations.network import Gradient
from formulations.verification.oracles import Matrices, OuterBlocks, Reference, magnitudes, outer, through
from formulations.verification.tolerances.activations import activation_bounds
from formulations.verification.tolerances.customary import Formulas
from formulations.verification.tolerances.jacobians import Backwards, Forwards
from formulations.verification.tolerances.output import OutputBounds
from formulations.verification.tolerances.verdict import Check, error_check, gradient_checks

__all__ = ["Propagation", "propagate_bounds"]


def propagate_bounds(
    reference: Reference,
    *,
    exactly: bool = False,
    formulas: Formulas = Formulas.CAREFUL,
    summation: Summation | None = None,
) -> Propagation:
    """Return the bounds of any candidate for a reference gradient; the reference keeps them for the next candidate.

    Parameters
    ----------
    reference : Reference
        Its tape supplies the network, the examples and the cost; what a forward pass left on the tape is not read.
    exactly : bool
        Whether exact products of Jacobians carry the errors, which is sharper in deep networks; see
        :mod:`formulations.verification.tolerances.jacobians`.
    formulas : Formulas
        The formulas that the candidate may use for its activations.
    summation : Summation, optional
        How the candidate summed over the examples; by default all at once, in any order.

    Returns
    -------
    Propagation
    """
    bounds: dict[Any, Propagation] = reference.bounds
    key = exactly, formulas, summation
    if key not in bounds:
        bounds[key] = Propagation(reference, exactly, formulas, summation)
    return bounds[key]


class Propagation:
    """Bounds of the distance from the reference gradient to any other right gradient.

    The forward pass is bounded at once, the rest when it is first read.

    Parameters
    ----------
    reference, exactly, formulas, summation
        As for :func:`propagate_bounds`.

    Attributes
    ----------
    activations : list of ndarray
        E_a of a^l at ``[l-1]``, shape (m, n_l), of the candidate's rounding alone.
    slopes : list of ndarray or OuterBlocks
        E_d of σ′(z^l) at ``[l-2]``, likewise.
    weighted_inputs : list of ndarray
        E_z of z^l at ``[l-2]``, likewise.
    """

    def __init__(
        self, reference: Reference, exactly: bool, formulas: Formulas, summation: Summation | None = None
    ) -> None:
        network = reference.tape.network
        self.reference, self.exactly, self._network = reference, exactly, network
        self.precision, self._formulas = Precision(network.dtype, reference.dtype), formulas
        self._summation = summation
        self._absolute = magnitudes(network.weights, self.precision.working)
        self._output = OutputBounds(reference, self.precision, formulas)
        self.weighted_inputs: list[Array] = []
        self.activations, self.slopes = self._forward_pass()

    @cached_property
    def errors(self) -> list[Array]:
        """Bounds of δ^l at ``[l-2]``, shape (m, n_l), for candidate and reference together."""
        return [self.precision.sides * e for e in self._errors]

    @cached_property
    def weights(self) -> list[Array]:
        """Bounds of ∂C/∂w^l at ``[l-2]``, in the order of the flat vector, for candidate and reference together."""
        return [self._of_weights(i) for i in range(len(self._absolute))]

    @cached_property
    def biases(self) -> list[Array]:
        """Bounds of ∂C/∂b^l at ``[l-2]``, shape (n_l,), for candidate and reference together."""
        factor, floor = self.summed
        return [
            self.precision.sides * (e.sum(axis=0) + factor * (delta + e).sum(axis=0) + floor)
            for e, delta in zip(self._errors, self._deltas, strict=True)
        ]

    @cached_property
    def cost(self) -> float:
        """The bound of C, for candidate and reference together."""
        own, _ = self._of_sum(len(self._absolute) - 1, self.activations[-2])
        of_z = self.activations[-2] @ self._absolute[-1].T + own
        rounding = self._summed(self._network.sizes[-1], 16)
        bound = self._output.cost(of_z, self.activations[-1], self.own_last_error, rounding)
        if self.reference.decay is not None:
            # A sum of squares, of which no term is negative.
            parameters = self._network.vector.astype(self.reference.dtype)
            bound += gamma(len(parameters) + 6, self.precision.u) * float(self.reference.decay @ parameters / 2)
        return self.precision.sides * bound

    @property
    def summed(self) -> tuple[float, Any]:
        """The γ and the underflow of a sum over the examples, as (BP3) and (BP4) take it."""
        return self._summed(1, 3), self._smallest * (self.reference.tape.m + 3)

    def _summed(self, each: int, more: int) -> float:
        """Return γ of a sum of ``each`` terms an example, with ``more`` roundings of each term."""
        k, u = each * self.reference.tape.m + more, self.precision.u
        if self._summation is None:
            return gamma(k, u)
        # The reference sums over all examples at once.
        own = self._summation.gamma(each * self._summation.examples + more, u)
        return own + gamma(k, unit_roundoff(self.reference.dtype))

    @property
    def last_error(self) -> Array:
        """The bound of δ^L, for candidate and reference together."""
        return self.precision.sides * self.own_last_error

    @property
    def cost_gradient(self) -> Array:
        """The bound of ∇_aC, shape (m, n_L), of the candidate's rounding alone; there must be no combined form."""
        return self._output.cost_gradient(self.activations[-1])

    def local_error(self, l: int, above: Array, expected: Array) -> Array:
        """Return the bound of δ^l by (BP2) from a candidate's own δ^{l+1}, for candidate and reference together.

        Parameters
        ----------
        l : int
            The layer.
        above : ndarray of shape (m, n_{l+1})
            The candidate's δ^{l+1}, taken as exact.
        expected : ndarray of shape (m, n_l)
            What (BP2) makes of it.
        """
        size = np.abs(expected).astype(self.precision.working) * self._output.unshared
        return self.precision.sides * self.precision.within_range(self._added(l, above, 0, 0), size)

    def checks(self, gradient: Gradient) -> list[Check]:
        """Return the checks of a candidate's δ^l, ∂C/∂w^l and ∂C/∂b^l, from the output backwards."""
        reference = self.reference
        pairs = list(zip(gradient.errors or (), reference.errors or (), self.errors, strict=False))
        checks = [error_check(i + 2, "δ", *pairs[i]) for i in range(len(pairs) - 1, -1, -1)]
        for i in range(len(self.errors) - 1, -1, -1):
            references = [reference.vector[part] for part in reference.layout.slices[i]]
            limits = self.weights[i], self.biases[i]
            checks += gradient_checks(gradient, i, references, limits)
        return checks

    @property
    def _smallest(self) -> Any:
        """The most that a product loses if it underflows."""
        return self.precision.tiny

    @cached_property
    def own_last_error(self) -> Array:
        """The bound of δ^L, shape (m, n_L), of the candidate's rounding alone."""
        return self._output.error(self.activations[-1], self.slopes[-1])

    @cached_property
    def _deltas(self) -> list[Array]:
        return magnitudes(self.reference.errors, self.precision.working)

    def _forward_pass(self) -> tuple[list[Array], list[Matrices]]:
        """Return E_a of a¹, …, a^L and E_d of σ′(z²), …, σ′(z^L)."""
        reference, precision = self.reference, self.precision
        of_a, of_d = [np.zeros(reference.activations[0].shape, precision.working)], list[Matrices]()
        exact = Forwards(self._network.weights, reference, precision) if self.exactly else None
        for i, (w, activation) in enumerate(zip(self._absolute, self._network.activations, strict=True)):
            (own, size), z = self._of_sum(i, of_a[-1]), reference.weighted_inputs[i]
            e = of_a[-1] @ w.T + own
            if exact is not None:
                # A product of 0 and ∞ is NaN, which is not a bound.
                e = np.fmin(e, exact.weighted_inputs(i, own))
            e = precision.within_range(e, size)
            self.weighted_inputs.append(e)
            moved_a, moved_d = activation_bounds(activation, z, e, precision, self._formulas)
            if exact is not None:
                still, _ = activation_bounds(activation, z, np.zeros_like(e), precision, self._formulas)
                moved_a = np.fmin(moved_a, exact.activations(i, still, e, moved_d))
            a = np.abs(reference.activations[i + 1]).astype(precision.working)
            of_a.append(precision.within_range(moved_a, a))
            size_d = reference.slopes[i].size
            if isinstance(moved_d, OuterBlocks) or isinstance(size_d, OuterBlocks):
                # Softmax stays within the range: its slopes and their bounds are at most a few units.
                of_d.append(moved_d)
            else:
                of_d.append(precision.within_range(moved_d, size_d))
        return of_a, of_d

    def _of_sum(self, i: int, of_a: Array) -> tuple[Array, Array]:
        """Return what rounding adds to z of layer i + 2, and the sum that it acts on, given E_a of the layer below."""
        w, n = self._absolute[i], self._absolute[i].shape[1]
        working = self.precision.working
        below = np.abs(self.reference.activations[i]).astype(working)
        size = (below + of_a) @ w.T + np.abs(self._network.biases[i]).astype(working)
        return gamma(n + 2, self.precision.u) * size + self.precision.tiny * (n + 2), size

    @cached_property
    def _errors(self) -> list[Array]:
        """E_δ of δ², …, δ^L."""
        reference, e = self.reference, self.own_last_error
        errors = [e]
        exact = Backwards(self._network.weights, reference, self.precision, e) if self.exactly else None
        for l in range(len(self._deltas), 1, -1):
            largest = pulled = e @ self._absolute[l - 1]
            if exact is not None:
                pulled = np.fmin(pulled, exact.pulled(l))
            own = self._added(l, (reference.errors or ())[l - 1], pulled, largest)
            e = through(reference.slopes[l - 2].size, pulled) + own
            if exact is not None:
                e = np.fmin(e, exact.errors(l, own))
            e = self.precision.within_range(e, self._deltas[l - 2] * self._output.unshared)
            errors.append(e)
        return errors[::-1]

    def _added(self, l: int, above: Array, pulled: Any, largest: Any) -> Array:
        """Return what (BP2) adds in layer l to the error of wᵀδ^{l+1}, where δ^{l+1} is ``above``.

        ``pulled`` bounds the error of wᵀδ^{l+1} that δ^{l+1} brings, and ``largest`` that of |w|ᵀ|δ^{l+1}|.
        """
        precision, slope, d = self.precision, self.reference.slopes[l - 2], self.slopes[l - 2]
        working, u = precision.working, precision.u
        s = np.abs(above.astype(working) @ self._network.weights[l - 1].astype(working))
        size = np.abs(above).astype(working) @ self._absolute[l - 1] + largest
        rounding = gamma(self._terms(l) + 2, u) * size
        of_s = precision.within_range(pulled + rounding, size * self._output.unshared)
        e = through(slope.size, rounding) + through(d, s + of_s)
        e = e + gamma(2 + slope.roundings, u) * through(slope.acted_on + d, s + of_s)
        return np.asarray(e + self._underflow(l))

    def _terms(self, l: int) -> int:
        """Return the number of terms of a sum of (BP2) in layer l."""
        return self._network.sizes[l]

    def _underflow(self, l: int) -> Array:
        """Return what underflow adds to δ^l."""
        return np.asarray(self._smallest * (self._terms(l) + 2) * (1 + self.reference.slopes[l - 2].gain))

    def _of_weights(self, i: int) -> Array:
        layout, (factor, floor) = self._network.layout, self.summed
        e, delta, of_a = self._errors[i], self._deltas[i], self.activations[i]
        largest = np.abs(self.reference.activations[i]).astype(self.precision.working) + of_a
        propagated = outer(e, largest, layout, i) + outer(delta, of_a, layout, i)
        bound = self.precision.sides * (propagated + factor * outer(delta + e, largest, layout, i) + floor)
        return self.with_decay(i, bound)

    def with_decay(self, i: int, bound: Array) -> Array:
        """Return a bound of layer i + 2's weights with the rounding of the weight decay that is added to them.

        λ, its product with w, the sum, and a factor of m that may be multiplied in and divided out again are rounded.
        """
        if self.reference.decay is None:
            return bound
        part = self._network.layout.slices[i][0]
        decay, total = magnitudes((self.reference.decay[part], self.reference.vector[part]), self.precision.working)
        return np.asarray(bound + self.precision.sides * gamma(6, self.precision.u) * (decay + total + bound))
