"""Deviation: how far a right gradient can be from the truth, entry by entry of the flat vector."""

from __future__ import annotations

import numpy as np

from formulations.certificate.forward import propagate_bounds
from formulations.certificate.perturbation import perturbation_checks, quotients_of
from formulations.certificate.reference import Reference
from formulations.contract import Backend, Tier
from formulations.parameters import Array, Gradient
from formulations.tape import Tape

__all__ = ["deviation"]


def deviation(backend: Backend, tape: Tape, gradient: Gradient, reference: Reference) -> Array:
    """Return the bound of a backend's distance from the exact gradient, shape (P + N,).

    Two right gradients differ by at most the sum of theirs.

    Parameters
    ----------
    backend : Backend
        Whose gradient it is; the bound of T4 holds for all but difference quotients.
    tape : Tape
        The one that it was computed on.
    gradient : Gradient
        What it computed.
    reference : Reference
        For the same examples.

    Returns
    -------
    ndarray
        Infinite where nothing can be said, as beside a kink.
    """
    layout = tape.network.layout
    found = np.empty(layout.count)
    if backend.tier is Tier.PERTURBATION:
        checks = perturbation_checks(tape, gradient, reference, quotients_of(backend, tape))
        for check in checks:
            part = layout.slices[check.layer - 2][("∂C/∂w", "∂C/∂b").index(check.equation)]
            found[part] = np.inf if check.excuse else check.bound
        return found
    bounds = propagate_bounds(tape, reference)
    for (weights, biases), of_weights, of_biases in zip(layout.slices, bounds.weights, bounds.biases, strict=True):
        found[weights], found[biases] = of_weights, of_biases
    return found
