"""The log-likelihood cost, and its forms combined with the softmax and the sigmoid."""

from __future__ import annotations

from typing import final

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import InvalidInput
from formulations.functions.activations import ACTIVATIONS, Activation
from formulations.functions.costs import formulas
from formulations.functions.costs.base import CombinedOutput, Cost, over_square

__all__ = ["LogLikelihood"]


@final
class LogLikelihood(Cost):
    """The log-likelihood cost of Equation (80), for targets that may be distributions: C_x = −Σ_j y_j ln a_j.

    If one y_j is 1 and the others 0, it is −ln a_j of the correct class. With softmax or sigmoid outputs C_x is
    computed from z, so that it is always finite, and δ^L is a^L Σ_j y_j − y (Equation 81 if Σ_j y_j = 1) or
    −y(1 − a^L). With other outputs, ∇_aC = −y/a and ∇²_aC = diag(y/a²) are infinite if an output is 0 and its target is
    not.
    """

    name = "log_likelihood"
    analytic = True
    formula = staticmethod(formulas.log_likelihood)
    equation = "80"

    def evaluate(self, A: Array, Y: Array, gradient: Array | None = None) -> Array:
        """Return −Σ_j y_j ln a_j of each example, shape (m,)."""
        outside = A < 0
        if outside.any():
            x, j = (int(i) for i in np.argwhere(outside)[0])
            raise InvalidInput(
                f"log_likelihood needs outputs of at least 0, got {A[x, j]} from output neuron {j} in example {x}; "
                "use an output activation such as softmax, or another cost."
            )
        with np.errstate(divide="ignore"):
            # 0·ln 0 is 0: outputs whose target is 0 are skipped.
            logarithms = np.log(A, out=np.zeros_like(A), where=Y != 0)
            if gradient is not None:
                gradient[...] = 0
                np.divide(-Y, A, out=gradient, where=Y != 0)
        values: Array = -np.vecdot(Y, logarithms)
        return values

    def curvature_product(self, A: Array, Y: Array, V: Array) -> Array:
        """Return y/a² ⊙ v."""
        return over_square(Y, A, V)

    def combined(self, activation: Activation) -> CombinedOutput | None:
        """Return the form for softmax outputs, δ^L = a·Σy − y, or sigmoid outputs, δ^L = −y(1 − a); C_x from z."""
        if activation == ACTIVATIONS["softmax"]:
            return CombinedOutput(
                _log_likelihood_of_logits, _sum_of_targets, formulas.log_likelihood_of_logits, equation="81"
            )
        if all(function == ACTIVATIONS["sigmoid"] for function in activation.functions):
            return CombinedOutput(
                _log_likelihood_of_sigmoids,
                formula=formulas.log_likelihood_of_sigmoids,
                complement=_complement,
                equation="sigmoid",
            )
        return None

    def check_targets(self, Y: Array) -> None:
        """Refuse negative targets."""
        if (Y < 0).any():
            x, j = (int(i) for i in np.argwhere(Y < 0)[0])
            raise InvalidInput(
                f"log_likelihood needs targets that are not negative, got {Y[x, j]} at Y[{x}, {j}]; "
                "give each example the probabilities of its classes, or use cost='quadratic'.",
                position=(x, j),
            )


def _log_likelihood_of_logits(Z: Array, Y: Array) -> Array:
    # ln Σ e^z − z_j is ln(1 + Σ′ e^(z − max)) − (z_j − max), where Σ′ leaves the maximum out: no digits are lost if its
    # probability is close to 1. SciPy's logsumexp does so too, but takes longer than the rest of a small gradient.
    below = Z - Z.max(axis=1, keepdims=True)
    others = np.exp(below)
    others[np.arange(len(others)), below.argmax(axis=1)] = 0
    rest = np.log1p(others.sum(axis=1, keepdims=True))
    # Entries whose target is 0 are skipped: their difference may be infinite.
    logarithms = np.subtract(rest, below, out=np.zeros_like(Z), where=Y != 0)
    values: Array = np.vecdot(Y, logarithms)
    return values


def _log_likelihood_of_sigmoids(Z: Array, Y: Array) -> Array:
    values: Array = np.vecdot(Y, np.logaddexp(Z.dtype.type(0), -Z))
    return values


def _complement(Z: Array) -> Array:
    """Return 1 − σ(z) as σ(−z), which does not cancel."""
    return ACTIVATIONS["sigmoid"].value(-Z)


def _sum_of_targets(Y: Array) -> Array:
    total: Array = Y.sum(axis=1, keepdims=True)
    return total
