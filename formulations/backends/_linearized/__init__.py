"""The operators of the backends: a file for each formulation, named after its backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.backends._linearized.hadamard import HadamardLinearization as HadamardLinearization
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "hadamard": ["HadamardLinearization"],
        },
    )
