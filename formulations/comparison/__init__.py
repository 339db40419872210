"""Gradients by several backends, judged and timed; the race against other packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.comparison.epochs import EPOCH_CELLS as EPOCH_CELLS
    from formulations.comparison.epochs import EPOCH_PEERS as EPOCH_PEERS
    from formulations.comparison.epochs import TRAINING as TRAINING
    from formulations.comparison.epochs import run_epochs as run_epochs
    from formulations.comparison.quantities import COMPARED as COMPARED
    from formulations.comparison.race import CELLS as CELLS
    from formulations.comparison.race import PEERS as PEERS
    from formulations.comparison.race import RACE_DTYPES as RACE_DTYPES
    from formulations.comparison.race import describe_machine as describe_machine
    from formulations.comparison.race import draw_race as draw_race
    from formulations.comparison.race import run_race as run_race
    from formulations.comparison.relative_errors import measure_relative_errors as measure_relative_errors
    from formulations.comparison.result import Comparison as Comparison
    from formulations.comparison.result import RowStatus as RowStatus
    from formulations.comparison.threads import limited_threads as limited_threads
    from formulations.comparison.trials import compare as compare
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "epochs": ["EPOCH_CELLS", "EPOCH_PEERS", "TRAINING", "run_epochs"],
            "quantities": ["COMPARED"],
            "race": ["CELLS", "PEERS", "RACE_DTYPES", "describe_machine", "draw_race", "run_race"],
            "relative_errors": ["measure_relative_errors"],
            "result": ["Comparison", "RowStatus"],
            "threads": ["limited_threads"],
            "trials": ["compare"],
        },
    )
