"""Grading: an assignment on the chapter, marked equation by equation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.verification.grading.assignment import template as template
    from formulations.verification.grading.exercises import EXERCISES as EXERCISES
    from formulations.verification.grading.marking import grade as grade
    from formulations.verification.grading.report import Grade as Grade
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "assignment": ["template"],
            "exercises": ["EXERCISES"],
            "marking": ["grade"],
            "report": ["Grade"],
        },
    )
