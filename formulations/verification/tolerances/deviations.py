"""Deviation: how far a right gradient can be from the truth, entry by entry of the flat vector."""

from __future__ import annotations

import numpy as np

from formulations.arrays import Array, Gradient
from formulations.backends import Backend, Tier
from formulations.network import Tape
from formulations.verification.oracles import Formulas, Reference
from formulations.verification.tolerances.perturbation import perturbation_checks, quotients_of
from formulations.verification.tolerances.propagation import propagate_bounds

__all__ = ["deviation"]


def deviation(backend: Backend, tape: Tape, gradient: Gradient, reference: Reference) -> Array:
    """Return the bound of a backend's distance from the exact gradient, shape (P + N,).

    Two right gradients differ by at most the sum of theirs.

    Parameters
    ----------
    backend : Backend
        Whose gradient it is; the bound of T4 holds for all but difference quotients, whatever they computed.
    tape : Tape
        The one that it was computed on.
    gradient : Gradient
        What it computed.
    reference : Reference
        For the same examples.

    Returns
    -------
    ndarray
        Infinite where nothing can be said: beside a kink, and beyond the largest number of the gradient's dtype.
    """
    layout = tape.network.layout
    found = np.empty(layout.count, np.promote_types(tape.network.dtype, np.float64))
    if backend.tier is Tier.PERTURBATION:
        for check in perturbation_checks(tape, gradient, reference, quotients_of(backend, tape)):
            part = layout.slices[check.layer - 2][("∂C/∂w", "∂C/∂b").index(check.equation)]
            found[part] = np.inf if check.excuse else check.bound
    else:
        formulas = Formulas.CUSTOMARY if backend.tier is Tier.ELSEWHERE else Formulas.CAREFUL
        bounds = propagate_bounds(reference, formulas=formulas)
        for (weights, biases), of_weights, of_biases in zip(layout.slices, bounds.weights, bounds.biases, strict=True):
            found[weights], found[biases] = of_weights, of_biases
    reaches = np.abs(reference.vector) + found <= float(np.finfo(tape.network.dtype).max)
    return np.where(reaches, found, np.inf)
