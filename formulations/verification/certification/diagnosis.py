r"""Diagnosis: the likely cause of a wrong gradient, found by trying every mistake.

A mistake predicts the gradient that its mistake would give. Its misfit is the largest difference from the candidate
in a layer's weights or biases, as a part of the largest entry there. It explains the candidate where the misfit is at
most :math:`\sqrt u`, half of the digits, and at most a hundredth of the right gradient's own. Of those that explain it,
the first in the table is believed whose misfit is within a factor of ten of the smallest.

That is a conjecture and no verdict: the verdict is the certificate's, by a derived bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from formulations.arrays import Array, Gradient, Layout
from formulations.network import Tape
from formulations.verification.certification.mistakes import MISTAKES, Mistake
from formulations.verification.certification.recomputation import Parts, Pass
from formulations.verification.oracles import Reference, unit_roundoff

__all__ = ["Diagnosis", "diagnose"]

SINGLE = (2.0**-29, 2.0**-19)
"""The misfit of a double-precision gradient some of which was computed in single precision."""

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Diagnosis:
    """A likely cause.

    Attributes
    ----------
    name : str
        What the mistake is called.
    layer : int or None
        Where it sits; None where it is in several layers, or in none.
    equation : str
        ``"BP1"``, …, ``"BP4"``: the certificate's own.
    sentence, remedy : str
        What it looks like, and what to do.
    misfit : float
        How far the gradient that it predicts is from the candidate, as a part of the layer's largest entry.
    """

    name: str
    layer: int | None
    equation: str
    sentence: str
    remedy: str
    misfit: float

    def __str__(self) -> str:
        return f"{self.sentence}. {self.remedy}."


def diagnose(tape: Tape, reference: Reference, gradient: Gradient, place: tuple[int, str]) -> Diagnosis | None:
    """Return the likely cause of a wrong gradient, or None where no mistake explains it.

    Parameters
    ----------
    tape : Tape
        Its network, examples and cost are read.
    reference : Reference
        The right gradient, with its forward pass.
    gradient : Gradient
        The wrong one.
    place : (int, str)
        The layer and the equation in which the certificate finds it wrong.

    Returns
    -------
    Diagnosis or None
    """
    candidate, layout = gradient.vector.astype(np.float64), gradient.layout
    if not np.isfinite(candidate).all():
        return None
    with np.errstate(all="ignore"):
        own = _misfit(candidate, reference.vector.astype(np.float64), layout)
        explained = [
            (misfit, mistake, l)
            for mistake, l, predicted in _predictions(Pass(tape, reference))
            if (misfit := _misfit(candidate, predicted, layout)) <= min(_half_the_digits(gradient), own / 100)
        ]
        if explained:
            smallest = min(misfit for misfit, *_ in explained)
            floor = unit_roundoff(np.dtype(np.float64))
            return _told(*next(each for each in explained if each[0] <= 10 * max(smallest, floor)), place)
        return _single_entry(candidate, reference, gradient, place) or _single_precision(gradient, own, place)


def _predictions(p: Pass) -> Iterator[tuple[Mistake, int | None, Array]]:
    for mistake in MISTAKES:
        for l, predicted in mistake.variants(p):
            yield mistake, l, predicted.gradient(p.layout) if isinstance(predicted, Parts) else predicted


def _half_the_digits(gradient: Gradient) -> float:
    return float(np.sqrt(unit_roundoff(gradient.dtype)))


def _misfit(candidate: Array, predicted: Array, layout: Layout) -> float:
    """Return the largest difference in any layer's weights or biases, over the largest entry predicted there."""
    worst = 0.0
    for pair in layout.slices:
        for part in pair:
            difference = np.max(np.abs(candidate[part] - predicted[part]), initial=0.0)
            size = np.max(np.abs(predicted[part]), initial=0.0)
            worst = max(worst, float(difference / size) if size > 0 else (np.inf if difference > 0 else 0.0))
    return worst if np.isfinite(worst) else np.inf


def _told(misfit: float, mistake: Mistake, l: int | None, place: tuple[int, str]) -> Diagnosis:
    words = {
        "l": "ˡ" if l is None else str(l).translate(SUPERSCRIPTS),
        "a": "ˡ⁺¹" if l is None else str(l + 1).translate(SUPERSCRIPTS),
        "b": "ˡ⁻¹" if l is None else str(l - 1).translate(SUPERSCRIPTS),
        "n": "l" if l is None else l,
    }
    layer, equation = place
    # Roundoff may hide a mistake in the layer where it sits, so it is cited where the certificate sees it.
    where = f"in layer {l}, ({equation})" if l == layer else f"first seen in layer {layer}, ({equation})"
    return Diagnosis(
        name=mistake.name,
        layer=l,
        equation=equation,
        sentence=f"{mistake.sentence.format(**words)}, {where}: with this mistake the gradient is "
        f"the one handed over, to {misfit:.0e}",
        remedy=_capital(mistake.remedy.format(**words)),
        misfit=misfit,
    )


def _single_precision(gradient: Gradient, misfit: float, place: tuple[int, str]) -> Diagnosis | None:
    if gradient.dtype == np.float32 or not SINGLE[0] <= misfit <= SINGLE[1]:
        return None
    return Diagnosis(
        "single_precision", None, place[1], f"the differences are as large as single precision's, {misfit:.0e}",
        "Look for a float32: an array, a constant, or a sum that is kept in one", misfit,
    )  # fmt: skip


def _single_entry(
    candidate: Array, reference: Reference, gradient: Gradient, place: tuple[int, str]
) -> Diagnosis | None:
    layout, right = gradient.layout, reference.vector.astype(np.float64)
    wrong = []
    for pair in layout.slices:
        for part in pair:
            size = np.max(np.abs(right[part]), initial=0.0)
            # What rounding can do to an entry is far below, and what else is wrong above.
            off = np.abs(candidate[part] - right[part]) > 64 * layout.count * unit_roundoff(gradient.dtype) * size
            wrong += [part.start + int(place) for place in np.flatnonzero(off)]
    if len(wrong) != 1:
        return None
    _, i, _ = layout.place(wrong[0])
    return Diagnosis(
        "single_entry", i + 2, place[1],
        f"a single entry is wrong, {layout.locate(wrong[0])}, and all others are right",
        "Look for what writes to that place alone, or for an index that runs too far", 0.0,
    )  # fmt: skip


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
