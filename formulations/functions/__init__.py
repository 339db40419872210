"""Activations and costs with their derivatives, and the numerical check of user-supplied ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.functions.activations.base import Activation as Activation
    from formulations.functions.activations.coupled import CoupledActivation as CoupledActivation
    from formulations.functions.activations.coupled import CoupledCurvature as CoupledCurvature
    from formulations.functions.activations.coupled import CoupledSlope as CoupledSlope
    from formulations.functions.activations.coupled import Softmax as Softmax
    from formulations.functions.activations.coupled import curvature_term as curvature_term
    from formulations.functions.activations.coupled import through as through
    from formulations.functions.activations.custom import activation as activation
    from formulations.functions.activations.custom_coupled import coupled_activation as coupled_activation
    from formulations.functions.activations.formulas import COMPLEX as COMPLEX
    from formulations.functions.activations.formulas import Engine as Engine
    from formulations.functions.activations.formulas import Formula as Formula
    from formulations.functions.activations.formulas import imaginary_step as imaginary_step
    from formulations.functions.activations.formulas import sigmoid as sigmoid
    from formulations.functions.activations.logistic import Sigmoid as Sigmoid
    from formulations.functions.activations.logistic import SiLU as SiLU
    from formulations.functions.activations.logistic import Softplus as Softplus
    from formulations.functions.activations.logistic import Tanh as Tanh
    from formulations.functions.activations.logistic import clamp as clamp
    from formulations.functions.activations.per_neuron import PerNeuron as PerNeuron
    from formulations.functions.activations.piecewise import ELU as ELU
    from formulations.functions.activations.piecewise import LeakyReLU as LeakyReLU
    from formulations.functions.activations.piecewise import ReLU as ReLU
    from formulations.functions.activations.smooth import GELU as GELU
    from formulations.functions.activations.smooth import Identity as Identity
    from formulations.functions.activations.smooth import Square as Square
    from formulations.functions.activations.table import ACTIVATIONS as ACTIVATIONS
    from formulations.functions.activations.table import get_activation as get_activation
    from formulations.functions.activations.table import is_built_in as is_built_in
    from formulations.functions.costs.base import CombinedOutput as CombinedOutput
    from formulations.functions.costs.base import Cost as Cost
    from formulations.functions.costs.binary_cross_entropy import BinaryCrossEntropy as BinaryCrossEntropy
    from formulations.functions.costs.custom import cost as cost
    from formulations.functions.costs.formulas import CostFormula as CostFormula
    from formulations.functions.costs.log_likelihood import LogLikelihood as LogLikelihood
    from formulations.functions.costs.quadratic import Quadratic as Quadratic
    from formulations.functions.costs.table import COSTS as COSTS
    from formulations.functions.costs.table import get_cost as get_cost
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "activations.base": ["Activation"],
            "activations.coupled": [
                "CoupledActivation",
                "CoupledCurvature",
                "CoupledSlope",
                "Softmax",
                "curvature_term",
                "through",
            ],
            "activations.custom": ["activation"],
            "activations.custom_coupled": ["coupled_activation"],
            "activations.formulas": ["COMPLEX", "Engine", "Formula", "imaginary_step", "sigmoid"],
            "activations.logistic": ["SiLU", "Sigmoid", "Softplus", "Tanh", "clamp"],
            "activations.per_neuron": ["PerNeuron"],
            "activations.piecewise": ["ELU", "LeakyReLU", "ReLU"],
            "activations.smooth": ["GELU", "Identity", "Square"],
            "activations.table": ["ACTIVATIONS", "get_activation", "is_built_in"],
            "costs.base": ["CombinedOutput", "Cost"],
            "costs.binary_cross_entropy": ["BinaryCrossEntropy"],
            "costs.custom": ["cost"],
            "costs.formulas": ["CostFormula"],
            "costs.log_likelihood": ["LogLikelihood"],
            "costs.quadratic": ["Quadratic"],
            "costs.table": ["COSTS", "get_cost"],
        },
    )
