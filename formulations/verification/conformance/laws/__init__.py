"""The laws by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.verification.conformance.laws.table import LAWS as LAWS
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "table": ["LAWS"],
        },
    )
