"""Races with made-up times."""

from __future__ import annotations

from formulations.comparison.race.cells import RACE_DTYPES
from formulations.comparison.race.contestant import Kind
from formulations.comparison.race.results import Heat, Race, RaceRow
from formulations.comparison.timing import Timing
from formulations.display import Ratio


def made_race(times, kinds, cells):
    """Return a race in which each name takes its time in all cells and dtypes; None leaves a row out."""
    rows = tuple(
        RaceRow(name, kinds.get(name, Kind.PLAN), "equal", first=1.0, timing=Timing(s, Ratio.exactly(s), (s, 2 * s, s)))
        for name, s in times.items()
        if s is not None
    )
    heats = tuple(Heat(cell, dtype, rows) for cell in cells for dtype in RACE_DTYPES)
    return Race(heats, {"processor": "abacus", "cores": 1, "blas": [], "date": "1986-01-01"}, "legend")
