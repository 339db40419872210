r"""Judging: whether a Jacobian, or a product with a Hessian or Gauss–Newton matrix, is right.

The bound over paths is tried first, since it holds for every order of the operations: on the candidate's own tape (T2)
for recurrences and products, and with the roundoff of a separate forward pass (T4) for all others. If it is too wide,
the same bound step by step is tried (T3 on the tape, T4 without), which keeps the cancellation, and can only confirm. A
difference quotient is judged by its truncation and roundoff (P).

Where there is no higher precision, the rounding of the reference doubles the bound. If it is too wide, results of small
networks are compared with fifty digits, by the bound of the candidate's rounding alone, step by step.

T2 and T3 do not see how a candidate's own tape was computed from the examples. So a result that they do not call
different is compared with the reference by T4 as well, as a gradient is.
"""

from __future__ import annotations

from copy import copy
from functools import cached_property

import numpy as np

from formulations.arrays import Array
from formulations.backends import Linearization, Tier
from formulations.exceptions import MissingExtra, Refused
from formulations.functions import Activation
from formulations.network import Point
from formulations.verification.operators.enclosed_point import EnclosedPoint, enclosed_from_examples, enclosed_on_tape
from formulations.verification.operators.enclosures import Arithmetic, Enclosure
from formulations.verification.operators.perturbation import quotient_bound, quotient_checks
from formulations.verification.operators.products import PRODUCTS, jacobian, tangents
from formulations.verification.operators.results import Pair, checks_of
from formulations.verification.oracles import (
    in_precision,
    jacobian_in_digits,
    product_in_digits,
    reference_gradient,
)
from formulations.verification.tolerances import (
    APPROXIMATION,
    Formulas,
    Status,
    Verdict,
    approximates,
    conclude,
)

__all__ = ["OperatorReference", "judge_operator", "operator_deviation"]


MOST_IN_DIGITS = 2000
"""Parameters times examples, and times inputs for a Jacobian, up to which fifty digits take about a second."""


class OperatorReference:
    """What an operator is compared with: the same quantity in the next higher precision, with its bounds.

    Parameters
    ----------
    operator : str
        ``"jacobian"``, ``"hessian"`` or ``"gauss_newton"``.
    point : Point
        The parameters and the examples. No candidate may write to it: make it from copies.
    v : ndarray of shape (P,), optional
        The direction; a Jacobian has none.

    Raises
    ------
    Refused
        If the curvature of the cost or, for a Hessian, of an activation is unknown: then there is no reference.
    """

    def __init__(self, operator: str, point: Point, v: Array | None = None) -> None:
        self.operator, self.point, self.v = operator, point, v
        _check_curvatures(operator, point)
        with np.errstate(all="ignore"):
            self.gradient = reference_gradient(point.tape)

    def along(self, v: Array) -> OperatorReference:
        """Return the reference for another direction, which shares all that no direction changes."""
        other = copy(self)
        other.v = v
        for name in ("by_paths", "by_steps", "in_digits", "tangent"):
            other.__dict__.pop(name, None)
        return other

    @property
    def value(self) -> Array:
        """The reference, of the shape of what is judged."""
        return self._joined(0)

    @property
    def bound(self) -> Array:
        """The largest difference of a right result with a forward pass of its own from the exact one."""
        return self._joined(1)

    def pairs(self, enclosed: EnclosedPoint, *, over_paths: bool) -> list[Pair]:
        """Return the reference and its bound at a point: one pair, or one for each layer's weights and biases."""
        arithmetic = Arithmetic(enclosed.precision, over_paths=over_paths)
        if self.operator == "jacobian":
            found = [jacobian(enclosed, arithmetic)]
        else:
            found = [
                part for layer in PRODUCTS[self.operator](enclosed, arithmetic, np.asarray(self.v)) for part in layer
            ]
        return [(part.value, arithmetic.bound(part)) for part in found]

    @cached_property
    def by_paths(self) -> list[Pair]:
        """The reference and its bound over paths, for any candidate with a forward pass of its own."""
        return self.pairs(self.enclosed, over_paths=True)

    @cached_property
    def by_steps(self) -> list[Pair]:
        """The same step by step."""
        return self.pairs(self.enclosed, over_paths=False)

    def granting(self, formulas: Formulas) -> list[Pair]:
        """Return the same over paths, for a candidate that may use other formulas for its activations."""
        return self.pairs(enclosed_from_examples(self.gradient, formulas), over_paths=True)

    @cached_property
    def in_digits(self) -> list[Pair]:
        """Fifty digits and the bound of the candidate's rounding alone, where there is no higher precision.

        Empty if there is one, or if fifty digits would take too long, are unknown, or lack their package.
        """
        precision, network, tape = self.enclosed.precision, self.point.network, self.point.tape
        passes = network.sizes[0] if self.operator == "jacobian" else 1
        if precision.wide != precision.dtype or network.layout.count * tape.m * passes > MOST_IN_DIGITS:
            return []
        if any(_on_a_kink(f, z) for f, z in zip(network.activations, tape.weighted_inputs, strict=True)):
            return []
        try:
            digits = self._digits()
        except (MissingExtra, Refused):
            return []
        own = [bound / precision.sides for _, bound in self.by_steps]
        parts = [digits] if self.operator == "jacobian" else [digits[p] for pair in network.layout.slices for p in pair]
        # The digits are rounded once, to the precision of the candidate.
        return [(part, bound + precision.u * np.abs(part)) for part, bound in zip(parts, own, strict=True)]

    def _digits(self) -> Array:
        network, tape, v = self.point.network, self.point.tape, np.asarray(self.v)
        if self.operator == "jacobian":
            return in_precision(jacobian_in_digits(network, tape.X), network.dtype)
        shares = None if tape.shares is None else tape.shares[:, 0]
        found = product_in_digits(network, tape.X, tape.targets, v, self.operator, tape.known_cost, shares)
        return in_precision(found, network.dtype)

    @cached_property
    def enclosed(self) -> EnclosedPoint:
        """What a candidate with a forward pass of its own reads."""
        return enclosed_from_examples(self.gradient)

    @cached_property
    def tangent(self) -> Enclosure:
        """ȧ^L, or ż^L if cost and output are combined, in the direction v."""
        tangent_z, tangent_a = tangents(
            self.enclosed, Arithmetic(self.enclosed.precision, over_paths=True), np.asarray(self.v)
        )
        return tangent_a[-1] if self.enclosed.combined is None else tangent_z[-1]

    def _joined(self, which: int) -> Array:
        parts = [pair[which] for pair in self.by_paths]
        return parts[0] if self.operator == "jacobian" else np.concatenate(parts)


def _on_a_kink(activation: Activation, z: Array) -> bool:
    """Whether a unit lies on a kink, where fifty digits would take the mean of both sides."""
    return any((z[:, j] == kink).any() for j in range(z.shape[1]) for kink in activation.neuron(j).kinks)


def _check_curvatures(operator: str, point: Point) -> None:
    """Evaluate a curvature that is unknown, to raise the exception that names its remedy."""
    tape, layers = point.tape, zip(point.network.activations, point.tape.weighted_inputs, strict=True)
    if operator == "jacobian":
        return
    if tape.combined is None and not tape.known_cost.has_curvature:
        tape.known_cost.curvature_product(tape.output, tape.targets, tape.output)
    for activation, z in list(layers)[: len(point.network.activations) - (tape.combined is not None)]:
        if operator == "hessian" and not activation.has_curvature:
            activation.curvature(z)


def judge_operator(linearization: Linearization, found: Array, reference: OperatorReference) -> Verdict:
    """Judge what a backend's linearisation returned.

    Parameters
    ----------
    linearization : Linearization
        The candidate, at its own point.
    found : ndarray
        What :func:`~formulations.verification.evaluate` returned for it; not changed.
    reference : OperatorReference
        The reference at the same parameters and examples.

    Returns
    -------
    Verdict
        The status, the largest ratio of residual to bound, and the verdict on each part.
    """
    with np.errstate(all="ignore"):
        return _judged(linearization, found, reference)


def _judged(linearization: Linearization, found: Array, reference: OperatorReference) -> Verdict:
    tier, difference = linearization.backend.tier, float(np.max(np.abs(found - reference.value)))

    def verdict(rule: str, pairs: list[Pair]) -> Verdict:
        return conclude(rule, checks_of(reference.operator, reference.point.network.layout, found, pairs), difference)

    if tier is Tier.PERTURBATION:
        return conclude("P", quotient_checks(linearization, found, reference), difference)
    if tier in (Tier.RECURRENCE, Tier.PRODUCT):
        enclosed = enclosed_on_tape(linearization.point)
        first = verdict("T2", reference.pairs(enclosed, over_paths=True))
        if first.status is Status.DIFFERENT:
            return first
        whole = verdict("T4", reference.by_paths)
        if whole.status is Status.DIFFERENT:
            return whole
        if first.status is Status.EQUAL:
            return first
        second = verdict("T3", reference.pairs(enclosed, over_paths=False))
    else:
        first = verdict("T4", reference.by_paths)
        if first.status is Status.DIFFERENT and tier is Tier.ELSEWHERE:
            first = verdict("T4", reference.granting(Formulas.CUSTOMARY))
            if first.status is Status.DIFFERENT and approximates(reference.point.network.activations):
                approximate = verdict("T4", reference.granting(Formulas.APPROXIMATE))
                return first if approximate.status is Status.DIFFERENT else first.excused(APPROXIMATION)
            return first
        if first.status is not Status.INCONCLUSIVE:
            return first
        second = verdict("T4", reference.by_steps)
    if second.status is not Status.EQUAL and reference.in_digits:
        second = verdict("T4", reference.in_digits)
    return second if second.status is Status.EQUAL else first


def operator_deviation(linearization: Linearization, found: Array, reference: OperatorReference) -> Array:
    """Return the largest difference of a right result from the exact one, of the shape of the result.

    Two right results differ by at most the sum of their bounds. For all but difference quotients it is the bound of T4.
    """
    with np.errstate(all="ignore"):
        if linearization.backend.tier is Tier.PERTURBATION:
            return quotient_bound(linearization, found, reference)
        bound = reference.bound
        reaches = np.abs(reference.value) + bound <= float(np.finfo(reference.point.network.dtype).max)
        return np.where(reaches, bound, np.inf)
