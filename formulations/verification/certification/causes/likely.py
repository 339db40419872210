r"""The likely cause of a wrong gradient, found by trying every known mistake.

A mistake predicts the gradient that it produces, and the bound of its roundoff, as T4 bounds that of the right one. A
mistake explains the candidate if

* every entry is within the bound of the predicted one, in every layer, and
* the misfit, which is the largest difference in any layer's weights or biases relative to the largest entry predicted
  there, is at most :math:`\sqrt u`, half of the digits, and a hundredth of the misfit of the correct gradient. This
  keeps a bound that is wide, as in deep networks, from explaining what it cannot tell apart.

Of the mistakes that explain it, the likely cause is the first one in the table whose misfit is within a factor of ten
of the smallest; the others, which the gradient cannot tell from it, are its further readings. If none explains it, two
are tried at once: a multiple or a weight decay on top of another mistake. What explains much by a number that is left
open, as any multiple does, is asked last.

A cause is a conjecture. The verdict of the certificate is not: it follows from a derived bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from formulations.arrays import Array, unit_roundoff
from formulations.data import Problem
from formulations.network import Gradient
from formulations.verification.certification.causes.backward import Variant
from formulations.verification.certification.causes.case import Calls, Case
from formulations.verification.certification.causes.fits import fitted
from formulations.verification.certification.causes.mistakes import MISTAKES, Family, Mistake
from formulations.verification.certification.causes.parts import Predicted
from formulations.verification.oracles import Reference

__all__ = ["Cause", "likely_cause", "observations"]

FIRST = (Family.BACKWARD, Family.EXAMPLES, Family.PROBLEM)
SECOND = (Family.MULTIPLE, Family.DECAY)
"""Families of a pair of mistakes: a second one comes on top of a first."""

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Cause:
    """A likely cause.

    Attributes
    ----------
    name : str
        The name of the mistake.
    layer : int or None
        The layer with the mistake; None for several layers, or if no single layer has it.
    seen_in : int
        The first layer, from the output backwards, that the certificate calls different.
    equation : str
        The equation that it calls different there: ``"BP1"``, …, ``"BP4"``; (BP1) for another cost or other targets,
        which enter there.
    sentence, remedy : str
        What is wrong, and how to correct it.
    misfit : float or None
        The largest difference between the candidate and the gradient that the mistake predicts, relative to the
        largest entry of the layer's weights or biases; None if the mistake predicts no gradient.
    readings : tuple of Cause
        Other mistakes that produce the same gradient, within roundoff.
    also : Cause or None
        A second mistake, which was made as well.
    """

    name: str
    layer: int | None
    seen_in: int
    equation: str
    sentence: str
    remedy: str
    misfit: float | None
    readings: tuple[Cause, ...] = ()
    also: Cause | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the mistake, and those of its further readings."""
        return self.name, *(each.name for each in self.readings)

    def __str__(self) -> str:
        sentences = [self.sentence] if self.also is None else [self.sentence, self.also.sentence]
        parts = [", and ".join(sentences) + self._place()]
        parts += [_capital(self.remedy)] + ([] if self.also is None else [_capital(self.also.remedy)])
        parts += [
            f"The same gradient results if {each.sentence}: {each.remedy[:1].lower()}{each.remedy[1:]}"
            for each in self.readings
        ]
        return ". ".join(parts) + "."

    def _place(self) -> str:
        if self.misfit is None:
            return ""
        # Roundoff may hide a mistake in the layer that has it, so the place is the one that the certificate finds.
        seen = "in" if self.layer == self.seen_in else "first seen in"
        size = "exactly" if self.misfit == 0 else f"to {self.misfit:.0e}"
        what = "this mistake" if self.also is None else "both mistakes"
        return (
            f", {seen} layer {self.seen_in}, ({self.equation}). The gradient with {what} agrees with the candidate "
            f"{size}"
        )


class _Explained(NamedTuple):
    """A mistake in a place that explains the candidate, and a second one on top of it."""

    misfit: float
    mistake: Mistake
    variant: Variant
    predicted: Predicted
    second: tuple[_Explained, ...] = ()


def likely_cause(
    reference: Reference,
    gradient: Gradient,
    place: tuple[int, str],
    given: Array | None = None,
    *,
    calls: Calls | None = None,
    problem: Problem | None = None,
) -> Cause | None:
    """Return the likely cause of a wrong gradient, or None if no known mistake explains it.

    Parameters
    ----------
    reference : Reference
        The correct gradient, with its forward pass, network, examples and cost.
    gradient : Gradient
        The wrong gradient.
    place : (int, str)
        The layer and the equation that the certificate finds wrong.
    given : ndarray of bool of shape (P + N,), optional
        Which entries the candidate has; the others are not compared.
    calls : Calls, optional
        What further calls of a candidate function returned.
    problem : Problem, optional
        The examples with those of weight 0, for which the tape has others, and their weights.

    Returns
    -------
    Cause or None
    """
    case = replace(_case(reference, gradient, given, calls), problem=problem)
    if not np.isfinite(case.candidate).all():
        return None
    with np.errstate(all="ignore"):
        found = _Search(case, float(np.sqrt(unit_roundoff(gradient.dtype)))).explained()
    return _cause(found, place) if found else None


def observations(reference: Reference, gradient: Gradient, given: Array | None, calls: Calls) -> list[str]:
    """Return what is wrong with a function from call to call although its first gradient is right, in sentences."""
    case = _case(reference, gradient, given, calls)
    found = [
        mistake
        for mistake in MISTAKES
        if mistake.family is Family.CALLS and not mistake.general and next(mistake.variants(case), None) is not None
    ]
    return [f"{_capital(mistake.sentence)}: {mistake.remedy}." for mistake in found]


def _case(reference: Reference, gradient: Gradient, given: Array | None, calls: Calls | None) -> Case:
    candidate = gradient.vector.astype(np.float64)
    if given is not None:
        candidate = np.where(given, candidate, 0)
    case = Case(reference, candidate, given, calls or Calls())
    # The mistakes are made with the gradient of C alone.
    return case if reference.decay is None else replace(case, candidate=candidate - reference.decay.astype(np.float64))


class _Search:
    """The search for the mistakes that explain a candidate."""

    def __init__(self, case: Case, half_the_digits: float) -> None:
        self.case = case
        self.limit = min(half_the_digits, _misfit(case, case.gradient.value) / 100)
        # What is rounded when the weight decay that belongs in the gradient is added.
        self.more = (
            4 * case.precision.u * (abs(case.l2) * case.on_weights * np.abs(case.parameters) + np.abs(case.candidate))
        )

    def explained(self) -> list[_Explained]:
        """Return the mistakes that explain the candidate: single ones, else pairs, else general ones."""
        first: list[_Explained] = []
        bases: list[tuple[Mistake, Variant, Predicted]] = []
        for mistake in MISTAKES:
            if mistake.general:
                continue
            for variant in mistake.variants(self.case):
                predicted = self.case.predicted(variant.made)
                misfit = self.explains(self.case, predicted)
                if misfit is not None:
                    first.append(_Explained(misfit, mistake, variant, predicted))
                elif mistake.family in FIRST and self._may_be_one_of_two(predicted):
                    bases.append((mistake, variant, predicted))
        # What is observed says more than what is predicted.
        observed = [each for each in first if each.variant.observed]
        if first:
            return observed or _best(first)
        return self._general(Family.MULTIPLE) or self._pairs(bases) or self._decayed_multiple() or self._general()

    def explains(self, case: Case, predicted: Predicted) -> float | None:
        """Return the misfit of a prediction that explains a candidate, else None."""
        misfit = _misfit(case, predicted.value, self.limit)
        if not misfit <= self.limit:
            return None
        off = np.abs(case.candidate - predicted.value)[case.entries]
        bound = predicted.bound if not case.l2 else predicted.bound + self.more
        return misfit if (off <= bound[case.entries]).all() else None

    def _general(self, family: Family | None = None) -> list[_Explained]:
        """Return what the first general mistake that explains the candidate makes of it."""
        for mistake in MISTAKES:
            if mistake.general and family in (None, mistake.family):
                found = list(self._tried(mistake, self.case))
                if found:
                    return _best(found)
        return []

    def _tried(self, mistake: Mistake, case: Case) -> Iterator[_Explained]:
        for variant in mistake.variants(case):
            predicted = case.predicted(variant.made)
            misfit = self.explains(case, predicted)
            if misfit is not None:
                yield _Explained(misfit, mistake, variant, predicted)

    def _second(self, case: Case, *families: Family) -> list[_Explained]:
        """Return the mistakes of some families that explain a candidate, on top of a first mistake."""
        return _of(families, lambda mistake: self._tried(mistake, case))

    def _may_be_one_of_two(self, predicted: Predicted) -> bool:
        """Whether a multiple or a weight decay could make the candidate of a prediction."""
        case, value = self.case, predicted.value
        if _misfit(case, value * fitted(case.candidate, value, case.entries), self.limit) <= self.limit:
            # A mistake without effect in this network leaves all to the second one.
            right = case.gradient.value * fitted(value, case.gradient.value, case.entries)
            return not (np.abs(right - value) <= predicted.bound)[case.entries].all()
        rest = case.candidate - value
        return any(
            _misfit(case, value + direction * fitted(rest, direction, case.entries), self.limit) <= self.limit
            for direction in (case.on_weights * case.parameters, case.parameters)
        )

    def _pairs(self, bases: list[tuple[Mistake, Variant, Predicted]]) -> list[_Explained]:
        found = []
        for mistake, variant, predicted in bases:
            second = self._second(replace(self.case, base=predicted, memory={}), *SECOND)
            if second:
                found.append(_Explained(second[0].misfit, mistake, variant, second[0].predicted, tuple(second)))
        return _best(found)

    def _decayed_multiple(self) -> list[_Explained]:
        """Return the multiples that explain the candidate together with a weight decay."""
        case, right = self.case, self.case.gradient
        for direction in (case.on_weights * case.parameters, case.parameters):
            columns = np.stack([right.value[case.entries], direction[case.entries]], axis=1)
            scale = np.max(np.abs(columns), axis=0)
            if not (scale > 0).all():
                continue
            (factor, _), *_ = np.linalg.lstsq(columns / scale, case.candidate[case.entries], rcond=None)
            factor /= scale[0]
            if factor == 0 or not math.isfinite(factor):
                continue
            # The weight decay is known to about half of the digits, which names the multiple, and then exactly.
            size = fitted(case.candidate - factor * right.value, direction, case.entries)
            rest = replace(case, candidate=case.candidate - size * direction, memory={})
            if found := _of((Family.MULTIPLE,), partial(self._decayed, case=rest)):
                return found
        return []

    def _decayed(self, mistake: Mistake, case: Case) -> Iterator[_Explained]:
        """Yield a mistake in each place in which a weight decay on top of it explains the candidate."""
        for variant in mistake.variants(case):
            base, right = case.predicted(variant.made), case.gradient.value
            factor = fitted(base.value, right, slice(None))
            # Other multiples have a factor for each array.
            factor = factor if factor and np.allclose(base.value, factor * right, rtol=1e-9, atol=0) else 1.0
            second = self._second(replace(self.case, base=base, factor=factor, memory={}), Family.DECAY)
            if second:
                yield _Explained(second[0].misfit, mistake, variant, second[0].predicted, tuple(second))


def _of(families: tuple[Family, ...], tried: Callable[[Mistake], Iterator[_Explained]]) -> list[_Explained]:
    """Return what the mistakes of some families explain; the general ones are tried last."""
    for general in (False, True):
        rows = [each for each in MISTAKES if each.family in families and each.general == general]
        if found := [each for mistake in rows for each in tried(mistake)]:
            return _best(found)
    return []


def _best(explained: list[_Explained]) -> list[_Explained]:
    """Return those whose misfit is within a factor of ten of the smallest, one for each mistake."""
    smallest = min((each.misfit for each in explained), default=0.0)
    limit = 10 * max(smallest, unit_roundoff(np.dtype(np.float64)))
    found: dict[str, _Explained] = {}
    for each in explained:
        if each.misfit <= limit:
            found.setdefault(each.mistake.name, each)
    return list(found.values())


def _misfit(case: Case, predicted: Array, enough: float = math.inf) -> float:
    """Return the largest difference in any array, relative to the largest entry predicted there.

    The search ends at the first array whose misfit exceeds ``enough``.
    """
    worst = 0.0
    for _, _, entries in case.arrays:
        expected = predicted[entries]
        difference = float(np.max(np.abs(case.candidate[entries] - expected)))
        if difference > 0 or difference != difference:
            size = float(np.max(np.abs(expected)))
            ratio = difference / size if size > 0 else math.inf
            worst = max(worst, ratio if math.isfinite(ratio) else math.inf)
            if worst > enough:
                break
    return worst


def _cause(found: list[_Explained], place: tuple[int, str]) -> Cause:
    causes = [_written(each, place) for each in found]
    return replace(causes[0], readings=tuple(causes[1:]))


def _written(explained: _Explained, place: tuple[int, str]) -> Cause:
    l, mistake = explained.variant.layer, explained.mistake
    if mistake.family is Family.PROBLEM and l == place[0]:
        # Targets and cost enter in (BP1), although the sum over the examples may be right by chance.
        place = l, "BP1"
    words = {
        "l": "ˡ" if l is None else str(l).translate(SUPERSCRIPTS),
        "above": "ˡ⁺¹" if l is None else str(l + 1).translate(SUPERSCRIPTS),
        "below": "ˡ⁻¹" if l is None else str(l - 1).translate(SUPERSCRIPTS),
        "number": "l" if l is None else str(l),
        **explained.variant.facts,
    }
    return Cause(
        mistake.name,
        l,
        *place,
        mistake.sentence.format(**words),
        _capital(mistake.remedy.format(**words)),
        None if explained.variant.observed else explained.misfit,
        also=_cause(list(explained.second), place) if explained.second else None,
    )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
