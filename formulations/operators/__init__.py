"""Operators: the gradients of single examples, and what else is computed from the passes of a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.operators.examples import per_example_gradients as per_example_gradients
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "examples": ["per_example_gradients"],
        },
    )
