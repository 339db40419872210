"""The embedded digits, scenarios and problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.data.digits.reader import classes_of as classes_of
    from formulations.data.digits.reader import load_digits as load_digits
    from formulations.data.problems import Problem as Problem
    from formulations.data.problems import make_problem as make_problem
    from formulations.data.problems import problem_for as problem_for
    from formulations.data.scenarios import SCENARIOS as SCENARIOS
    from formulations.data.scenarios import Scenario as Scenario
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "digits.reader": ["classes_of", "load_digits"],
            "problems": ["Problem", "make_problem", "problem_for"],
            "scenarios": ["SCENARIOS", "Scenario"],
        },
    )
