"""Training: the loop and its steps, optimizers, schedules and checkpoints, its history, models, and accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.training.classification import ConfusionMatrix as ConfusionMatrix
    from formulations.training.classification import confusion_matrix as confusion_matrix
    from formulations.training.examples import Examples as Examples
    from formulations.training.examples import examples_for as examples_for
    from formulations.training.examples import weights_for as weights_for
    from formulations.training.history import Epoch as Epoch
    from formulations.training.history import History as History
    from formulations.training.interruption import Interruption as Interruption
    from formulations.training.loop import sgd as sgd
    from formulations.training.model import Model as Model
    from formulations.training.model import load_trained as load_trained
    from formulations.training.schedules import SCHEDULES as SCHEDULES
    from formulations.training.schedules import ConstantRate as ConstantRate
    from formulations.training.schedules import ExponentialDecay as ExponentialDecay
    from formulations.training.schedules import InverseScaling as InverseScaling
    from formulations.training.schedules import Plateau as Plateau
    from formulations.training.schedules import Schedule as Schedule
    from formulations.training.schedules import StepDecay as StepDecay
    from formulations.training.scores import accuracy as accuracy
    from formulations.training.scores import predicted as predicted
    from formulations.training.steps import OPTIMIZERS as OPTIMIZERS
    from formulations.training.steps import Adam as Adam
    from formulations.training.steps import GradientDescent as GradientDescent
    from formulations.training.steps import Optimizer as Optimizer
    from formulations.training.steps import Trainer as Trainer
    from formulations.training.steps import batches_at_once as batches_at_once
    from formulations.training.steps import default_optimizer as default_optimizer
    from formulations.training.steps import default_rate as default_rate
    from formulations.training.steps import get_optimizer as get_optimizer
    from formulations.training.stopping import EarlyStopping as EarlyStopping
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "classification": ["ConfusionMatrix", "confusion_matrix"],
            "history": ["Epoch", "History"],
            "interruption": ["Interruption"],
            "loop": ["sgd"],
            "model": ["Model", "load_trained"],
            "schedules": [
                "SCHEDULES",
                "ConstantRate",
                "ExponentialDecay",
                "InverseScaling",
                "Plateau",
                "Schedule",
                "StepDecay",
            ],
            "scores": ["accuracy", "predicted"],
            "steps": [
                "OPTIMIZERS",
                "Adam",
                "GradientDescent",
                "Optimizer",
                "Trainer",
                "batches_at_once",
                "default_optimizer",
                "default_rate",
                "get_optimizer",
            ],
            "stopping": ["EarlyStopping"],
            "examples": ["Examples", "examples_for", "weights_for"],
        },
    )
