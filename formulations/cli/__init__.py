"""The command line ``formulations``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.cli.entry import main as main
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "entry": ["main"],
        },
    )
