"""Handwritten digits, 8 by 8 pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.data.digits.reader import classes_of as classes_of
    from formulations.data.digits.reader import load_digits as load_digits
    from formulations.data.digits.reader import one_hot as one_hot
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "reader": ["classes_of", "load_digits", "one_hot"],
        },
    )
