"""Ratios of times: a median with its quartiles, and their format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

__all__ = ["Ratio", "format_quotient", "format_ratio", "paired"]


@dataclass(frozen=True)
class Ratio:
    """The time of one call over that of another, round by round.

    Attributes
    ----------
    median : float
        The median over the rounds that both calls have.
    lower, upper : float
        The quartiles.
    """

    median: float
    lower: float
    upper: float

    @classmethod
    def exactly(cls, number: float) -> Ratio:
        """Return a ratio without spread."""
        return cls(number, number, number)

    def __mul__(self, factor: float) -> Ratio:
        """Return the ratio times a positive factor."""
        return Ratio(self.median * factor, self.lower * factor, self.upper * factor)

    def __sub__(self, number: float) -> Ratio:
        return Ratio(self.median - number, self.lower - number, self.upper - number)

    @property
    def inverse(self) -> Ratio:
        """The time of the other call over that of this one."""
        return Ratio(1 / self.median, 1 / self.upper, 1 / self.lower)

    def to_dict(self, name: str = "ratio") -> dict[str, Any]:
        """Return the median under ``name``, and the quartiles under ``spread``."""
        return {name: self.median, "spread": [self.lower, self.upper]}


def paired(times: Sequence[float], others: Sequence[float]) -> Ratio:
    """Return the ratio of the times, over the rounds that both sequences have."""
    ratios = sorted(time / other for time, other in zip(times, others, strict=False))
    return Ratio(median(ratios), ratios[len(ratios) // 4], ratios[(3 * len(ratios)) // 4])


def format_ratio(ratio: Ratio | None, sign: str = "") -> str:
    """Format a ratio with three digits, and its quartiles if they differ.

    Parameters
    ----------
    ratio : Ratio or None
        None gives a dash.
    sign : str
        Follows the median, such as ``"×"``.

    Examples
    --------
    >>> format_ratio(Ratio(1.234, 1.2, 1.3)), format_ratio(Ratio(12.34, 9.996, 123.4), "×")
    ('1.23 (1.20–1.30)', '12.3× (10.0–123)')
    >>> format_ratio(Ratio.exactly(2.0)), format_ratio(None)
    ('2.00', '–')
    """
    if ratio is None:
        return "–"
    median = format_quotient(ratio.median) + sign
    if ratio.lower == ratio.upper:
        return median
    return f"{median} ({format_quotient(ratio.lower)}–{format_quotient(ratio.upper)})"


def format_quotient(quotient: float) -> str:
    """Format a single quotient with three digits, or all digits before the decimal point.

    Examples
    --------
    >>> format_quotient(1.2), format_quotient(12.34), format_quotient(2181.7)
    ('1.20', '12.3', '2182')
    """
    return f"{quotient:.{2 if quotient < 9.995 else 1 if quotient < 99.95 else 0}f}"
