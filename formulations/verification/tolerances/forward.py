"""T4: candidates with a forward pass of their own, judged by bounds that are propagated through both passes.

:mod:`formulations.verification.tolerances.propagation` has the bounds, and
:mod:`formulations.verification.tolerances.jacobians` those that are sharp in deep networks.
"""

from __future__ import annotations

from formulations.arrays import Gradient
from formulations.verification.oracles import Formulas, Reference, magnitudes, outer, through, widened
from formulations.verification.tolerances.carried import affordable
from formulations.verification.tolerances.propagation import propagate_bounds
from formulations.verification.tolerances.verdict import Check, error_check, gradient_checks

__all__ = ["forward_checks", "local_forward_checks"]


def forward_checks(
    gradient: Gradient, reference: Reference, *, exactly: bool = False, formulas: Formulas = Formulas.CAREFUL
) -> list[Check]:
    """Return the checks of δ^l, ∂C/∂w^l and ∂C/∂b^l, from the output backwards.

    Parameters
    ----------
    gradient : Gradient
        With or without errors; its tape is not looked at.
    reference : Reference
        For the examples that it should be for, and from a tape that the candidate had no hand in.
    exactly : bool
        Whether the bounds are carried by exact Jacobians.
    formulas : Formulas
        Those that the candidate's activations may be computed by.

    Returns
    -------
    list of Check
        None where these take too long, or too much memory.
    """
    if exactly and not _affordable(reference):
        return []
    return propagate_bounds(reference, exactly=exactly, formulas=formulas).checks(gradient)


def local_forward_checks(
    gradient: Gradient, reference: Reference, *, exactly: bool = False, formulas: Formulas = Formulas.CAREFUL
) -> list[Check]:
    """Return the checks of (BP1), (BP2), (BP4) and (BP3), each on the candidate's own δ of the layer above.

    The forward pass is the candidate's, and known to E_a and E_d; the way back is judged equation by equation, so that
    a fault is found in one layer alone, and the bound does not grow on the way.

    Parameters
    ----------
    gradient, reference, exactly, formulas
        As in :func:`forward_checks`; the gradient with its errors.

    Returns
    -------
    list of Check
        None where there are no errors, or exact Jacobians take too long or too much memory.
    """
    errors, layout = gradient.errors, reference.layout
    if errors is None or (exactly and not _affordable(reference)):
        return []
    bounds = propagate_bounds(reference, exactly=exactly, formulas=formulas)
    wide, working, both = reference.dtype, bounds.precision.working, bounds.precision.sides
    checks = [error_check(layout.last, "BP1", errors[-1], (reference.errors or ())[-1], bounds.last_error)]
    weights = widened(reference.tape.network.weights, wide)
    for l in range(layout.last - 1, 1, -1):
        above = errors[l - 1].astype(wide)
        expected = through(reference.slopes[l - 2].matrix, above @ weights[l - 1])
        checks.append(error_check(l, "BP2", errors[l - 2], expected, bounds.local_error(l, above, expected)))
    factor, floor = bounds.summed
    for i in reversed(range(len(errors))):
        delta, a, of_a = errors[i].astype(wide), reference.activations[i], bounds.activations[i]
        size, a_size = magnitudes((errors[i], a), working)
        limits = (
            both * (outer(size, of_a + factor * (a_size + of_a), layout, i) + floor),
            both * (factor * size.sum(axis=0) + floor),
        )
        checks += gradient_checks(gradient, i, ("BP4", "BP3"), (outer(delta, a, layout, i), delta.sum(axis=0)), limits)
    return checks


def _affordable(reference: Reference) -> bool:
    m, sizes = reference.tape.m, reference.layout.sizes[1:]
    return affordable(m, sizes, reference.dtype) and affordable(m, sizes[::-1], reference.dtype)
