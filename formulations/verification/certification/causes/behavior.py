"""What a function does from call to call; it is observed, not predicted."""

from __future__ import annotations

import numpy as np

from formulations.network import Batch
from formulations.verification.certification.causes.backward import Variant, Variants
from formulations.verification.certification.causes.case import Case
from formulations.verification.certification.causes.parts import Predicted

__all__ = ["cached_answer", "call_accumulated", "dropout_left_on", "random_calls"]


def call_accumulated(case: Case) -> Variants:
    """Add the gradient to that of the call before."""
    again = case.calls.again
    if again is not None:
        added = again - case.candidate
        bound = case.gradient.bound + 2 * case.precision.u * (np.abs(again) + np.abs(case.candidate))
        if (np.abs(added - case.gradient.value) <= bound)[case.entries].all():
            yield _observed(case)


def cached_answer(case: Case) -> Variants:
    """Return the first answer, whatever the examples are."""
    alone = case.calls.alone[0] if case.calls.alone and case.tape.m > 1 else np.zeros(0)
    if np.array_equal(alone, case.candidate) and alone.any():
        # The gradient of the first example can be that of all of them.
        X, Y, _, cost = case.batch
        reference = case.reference_of(case.tape.network, Batch(X[:1], Y[:1], None, cost))
        right = None if reference is None else case.right(reference)
        if right is None or (np.abs(alone - right.value) > right.bound)[case.entries].any():
            yield _observed(case)


def dropout_left_on(case: Case) -> Variants:
    """Set other entries to zero in each call.

    Each example may have a mask of its own, so that no entry of the batch's gradient is zero. Those of one example are,
    and noise does not set most entries of an array to zero, although it can switch a relu off.
    """
    if len(case.calls.alone) > 1:
        zeros = np.stack(case.calls.alone) == 0
        sometimes, ever = zeros.any(axis=0) & ~zeros.all(axis=0), ~zeros.all(axis=0)
        if any(2 * sometimes[entries].sum() > ever[entries].sum() for _, _, entries in case.arrays):
            yield _observed(case)
    elif case.calls.again is not None and ((case.candidate == 0) != (case.calls.again == 0))[case.entries].any():
        yield _observed(case)


def random_calls(case: Case) -> Variants:
    """Return another gradient in each call."""
    again = case.calls.again
    if again is not None and not np.array_equal(again, case.candidate):
        yield _observed(case)


def _observed(case: Case) -> Variant:
    return Variant(None, Predicted(case.candidate, lambda: np.zeros(case.layout.count)), observed=True)
