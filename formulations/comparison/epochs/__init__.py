"""The race of epochs: backends and other packages take the same steps, judged by their parameters, then timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.comparison.epochs.course import EPOCH_CELLS as EPOCH_CELLS
    from formulations.comparison.epochs.course import TRAINING as TRAINING
    from formulations.comparison.epochs.peers import EPOCH_PEERS as EPOCH_PEERS
    from formulations.comparison.epochs.run import run_epochs as run_epochs
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "course": ["EPOCH_CELLS", "TRAINING"],
            "peers": ["EPOCH_PEERS"],
            "run": ["run_epochs"],
        },
    )
