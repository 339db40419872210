"""T4: the checks of candidates with a forward pass of their own.

The bounds are those of :mod:`formulations.verification.tolerances.propagation`, or those of
:mod:`formulations.verification.tolerances.jacobians`, which are sharp in deep networks.
"""

from __future__ import annotations

from formulations.network import Gradient
from formulations.verification.oracles import Reference, magnitudes, outer, through, widened
from formulations.verification.tolerances.customary import Formulas
from formulations.verification.tolerances.jacobians import affordable
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
        With or without errors; its tape is not read.
    reference : Reference
        For the same examples, from a tape that the candidate has not written to.
    exactly : bool
        Whether exact Jacobians carry the bounds.
    formulas : Formulas
        The formulas that the candidate may use for its activations.

    Returns
    -------
    list of Check
        Empty if exact Jacobians would take too long or too much memory.
    """
    if exactly and not _affordable(reference):
        return []
    bounds = propagate_bounds(reference, exactly=exactly, formulas=formulas, summation=gradient.summation)
    return bounds.checks(gradient)


def local_forward_checks(
    gradient: Gradient, reference: Reference, *, exactly: bool = False, formulas: Formulas = Formulas.CAREFUL
) -> list[Check]:
    """Return the checks of (BP1), (BP2), (BP4) and (BP3), each with the candidate's own δ of the layer above.

    The candidate's forward pass is known to within E_a and E_d. The backward pass is judged equation by equation, so a
    fault shows in one layer only, and the bound does not grow from layer to layer.

    Parameters
    ----------
    gradient, reference, exactly, formulas
        As in :func:`forward_checks`.

    Returns
    -------
    list of Check
        Empty if there are no errors, or if exact Jacobians would take too long or too much memory.
    """
    errors, layout = gradient.errors, reference.layout
    if errors is None or (exactly and not _affordable(reference)):
        return []
    bounds = propagate_bounds(reference, exactly=exactly, formulas=formulas, summation=gradient.summation)
    wide, working, both = reference.dtype, bounds.precision.working, bounds.precision.sides
    checks = [error_check(layout.last, "BP1", errors[-1], (reference.errors or ())[-1], bounds.last_error, local=True)]
    weights = widened(reference.tape.network.weights, wide)
    for l in range(layout.last - 1, 1, -1):
        above = errors[l - 1].astype(wide)
        expected = through(reference.slopes[l - 2].matrix, above @ weights[l - 1])
        checks.append(
            error_check(l, "BP2", errors[l - 2], expected, bounds.local_error(l, above, expected), local=True)
        )
    factor, floor = bounds.summed
    for i in reversed(range(len(errors))):
        delta, a, of_a = errors[i].astype(wide), reference.activations[i], bounds.activations[i]
        size, a_size = magnitudes((errors[i], a), working)
        limits = (
            bounds.with_decay(i, both * (outer(size, of_a + factor * (a_size + of_a), layout, i) + floor)),
            both * (factor * size.sum(axis=0) + floor),
        )
        of_weights = outer(delta, a, layout, i)
        if reference.decay is not None:
            of_weights = of_weights + reference.decay[layout.slices[i][0]]
        checks += gradient_checks(gradient, i, (of_weights, delta.sum(axis=0)), limits, local=True)
    return checks


def _affordable(reference: Reference) -> bool:
    m, sizes = reference.tape.m, reference.layout.sizes[1:]
    return affordable(m, sizes, reference.dtype) and affordable(m, sizes[::-1], reference.dtype)
