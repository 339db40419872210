"""Activations: each object has a value, a slope and a curvature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.functions.activations.base import Activation as Activation
    from formulations.functions.activations.coupled import through as through
    from formulations.functions.activations.formulas import COMPLEX as COMPLEX
    from formulations.functions.activations.formulas import Engine as Engine
    from formulations.functions.activations.formulas import carries_derivative as carries_derivative
    from formulations.functions.activations.formulas import softplus as softplus
    from formulations.functions.activations.table import ACTIVATIONS as ACTIVATIONS
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "base": ["Activation"],
            "coupled": ["through"],
            "formulas": ["COMPLEX", "Engine", "carries_derivative", "softplus"],
            "table": ["ACTIVATIONS"],
        },
    )
