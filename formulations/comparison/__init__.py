"""Comparison: gradients by several backends, judged and timed; the race against other packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.comparison.contest import compare as compare
    from formulations.comparison.experiments.crossover import measure_crossover as measure_crossover
    from formulations.comparison.experiments.crossover_plot import draw_crossover as draw_crossover
    from formulations.comparison.experiments.growth import measure_growth as measure_growth
    from formulations.comparison.experiments.growth_plot import draw_growth as draw_growth
    from formulations.comparison.experiments.reach import measure_reach as measure_reach
    from formulations.comparison.experiments.scale import measure_scale as measure_scale
    from formulations.comparison.experiments.scale_plot import draw_scale as draw_scale
    from formulations.comparison.race.cells import CELLS as CELLS
    from formulations.comparison.race.cells import DTYPES as DTYPES
    from formulations.comparison.race.machine import machine as machine
    from formulations.comparison.race.peers.table import PEERS as PEERS
    from formulations.comparison.race.race import run_race as run_race
    from formulations.comparison.race.race_plot import draw_race as draw_race
    from formulations.comparison.relative_errors import measure as measure
    from formulations.comparison.result import Comparison as Comparison
    from formulations.comparison.threads import limited_threads as limited_threads

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "contest": ["compare"],
        "relative_errors": ["measure"],
        "experiments.crossover": ["measure_crossover"],
        "experiments.crossover_plot": ["draw_crossover"],
        "experiments.growth": ["measure_growth"],
        "experiments.growth_plot": ["draw_growth"],
        "experiments.reach": ["measure_reach"],
        "experiments.scale": ["measure_scale"],
        "experiments.scale_plot": ["draw_scale"],
        "race.cells": ["CELLS", "DTYPES"],
        "race.machine": ["machine"],
        "race.peers.table": ["PEERS"],
        "race.race": ["run_race"],
        "race.race_plot": ["draw_race"],
        "result": ["Comparison"],
        "threads": ["limited_threads"],
    },
)
