r"""The likely cause of a wrong gradient, found by trying every known mistake.

A mistake predicts the gradient that it produces. The misfit is the largest difference between this prediction and the
candidate in any layer's weights or biases, relative to the largest entry there. A mistake explains the candidate if its
misfit is at most :math:`\sqrt u`, half of the digits, and at most a hundredth of the misfit of the correct gradient. Of
the mistakes that explain it, the likely cause is the first one in the table whose misfit is within a factor of ten of
the smallest.

A cause is a conjecture. The verdict of the certificate is not: it follows from a derived bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from formulations.arrays import Array, Layout, unit_roundoff
from formulations.network import Gradient, Tape
from formulations.verification.certification.causes.mistakes import MISTAKES, Mistake
from formulations.verification.certification.causes.recomputation import Parts, Pass
from formulations.verification.oracles import Reference

__all__ = ["Cause", "likely_cause"]

SINGLE = (2.0**-29, 2.0**-19)
"""The misfit of a float64 gradient that was partly computed in float32."""

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
        The equation that it calls different there: ``"BP1"``, …, ``"BP4"``.
    sentence, remedy : str
        What is wrong, and how to correct it.
    misfit : float or None
        The largest difference between the candidate and the gradient that the mistake predicts, relative to the
        largest entry of the layer's weights or biases; None if the mistake predicts no gradient.
    """

    name: str
    layer: int | None
    seen_in: int
    equation: str
    sentence: str
    remedy: str
    misfit: float | None

    def __str__(self) -> str:
        if self.misfit is None:
            return f"{self.sentence}. {self.remedy}."
        # Roundoff may hide a mistake in the layer that has it, so the place is the one that the certificate finds.
        seen = "in" if self.layer == self.seen_in else "first seen in"
        size = "exactly" if self.misfit == 0 else f"to {self.misfit:.0e}"
        return (
            f"{self.sentence}, {seen} layer {self.seen_in}, ({self.equation}). The gradient with this mistake agrees "
            f"with the candidate {size}. {self.remedy}."
        )


def likely_cause(
    tape: Tape, reference: Reference, gradient: Gradient, place: tuple[int, str], given: Array | None = None
) -> Cause | None:
    """Return the likely cause of a wrong gradient, or None if no known mistake explains it.

    Parameters
    ----------
    tape : Tape
        The network, the examples and the cost.
    reference : Reference
        The correct gradient, with its forward pass.
    gradient : Gradient
        The wrong gradient.
    place : (int, str)
        The layer and the equation that the certificate finds wrong.
    given : ndarray of bool of shape (P + N,), optional
        Which entries the candidate has; the others are not compared.

    Returns
    -------
    Cause or None
    """
    candidate, layout = gradient.vector.astype(np.float64), gradient.layout
    right = reference.vector.astype(np.float64)
    if given is not None:
        candidate, right = np.where(given, candidate, 0), np.where(given, right, 0)
    if not np.isfinite(candidate).all():
        return None
    own = _misfit(candidate, right, layout)
    explained = [
        (misfit, mistake, l)
        for mistake, l, predicted in _predictions(Pass(tape, reference))
        if (misfit := _misfit(candidate, predicted if given is None else np.where(given, predicted, 0), layout))
        <= min(_half_the_digits(gradient), own / 100)
    ]
    if explained:
        smallest = min(misfit for misfit, *_ in explained)
        floor = unit_roundoff(np.dtype(np.float64))
        return _written(*next(each for each in explained if each[0] <= 10 * max(smallest, floor)), place)
    return _single_entry(candidate, right, gradient, place) or _single_precision(gradient, own, place)


def _predictions(p: Pass) -> Iterator[tuple[Mistake, int | None, Array]]:
    for mistake in MISTAKES:
        for l, predicted in mistake.variants(p):
            yield mistake, l, predicted.gradient(p.layout) if isinstance(predicted, Parts) else predicted


def _half_the_digits(gradient: Gradient) -> float:
    return float(np.sqrt(unit_roundoff(gradient.dtype)))


def _misfit(candidate: Array, predicted: Array, layout: Layout) -> float:
    """Return the largest difference in any layer's weights or biases, relative to the largest entry predicted there."""
    worst = 0.0
    for pair in layout.slices:
        for part in pair:
            difference = np.max(np.abs(candidate[part] - predicted[part]), initial=0.0)
            size = np.max(np.abs(predicted[part]), initial=0.0)
            worst = max(worst, float(difference / size) if size > 0 else (np.inf if difference > 0 else 0.0))
    return worst if np.isfinite(worst) else np.inf


def _written(misfit: float, mistake: Mistake, l: int | None, place: tuple[int, str]) -> Cause:
    words = {
        "l": "ˡ" if l is None else str(l).translate(SUPERSCRIPTS),
        "a": "ˡ⁺¹" if l is None else str(l + 1).translate(SUPERSCRIPTS),
        "b": "ˡ⁻¹" if l is None else str(l - 1).translate(SUPERSCRIPTS),
        "n": "l" if l is None else l,
    }
    remedy = mistake.remedy.format(**words)
    return Cause(mistake.name, l, *place, mistake.sentence.format(**words), remedy[:1].upper() + remedy[1:], misfit)


def _single_precision(gradient: Gradient, misfit: float, place: tuple[int, str]) -> Cause | None:
    if gradient.dtype == np.float32 or not SINGLE[0] <= misfit <= SINGLE[1]:
        return None
    return Cause(
        "single_precision", None, *place, f"the differences are of the size of float32 roundoff, {misfit:.0e}",
        "Look for an array, a constant or a sum in float32", None,
    )  # fmt: skip


def _single_entry(candidate: Array, right: Array, gradient: Gradient, place: tuple[int, str]) -> Cause | None:
    layout = gradient.layout
    wrong: list[int] = []
    for pair in layout.slices:
        for part in pair:
            size = np.max(np.abs(right[part]), initial=0.0)
            # Roundoff is far below this threshold, other faults are above.
            off = np.abs(candidate[part] - right[part]) > 64 * layout.count * unit_roundoff(gradient.dtype) * size
            wrong += [part.start + int(entry) for entry in np.flatnonzero(off)]
    if len(wrong) != 1:
        return None
    _, i, _ = layout.indices(wrong[0])
    return Cause(
        "single_entry", i + 2, *place,
        f"only one entry is wrong, {layout.locate(wrong[0])}",
        "Look for code that writes to this entry only, or for an index out of range", None,
    )  # fmt: skip
