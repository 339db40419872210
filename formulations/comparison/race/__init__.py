"""The race of backends, other packages and the matrix products alone: judged, then timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.comparison.race.book import BOOK as BOOK
    from formulations.comparison.race.cells import CELLS as CELLS
    from formulations.comparison.race.cells import RACE_DTYPES as RACE_DTYPES
    from formulations.comparison.race.cells import Cell as Cell
    from formulations.comparison.race.cells import read_dtypes as read_dtypes
    from formulations.comparison.race.contestant import Contestant as Contestant
    from formulations.comparison.race.contestant import Kind as Kind
    from formulations.comparison.race.contestant import Ready as Ready
    from formulations.comparison.race.floor import FLOOR as FLOOR
    from formulations.comparison.race.floor import products_of as products_of
    from formulations.comparison.race.heat import read_settings as read_settings
    from formulations.comparison.race.heat import run_heat as run_heat
    from formulations.comparison.race.machine import describe_machine as describe_machine
    from formulations.comparison.race.peers import PEERS as PEERS
    from formulations.comparison.race.peers import flattened as flattened
    from formulations.comparison.race.peers import parameters_of as parameters_of
    from formulations.comparison.race.peers import quadratic as quadratic
    from formulations.comparison.race.peers import quadratic_perceptron as quadratic_perceptron
    from formulations.comparison.race.peers import weighted_output as weighted_output
    from formulations.comparison.race.plot import draw_race as draw_race
    from formulations.comparison.race.race import run_race as run_race
    from formulations.comparison.race.results import Heat as Heat
    from formulations.comparison.race.results import Race as Race
    from formulations.comparison.race.results import Wording as Wording
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "book": ["BOOK"],
            "cells": ["CELLS", "RACE_DTYPES", "Cell", "read_dtypes"],
            "contestant": ["Contestant", "Kind", "Ready"],
            "floor": ["FLOOR", "products_of"],
            "heat": ["read_settings", "run_heat"],
            "machine": ["describe_machine"],
            "peers": [
                "PEERS",
                "flattened",
                "parameters_of",
                "quadratic",
                "quadratic_perceptron",
                "weighted_output",
            ],
            "plot": ["draw_race"],
            "race": ["run_race"],
            "results": ["Heat", "Race", "Wording"],
        },
    )
