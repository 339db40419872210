"""Laws about values: derived bounds, exact fractions and closed forms."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from formulations.arrays import gamma, unit_roundoff
from formulations.backends import Backend, Tier
from formulations.data import Problem
from formulations.exceptions import Refused
from formulations.verification.conformance.law import NotAsked, answer, apart
from formulations.verification.oracles import exact_gradient
from formulations.verification.tolerances import RESOLUTION, Status, cost_roundoff, judge_backend

__all__ = ["closed_form", "conclusive", "equal", "errors_belong", "exact", "value_belongs"]

ROUNDED = "the gradient is rounded"


def equal(backend: Backend, problem: Problem) -> str | None:
    """Check that the gradient is within the derived bound of the backend's tier."""
    given = answer(backend, problem)
    with np.errstate(all="ignore"):
        verdict = judge_backend(given.plan.backend, given.plan.tape, given.gradient)
    return verdict.reason if verdict.status is Status.DIFFERENT else None


def conclusive(backend: Backend, problem: Problem) -> str | None:
    """Check that the gradient has three correct digits if the reference has them, whatever the bound of the tier."""
    given = answer(backend, problem)
    reference, bounds = given.reference, given.bound
    with np.errstate(all="ignore"):
        for i, pair in enumerate(given.gradient.layout.slices):
            for kind, part in zip(("weights", "biases"), pair, strict=True):
                right = reference.vector[part].astype(float)
                size, off = np.max(np.abs(right), initial=0.0), np.abs(given.gradient.vector[part] - right)
                # A difference quotient has three digits in float64 away from kinks, unless the gradient is small.
                kinks = any(activation.kinks for activation in problem.network.activations)
                noise = np.inf if given.gradient.dtype == np.float32 or size < RESOLUTION or kinks else 0.0
                bound = noise if backend.tier is Tier.PERTURBATION else bounds[part]
                if np.all(bound <= RESOLUTION * size) and not np.all(off <= RESOLUTION * size):
                    return (
                        f"{kind}[{i}] must be correct to three digits, whatever the bound of its tier, but is off by "
                        f"{np.max(off):.2g} of {size:.2g}."
                    )
    return None


def exact(backend: Backend, problem: Problem) -> str | None:
    """Check that the gradient equals exact fractions if nothing is rounded: small integers, m a power of two."""
    m = len(problem.X)
    given = (problem.network.vector, problem.X, problem.Y)
    if backend.tier is Tier.PERTURBATION or m & (m - 1) or any(np.any(array != np.round(array)) for array in given):
        raise NotAsked(ROUNDED)
    try:
        truth = exact_gradient(problem.network, problem.X, problem.Y, problem.cost, problem.sample_weight)
    except Refused as caught:
        raise NotAsked(ROUNDED) from caught
    # Only the ½ of the cost and the shares of the m examples are not integers.
    if truth.largest * 2 * m >= 2 ** np.finfo(problem.network.dtype).nmant:
        raise NotAsked(ROUNDED)
    found = answer(backend, problem).gradient
    pairs: list[tuple[str, Any, Any]] = [
        ("C", [found.cost], [truth.cost]),
        ("the gradient", found.vector, truth.vector),
        *(
            (f"δ of layer {l}", delta.ravel(), [each for row in rows for each in row])
            for l, (delta, rows) in enumerate(zip(found.errors or (), truth.errors, strict=False), start=2)
        ),
    ]
    for name, mine, right in pairs:
        for place, (float_, fraction) in enumerate(zip(mine, right, strict=True)):
            if not (np.isfinite(float_) and Fraction(float(float_)) == fraction):
                return f"{name} must be exact on integers: entry {place} is {float_}, expected {float(fraction)}."
    return None


def closed_form(backend: Backend, problem: Problem) -> str | None:
    """Check that the gradient equals the closed form of the problem, if it has one."""
    if problem.expected is None:
        raise NotAsked("the problem has no closed form")
    given = answer(backend, problem)
    expected = problem.expected
    # The closed form itself has a few roundings.
    slack = gamma(16, unit_roundoff(given.gradient.dtype)) * np.abs(expected) + np.finfo(expected.dtype).smallest_normal
    return apart(given.gradient.vector, expected, given.bound + slack, "the closed form")


def value_belongs(backend: Backend, problem: Problem) -> str | None:
    """Check that C is the value of the cost that the gradient belongs to."""
    given = answer(backend, problem)
    right, found = float(given.reference.cost), float(given.gradient.cost)
    if given.gradient.cost.dtype != given.gradient.dtype:
        return f"C must have the network's dtype {given.gradient.dtype}, got {given.gradient.cost.dtype}."
    tape, u = given.plan.tape, unit_roundoff(given.gradient.dtype)
    with np.errstate(all="ignore"):
        # Twice the roundoff of the cost in a difference of two evaluations.
        bound = 2 * cost_roundoff(tape, given.reference) + gamma(4 * tape.m + 64, u) * abs(right)
    if np.isfinite(right) and np.isfinite(bound) and not abs(found - right) <= bound:
        return f"C must be {right:.17g} ± {bound:.2g}, but is {found:.17g}."
    return None


def errors_belong(backend: Backend, problem: Problem) -> str | None:
    """Check that δ, if the gradient has it, has one row for each example and sums to ∂C/∂b."""
    found = answer(backend, problem).gradient
    if found.errors is None:
        raise NotAsked("the gradient has no δ")
    m, sizes = len(problem.X), problem.network.sizes[1:]
    shapes = [np.shape(delta) for delta in found.errors]
    if shapes != [(m, n) for n in sizes]:
        return f"errors must have the shapes {[(m, n) for n in sizes]}, got {shapes}."
    bound = gamma(m + 3, unit_roundoff(found.dtype))
    for l, (delta, b) in enumerate(zip(found.errors, found.biases, strict=True), start=2):
        slack = 2 * bound * np.abs(delta).sum(axis=0) + np.finfo(delta.dtype).smallest_normal
        if complaint := apart(b, delta.sum(axis=0), slack, f"∂C/∂b of layer {l} as the sum of δ"):
            return complaint
    return None
