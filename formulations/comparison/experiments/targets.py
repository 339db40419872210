"""Targets: what speed is asked for, beside what the same run measured.

Ratios are of the rounds' own ratios the median; a geometric mean is taken over the cells of one dtype. A target
without a row to measure says so, and is not met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any

from formulations.backends import DEFAULT
from formulations.comparison.race import BOOK, CELLS, DTYPES, FLOOR, Heat, Race
from formulations.display import Ratio, format_ratio, format_table

__all__ = ["Reach", "Target", "reach_of_race"]

PEER = "the best peer"


@dataclass(frozen=True)
class Target:
    """What is asked of one ratio.

    Attributes
    ----------
    what : str
        In words.
    cell, dtype : str
        Where; ``"geometric mean"`` for that over all cells.
    limit : float
        The most that the ratio may be.
    measured : Ratio or None
        What it was; None where it was not measured.
    over : str
        What is in the denominator; a peer by its name.
    as_speed : bool
        True where it is asked for as "so many times faster": the reciprocal is printed.
    in_bytes : bool
        True where it is no ratio but a number of bytes.
    """

    what: str
    cell: str
    dtype: str
    limit: float
    measured: Ratio | None
    over: str = ""
    as_speed: bool = False
    in_bytes: bool = False

    @property
    def met(self) -> bool:
        """Whether the median is within the limit."""
        return self.measured is not None and self.measured.median <= self.limit


@dataclass(frozen=True)
class Reach:
    """All targets, measured.

    Attributes
    ----------
    targets : tuple of Target
        In the order asked.
    race : Race
        The race that decided the ratios.
    """

    targets: tuple[Target, ...]
    race: Race

    def __bool__(self) -> bool:
        return all(target.met for target in self.targets)

    def __str__(self) -> str:
        header = ["what", "cell", "dtype", "target", "measured", "over", ""]
        lines = [
            [
                target.what,
                target.cell,
                target.dtype,
                *_texts(target),
                target.over,
                "met" if target.met else "missed" if target.measured else "not measured",
            ]
            for target in self.targets
        ]
        met = sum(target.met for target in self.targets)
        slower = [
            f"{heat.cell.name} {heat.dtype}: the products alone are slower than {heat.best_peer}, "
            f"{format_ratio(heat.ratio(FLOOR.name, heat.best_peer))}; {DEFAULT} is not asked to be faster.\n"
            for heat in self.race.heats
            if (floor := heat.ratio(FLOOR.name, heat.best_peer)) is not None and floor.median > 1
        ]
        table = format_table(header, lines, right=[3, 4])
        return f"{self.race.where}\n\n{table}\n\n{''.join(slower)}{met} of {len(self.targets)} targets are met."

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain Python values."""
        return {
            **self.race.to_dict(),
            "targets": [
                {
                    "what": target.what,
                    "cell": target.cell,
                    "dtype": target.dtype,
                    "over": target.over,
                    "limit": target.limit,
                    "measured": None if target.measured is None else target.measured.median,
                    "quartiles": None if target.measured is None else [target.measured.lower, target.measured.upper],
                    "met": target.met,
                }
                for target in self.targets
            ],
        }


def _texts(target: Target) -> tuple[str, str]:
    """Return limit and measurement as they are asked for."""
    limit, found = target.limit, target.measured
    if target.in_bytes:
        return f"≤ {limit / 1024:.0f} KiB", "–" if found is None else f"{found.median / 1024:.1f} KiB"
    if target.as_speed:
        return f"≥ {1 / limit:.3g}×", format_ratio(None if found is None else found.inverse)
    return f"≤ {limit:.3g}", format_ratio(found)


CEILINGS: tuple[tuple[str, str, Mapping[str, float]], ...] = (
    (DEFAULT, FLOOR.name, {"book": 1.7, "digits": 2.5, "medium": 1.12, "deep": 1.6, "wide": 1.08}),
    ("fused", FLOOR.name, {"book": 1.0, "digits": 1.3, "medium": 1.06, "deep": 1.2, "wide": 1.06}),
    ("sigma", DEFAULT, {"book": 1.6, "medium": 1.15, "wide": 1.15}),
    (f"gradient({DEFAULT})", PEER, {"book": 1.0, "digits": 1.0, "medium": 1.0, "deep": 1.0}),
    ("fused", PEER, {"book": 1 / 1.3, "digits": 1 / 1.3, "deep": 1 / 1.3}),
)
"""RaceRow, what it is measured over, and the most that the ratio may be, by cell."""

GEOMETRIC: tuple[tuple[str, float], ...] = ((DEFAULT, 1 / 1.5), ("fused", 1 / 2))
"""RaceRow, and the most that the geometric mean of its ratios over the best peers may be."""

LOOPS: tuple[tuple[str, str, float], ...] = (
    (DEFAULT, "float32", 1 / 20),
    (DEFAULT, "float64", 1 / 18),
    ("fused", "float32", 1 / 40),
    ("fused", "float64", 1 / 25),
)
"""RaceRow, dtype, and the most that its ratio over the book's loop may be, in the cell of that name."""


def reach_of_race(race: Race) -> list[Target]:
    """Return the targets that a race decides."""
    cases = [_against_peers(race.heat(cell, dtype), cell, dtype) for cell in CELLS for dtype in DTYPES]
    targets = [target for target in cases if target is not None]
    for name, limit in GEOMETRIC:
        targets += [_geometric(race, name, limit, dtype) for dtype in DTYPES]
    for name, over, limits in CEILINGS:
        for cell, limit in limits.items():
            for dtype in DTYPES:
                heat = race.heat(cell, dtype)
                other = heat.best_peer if over is PEER and heat else over
                ratio = None if heat is None else heat.ratio(name, other)
                what = f"{name} over {over}"
                targets.append(Target(what, cell, dtype, limit, ratio, other or "", over is PEER and limit < 1))
    for name, dtype, limit in LOOPS:
        heat = race.heat("book", dtype)
        ratio = None if heat is None else heat.ratio(name, BOOK.name)
        targets.append(Target(f"{name} over {BOOK.name}", "book", dtype, limit, ratio, BOOK.name, as_speed=True))
    return targets


def _against_peers(heat: Heat | None, cell: str, dtype: str) -> Target | None:
    """Ask that ``hadamard`` be not slower than the best peer; nothing where the products alone are slower."""
    what = f"{DEFAULT} over {PEER}"
    if heat is None or heat.best_peer is None:
        return Target(what, cell, dtype, 1.0, None)
    floor = heat.ratio(FLOOR.name, heat.best_peer)
    if floor is not None and floor.median > 1:
        return None
    return Target(what, cell, dtype, 1.0, heat.ratio(DEFAULT, heat.best_peer), heat.best_peer)


def _geometric(race: Race, name: str, limit: float, dtype: str) -> Target:
    ratios = [heat.ratio(name, heat.best_peer) for heat in race.heats if heat.dtype == dtype]
    known = [ratio for ratio in ratios if ratio is not None]
    mean = _mean(known) if len(known) == len(CELLS) else None
    return Target(f"{name} over {PEER}", "geometric mean", dtype, limit, mean, PEER, as_speed=True)


def _mean(ratios: Sequence[Ratio]) -> Ratio:
    def of(values: Sequence[float]) -> float:
        return exp(sum(map(log, values)) / len(values))

    return Ratio(of([r.median for r in ratios]), of([r.lower for r in ratios]), of([r.upper for r in ratios]))
