"""P, the bound of difference quotients of operators: their truncation and roundoff."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from formulations.arrays import Array
from formulations.backends import Linearization
from formulations.verification.operators.results import checks_of
from formulations.verification.tolerances import Check

if TYPE_CHECKING:
    from formulations.verification.operators.judging import OperatorReference

__all__ = ["quotient_bound", "quotient_checks"]


def quotient_checks(linearization: Linearization, found: Array, reference: OperatorReference) -> list[Check]:
    """Return the checks of difference quotients, from the output backwards."""
    bound = quotient_bound(linearization, found, reference)
    layout = linearization.point.network.layout
    if reference.operator == "jacobian":
        pairs = [(reference.value, bound)]
    else:
        parts = [part for layer in layout.slices for part in layer]
        pairs = [(reference.value[part], bound[part]) for part in parts]
    return checks_of(reference.operator, layout, found, pairs)


def quotient_bound(linearization: Linearization, found: Array, reference: OperatorReference) -> Array:  # noqa: ARG001
    """Return the largest difference of a right quotient from the exact operator; infinite, since none is known."""
    return np.full(found.shape, np.inf)
