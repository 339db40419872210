"""The distance that a right gradient can have from the exact one, entry by entry of the flat vector."""

from __future__ import annotations

import numpy as np

from formulations.arrays import Array
from formulations.backends import Backend, Tier
from formulations.network import Gradient, Tape
from formulations.verification.oracles import Reference
from formulations.verification.tolerances.customary import Formulas
from formulations.verification.tolerances.perturbation import perturbation_checks, quotients_of
from formulations.verification.tolerances.propagation import propagate_bounds

__all__ = ["deviation"]


def deviation(backend: Backend, tape: Tape, gradient: Gradient, reference: Reference) -> Array:
    """Return the bound of the distance from a backend's gradient to the exact one, shape (P + N,).

    Two right gradients differ by at most the sum of their bounds.

    Parameters
    ----------
    backend : Backend
        The backend. For all but difference quotients, the bound is that of T4.
    tape : Tape
        The tape that the gradient was computed on.
    gradient : Gradient
        The backend's gradient.
    reference : Reference
        The reference for the same examples.

    Returns
    -------
    ndarray
        Infinite beside a kink, and beyond the largest number of the gradient's dtype.
    """
    layout = tape.network.layout
    found = np.empty(layout.count, np.promote_types(tape.network.dtype, np.float64))
    if backend.tier is Tier.PERTURBATION:
        for check in perturbation_checks(tape, gradient, reference, quotients_of(backend, tape)):
            part = layout.slices[check.layer - 2][("∂C/∂w", "∂C/∂b").index(check.equation)]
            found[part] = np.inf if check.excuse else check.bound
    else:
        formulas = Formulas.CUSTOMARY if backend.tier is Tier.ELSEWHERE else Formulas.CAREFUL
        bounds = propagate_bounds(reference, formulas=formulas, summation=gradient.summation)
        for (weights, biases), of_weights, of_biases in zip(layout.slices, bounds.weights, bounds.biases, strict=True):
            found[weights], found[biases] = of_weights, of_biases
    reaches = np.abs(reference.vector) + found <= float(np.finfo(tape.network.dtype).max)
    return np.where(reaches, found, np.inf)
