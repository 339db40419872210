"""Stochastic gradient descent, its history, and accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.training.history import Epoch as Epoch
    from formulations.training.history import History as History
    from formulations.training.loop import sgd as sgd
    from formulations.training.scores import accuracy as accuracy
    from formulations.training.scores import chance as chance
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "history": ["Epoch", "History"],
            "loop": ["sgd"],
            "scores": ["accuracy", "chance"],
        },
    )
