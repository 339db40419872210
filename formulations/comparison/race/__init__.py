"""The race of backends, other packages and the matrix products alone: judged, then timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.comparison.race.book import BOOK as BOOK
    from formulations.comparison.race.cells import CELLS as CELLS
    from formulations.comparison.race.cells import RACE_DTYPES as RACE_DTYPES
    from formulations.comparison.race.cells import Cell as Cell
    from formulations.comparison.race.floor import FLOOR as FLOOR
    from formulations.comparison.race.machine import describe_machine as describe_machine
    from formulations.comparison.race.peers.table import PEERS as PEERS
    from formulations.comparison.race.plot import draw_race as draw_race
    from formulations.comparison.race.race import run_race as run_race
    from formulations.comparison.race.results import Heat as Heat
    from formulations.comparison.race.results import Race as Race
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "book": ["BOOK"],
            "cells": ["CELLS", "RACE_DTYPES", "Cell"],
            "floor": ["FLOOR"],
            "machine": ["describe_machine"],
            "peers.table": ["PEERS"],
            "plot": ["draw_race"],
            "race": ["run_race"],
            "results": ["Heat", "Race"],
        },
    )
