"""What a function does from call to call; it is observed, not predicted."""

from __future__ import annotations

import numpy as np

from formulations.network import Batch
from formulations.verification.certification.causes.backward import Variant, Variants
from formulations.verification.certification.causes.recomputation import Pass, Predicted

__all__ = ["cached_answer", "call_accumulated", "dropout_left_on", "random_calls"]


def call_accumulated(p: Pass) -> Variants:
    """Add the gradient to that of the call before."""
    again = p.calls.again
    if again is not None:
        added = again - p.candidate
        bound = p.gradient.bound + 2 * p.precision.u * (np.abs(again) + np.abs(p.candidate))
        if (np.abs(added - p.gradient.value) <= bound)[p.entries].all():
            yield _observed(p)


def cached_answer(p: Pass) -> Variants:
    """Return the first answer, whatever the examples are."""
    alone = p.calls.alone[0] if p.calls.alone and p.tape.m > 1 else np.zeros(0)
    if np.array_equal(alone, p.candidate) and alone.any():
        # The gradient of the first example can be that of all of them.
        X, Y, _, cost = p.batch
        reference = p.reference_of(p.tape.network, Batch(X[:1], Y[:1], None, cost))
        right = None if reference is None else p.right(reference)
        if right is None or (np.abs(alone - right.value) > right.bound)[p.entries].any():
            yield _observed(p)


def dropout_left_on(p: Pass) -> Variants:
    """Set other entries to zero in each call.

    Each example may have a mask of its own, so that no entry of the batch's gradient is zero. Those of one example are,
    and noise does not set most entries of an array to zero, although it can switch a relu off.
    """
    if len(p.calls.alone) > 1:
        zeros = np.stack(p.calls.alone) == 0
        sometimes, ever = zeros.any(axis=0) & ~zeros.all(axis=0), ~zeros.all(axis=0)
        if any(2 * sometimes[entries].sum() > ever[entries].sum() for _, _, entries in p.arrays):
            yield _observed(p)
    elif p.calls.again is not None and ((p.candidate == 0) != (p.calls.again == 0))[p.entries].any():
        yield _observed(p)


def random_calls(p: Pass) -> Variants:
    """Return another gradient in each call."""
    again = p.calls.again
    if again is not None and not np.array_equal(again, p.candidate):
        yield _observed(p)


def _observed(p: Pass) -> Variant:
    return Variant(None, Predicted(p.candidate, lambda: np.zeros(p.layout.count)), observed=True)
