"""The steps of a training run: the trainer that takes them, and the optimizers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.training.steps.optimizers import OPTIMIZERS as OPTIMIZERS
    from formulations.training.steps.optimizers import Adam as Adam
    from formulations.training.steps.optimizers import GradientDescent as GradientDescent
    from formulations.training.steps.optimizers import Optimizer as Optimizer
    from formulations.training.steps.optimizers import default_optimizer as default_optimizer
    from formulations.training.steps.optimizers import default_rate as default_rate
    from formulations.training.steps.optimizers import get_optimizer as get_optimizer
    from formulations.training.steps.trainer import Trainer as Trainer
    from formulations.training.steps.trainer import batches_at_once as batches_at_once
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "optimizers": [
                "OPTIMIZERS",
                "Adam",
                "GradientDescent",
                "Optimizer",
                "default_optimizer",
                "default_rate",
                "get_optimizer",
            ],
            "trainer": ["Trainer", "batches_at_once"],
        },
    )
