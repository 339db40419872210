"""Training: the steps, the optimizers, stochastic gradient descent, its history, and accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.training.classification import ConfusionMatrix as ConfusionMatrix
    from formulations.training.classification import confusion_matrix as confusion_matrix
    from formulations.training.history import Epoch as Epoch
    from formulations.training.history import History as History
    from formulations.training.loop import sgd as sgd
    from formulations.training.model import Model as Model
    from formulations.training.model import load_trained as load_trained
    from formulations.training.optimizers import Adam as Adam
    from formulations.training.optimizers import GradientDescent as GradientDescent
    from formulations.training.optimizers import Optimizer as Optimizer
    from formulations.training.optimizers import get_optimizer as get_optimizer
    from formulations.training.scores import accuracy as accuracy
    from formulations.training.scores import chance as chance
    from formulations.training.targets import Examples as Examples
    from formulations.training.targets import default_cost as default_cost
    from formulations.training.targets import read_examples as read_examples
    from formulations.training.targets import read_weights as read_weights
    from formulations.training.trainer import Trainer as Trainer
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "classification": ["ConfusionMatrix", "confusion_matrix"],
            "history": ["Epoch", "History"],
            "loop": ["sgd"],
            "model": ["Model", "load_trained"],
            "optimizers": ["Adam", "GradientDescent", "Optimizer", "get_optimizer"],
            "scores": ["accuracy", "chance"],
            "targets": ["Examples", "default_cost", "read_examples", "read_weights"],
            "trainer": ["Trainer"],
        },
    )
