"""The race: backends, other packages and the matrix products alone, judged and then timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.comparison.race.admission import Jury as Jury
    from formulations.comparison.race.admission import beside_default as beside_default
    from formulations.comparison.race.admission import foreseen as foreseen
    from formulations.comparison.race.admission import prepared as prepared
    from formulations.comparison.race.admission import reason_against as reason_against
    from formulations.comparison.race.book import BOOK as BOOK
    from formulations.comparison.race.cells import CELLS as CELLS
    from formulations.comparison.race.cells import DTYPES as DTYPES
    from formulations.comparison.race.cells import Cell as Cell
    from formulations.comparison.race.floor import FLOOR as FLOOR
    from formulations.comparison.race.race import run_race as run_race
    from formulations.comparison.race.results import Heat as Heat
    from formulations.comparison.race.results import Race as Race

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "admission": ["Jury", "beside_default", "foreseen", "prepared", "reason_against"],
        "book": ["BOOK"],
        "cells": ["CELLS", "Cell", "DTYPES"],
        "floor": ["FLOOR"],
        "race": ["run_race"],
        "results": ["Heat", "Race"],
    },
)
