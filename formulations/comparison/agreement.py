"""The difference of every pair of gradients, in units of the difference that two correct ones can have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.display import fitted, format_table

__all__ = ["Agreement", "agreement_of", "short"]


@dataclass(frozen=True, eq=False)
class Agreement:
    """The difference of each pair of gradients, in units of the sum of their two bounds; above 1 they disagree.

    Attributes
    ----------
    labels : tuple of str
        The names of the gradients.
    ratios : ndarray of shape (n, n)
        Symmetric, with 0 on the diagonal; infinite if one of the two is not finite but should be.
    undecided : tuple of str
        Those without a finite bound in some entry; in such an entry they agree with everything.
    doubts : dict of str to str
        The verdict on each gradient that is not known to be correct, such as ``"different"``: agreement with another
        does not make it correct.
    """

    labels: tuple[str, ...]
    ratios: Array
    undecided: tuple[str, ...] = ()
    doubts: dict[str, str] = field(default_factory=dict)

    @property
    def agree(self) -> bool:
        """Whether all pairs agree, and none of the gradients is in doubt."""
        return not self._apart.any() and not self.doubts

    @property
    def closing_pair(self) -> tuple[str, str]:
        """The pair with the largest difference."""
        i, j = np.unravel_index(np.argmax(self.ratios), self.ratios.shape)
        # If nothing differs, the first pair represents all.
        return (self.labels[i], self.labels[j]) if i != j else (self.labels[0], self.labels[1])

    @cached_property
    def odd_ones(self) -> tuple[str, ...]:
        """The members of every smallest set without which all the others agree."""
        remaining = [_fewest(_without(self._apart, [i])) for i in range(len(self.labels))]
        return tuple(label for label, rest in zip(self.labels, remaining, strict=True) if rest < self._count)

    @property
    def certain(self) -> bool:
        """Whether there is only one such set; with two gradients that differ there are two."""
        return len(self.odd_ones) == self._count

    @cached_property
    def _apart(self) -> Array:
        apart: Array = ~(self.ratios <= 1)
        return apart

    @cached_property
    def _count(self) -> int:
        return _fewest(self._apart)

    @property
    def sentence(self) -> str:
        """A summary of the matrix in one to three sentences."""
        parts = [self._verdict]
        if self.undecided:
            parts.append(f"No finite bound holds in every entry for {_joined(self.undecided)}.")
        if self.doubts:
            said = _joined([f"{label} is {doubt}" for label, doubt in self.doubts.items()])
            parts.append(f"Judged alone, {said}.")
        return " ".join(parts)

    @property
    def _verdict(self) -> str:
        n, odd = len(self.labels), self.odd_ones
        largest, pair = short(self.ratios.max()), _joined(self.closing_pair)
        if self.agree:
            who = "Both agree" if n == 2 else f"All {n} agree pairwise"
            if not self.ratios.any() and not self.undecided:
                return f"{who}, exactly."
            return f"{who}: the largest difference is {largest} of their bounds ({pair})."
        if not self._apart.any():
            return f"No two are further apart than their bounds: the largest difference is {largest} of them ({pair})."
        if n == 2:
            return f"{pair} differ by {largest} times their bounds: at least one of the two is wrong."
        if not self.certain:
            return (
                f"{_joined(odd)} do not all agree, and which of them are wrong cannot be determined: "
                f"without {self._count} of them all the others agree."
            )
        if len(odd) > 1:
            return f"{_joined(odd)} are the odd ones out: without them all the others ({n - len(odd)}) agree."
        differing = int(self._apart[self.labels.index(odd[0])].sum())
        others = f"all {n - 1}" if differing == n - 1 else f"{differing} of the {n - 1}"
        return f"{odd[0]} is the odd one out: it differs from {others} others, which agree with each other."

    @property
    def table(self) -> str:
        """The matrix as text, with its unit."""
        numbers = [str(number) for number in range(1, len(self.labels) + 1)]
        lines = [
            [numbers[i], label, *(short(ratio) for ratio in self.ratios[i, :i]), *[""] * (len(numbers) - 1 - i)]
            for i, label in enumerate(self.labels)
        ]
        table = format_table(["", "difference", *numbers[:-1]], lines, right=[0, *range(2, len(numbers) + 1)], keys=2)
        return fitted(f"{table}\n\nIn units of the sum of the two bounds; above 1 the two disagree.")

    def __str__(self) -> str:
        return f"{self.table}\n{fitted(self.sentence)}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {
            "labels": list(self.labels),
            "ratios": self.ratios.astype(float).tolist(),
            "agree": self.agree,
            "odd_ones": list(self.odd_ones),
            "certain": self.certain,
            "undecided": list(self.undecided),
            "doubts": dict(self.doubts),
        }

    def __repr__(self) -> str:
        return f"<Agreement of {len(self.labels)} gradients: {self.sentence}>"


def agreement_of(
    labels: Sequence[str],
    gradients: Sequence[Array],
    deviations: Sequence[Array],
    doubts: Mapping[str, str] | None = None,
) -> Agreement:
    """Compare every pair of gradients.

    Parameters
    ----------
    labels : sequence of str
        The names of the gradients; at least two.
    gradients : sequence of ndarray of shape (P + N,)
        They may contain NaN and infinity.
    deviations : sequence of ndarray of shape (P + N,)
        The largest difference of each from the exact gradient; see
        :func:`formulations.verification.tolerances.deviations.deviation`.
    doubts : mapping of str to str, optional
        The verdicts other than "equal", by label. A gradient with NaN or infinity is always in doubt.

    Returns
    -------
    Agreement

    Examples
    --------
    >>> found = agreement_of("abc", np.array([[1.0], [1.25], [9.0]]), np.full((3, 1), 0.5))
    >>> found.ratios[0].tolist(), found.odd_ones
    ([0.0, 0.25, 8.0], ('c',))
    """
    n = len(labels)
    ratios = np.zeros((n, n))
    for i, j in combinations(range(n), 2):
        ratios[i, j] = ratios[j, i] = _ratio(gradients[i], gradients[j], deviations[i] + deviations[j])
    undecided = [label for label, bound in zip(labels, deviations, strict=True) if not np.isfinite(bound).all()]
    wrong = {
        label: "not finite" for label, vector in zip(labels, gradients, strict=True) if not np.isfinite(vector).all()
    }
    return Agreement(tuple(labels), ratios, tuple(undecided), {**(doubts or {}), **wrong})


def short(ratio: float) -> str:
    """Write a ratio in at most five characters.

    Examples
    --------
    >>> short(0.0), short(0.0042), short(0.123), short(17.2), short(3.2e11), short(np.inf)
    ('0', '<0.01', '0.12', '17', '3e11', '∞')
    """
    if np.isinf(ratio):
        return "∞"
    if 0 < ratio < 0.01:
        return "<0.01"
    return f"{ratio:.2g}" if ratio < 99.5 else f"{ratio:.0f}" if ratio < 9999.5 else f"{ratio:.0e}".replace("e+", "e")


def _ratio(one: Array, other: Array, limit: Array) -> float:
    with np.errstate(all="ignore"):
        difference = np.abs(one - other)
        # 0/0 is agreement, x/0 and NaN are infinite; without a finite bound nothing is wrong.
        ratios = np.where((difference == 0) | np.isinf(limit), 0, difference / limit)
        return float(np.max(np.where(np.isnan(ratios), np.inf, ratios)))


def _fewest(apart: Array) -> int:
    """Return the smallest number to leave out so that all the rest agree: the size of a smallest vertex cover."""
    counts = apart.sum(axis=0)
    if not counts.any():
        return 0
    worst = int(np.argmax(counts))
    without_it = 1 + _fewest(_without(apart, [worst]))
    if counts[worst] == 1:
        return without_it
    # If the worst stays, all those that it disagrees with must go.
    others = np.flatnonzero(apart[worst])
    return min(without_it, len(others) + _fewest(_without(apart, [worst, *others])))


def _without(apart: Array, gone: Sequence[int]) -> Array:
    kept = np.setdiff1d(np.arange(len(apart)), gone)
    rest: Array = apart[np.ix_(kept, kept)]
    return rest


def _joined(labels: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(labels[:-1]), labels[-1]]))
