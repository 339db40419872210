r"""P, the bound of difference quotients of operators: their truncation and roundoff.

.. math::

    |D_h - D| \le \max(2\|D_h - D_{2h}\|_\infty, \|D_{2h} - D_{4h}\|_\infty) + \frac{c\,\varepsilon}{t} + E

as for gradients (:mod:`formulations.verification.tolerances.perturbation`). E is the bound of T4, and ε that of what is
differenced: the outputs for a Jacobian, the gradient for a Hessian product. t is the longest step along the direction
v that moves no component θ by more than h·max(1, |θ|). A Gauss–Newton product takes two quotients, Jv and, entry by
entry, Jᵀu with :math:`u = BJv`, so that its roundoff is at most

.. math:: |J|^T |B| \frac{c\,\varepsilon}{t_v} + |u|^T \frac{c\,\varepsilon}{t_i}

If a unit is so close to a kink that a step can carry it across, or is moved so far that no estimate holds, a difference
is inconclusive in every layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from formulations.arrays import Array
from formulations.backends import Difference, Linearization
from formulations.verification.operators.enclosures import Arithmetic, Enclosure
from formulations.verification.operators.evaluation import evaluate
from formulations.verification.operators.products import curved, pulled_back
from formulations.verification.operators.results import checks_of
from formulations.verification.tolerances import Check, propagate_bounds, undecidable

if TYPE_CHECKING:
    from formulations.verification.operators.judging import OperatorReference

__all__ = ["quotient_bound", "quotient_checks"]


def quotient_checks(linearization: Linearization, found: Array, reference: OperatorReference) -> list[Check]:
    """Return the checks of difference quotients, from the output backwards."""
    bound, layout = _bound(linearization, found, reference), linearization.point.network.layout
    excuse = _excuse(linearization, reference)
    if reference.operator == "jacobian":
        pairs = [(reference.value, bound)]
    else:
        pairs = [(reference.value[part], bound[part]) for layer in layout.slices for part in layer]
    return checks_of(reference.operator, layout, found, pairs, excuse)


def quotient_bound(linearization: Linearization, found: Array, reference: OperatorReference) -> Array:
    """Return the largest difference of a right quotient from the exact operator; infinite beside a kink."""
    if _excuse(linearization, reference):
        return np.full(found.shape, np.inf)
    return _bound(linearization, found, reference)


def _bound(linearization: Linearization, found: Array, reference: OperatorReference) -> Array:
    difference = linearization.backend.difference()
    if difference is None:
        return np.full(found.shape, np.inf)
    bound = reference.bound + _roundoff(difference, reference)
    if not (np.abs(found - reference.value) <= bound).all():
        step = _step(difference, reference)
        once, twice, fourfold = (
            evaluate(
                difference.with_step(multiple * step).linearize(linearization.point), reference.operator, reference.v
            )
            for multiple in (1, 2, 4)
        )
        bound = bound + np.maximum(
            2 * _largest_by_layer(once - twice, reference), _largest_by_layer(twice - fourfold, reference)
        )
    return bound


def _step(difference: Difference, reference: OperatorReference) -> float:
    """Return the relative step h."""
    return difference.relative_step or difference.scheme.relative_step(reference.point.network.dtype)


def _roundoff(difference: Difference, reference: OperatorReference) -> Array:
    network, bounds = reference.point.network, propagate_bounds(reference.gradient)
    # Twice the effect of the roundings of one quotient.
    factor, h = 2 * difference.scheme.roundoff, _step(difference, reference)
    if reference.operator == "jacobian":
        steps = h * np.maximum(1, np.abs(reference.gradient.activations[0]))
        outputs: Array = factor * bounds.activations[-1][:, :, None] / steps[:, None, :]
        return outputs
    scale, v = np.maximum(1, np.abs(network.vector)), np.asarray(reference.v)
    largest = np.max(np.abs(v) / scale)
    # Without a direction there is no quotient.
    over_step = largest / h
    if reference.operator == "hessian":
        pairs = zip(bounds.weights, bounds.biases, strict=True)
        gradients: Array = factor * over_step * np.concatenate([part for pair in pairs for part in pair])
        return gradients
    enclosed = reference.enclosed
    at_z = enclosed.combined is not None
    of_output = (bounds.weighted_inputs if at_z else bounds.activations)[-1]
    arithmetic = Arithmetic(enclosed.precision, over_paths=True)
    nothing = np.zeros_like(of_output)
    moved = Enclosure(nothing, nothing, factor * over_step * of_output)
    by_step = curved(enclosed, arithmetic, moved)
    by_push = np.concatenate([part.error for layer in pulled_back(enclosed, arithmetic, by_step) for part in layer])
    u = curved(enclosed, arithmetic, reference.tangent)
    by_pull = float(((u.size + u.error + by_step.error) * of_output).sum()) * factor / (h * scale)
    total: Array = by_push + by_pull
    return total


def _largest_by_layer(change: Array, reference: OperatorReference) -> Any:
    if reference.operator == "jacobian":
        return np.max(np.abs(change))
    largest = np.empty_like(change)
    for of_weights, of_biases in reference.point.network.layout.slices:
        layer = slice(of_weights.start, of_biases.stop)
        largest[layer] = np.max(np.abs(change[layer]))
    return largest


def _excuse(linearization: Linearization, reference: OperatorReference) -> str:
    """Return why the steps make a difference inconclusive; empty if they do not."""
    difference = linearization.backend.difference()
    if difference is None:
        return ""
    relative = 2 * difference.scheme.reach * _step(difference, reference)
    moves: Any = "inputs" if reference.operator == "jacobian" else "parameters"
    found = undecidable(
        reference.point.tape, reference.gradient, relative, moves=moves, of_slopes=reference.operator == "hessian"
    )
    # Beside a kink the slope jumps, and with it the gradient of every layer.
    return next(filter(None, found), "")
