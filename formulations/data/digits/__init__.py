"""Handwritten digits, 8 by 8 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.data.digits.reader import load_digits as load_digits
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "reader": ["load_digits"],
        },
    )
