"""The numbered equations that the library uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.explanation.equations.equation import Equation as Equation
    from formulations.explanation.equations.formula import escape_latex as escape_latex
    from formulations.explanation.equations.formula import parse_latex as parse_latex
    from formulations.explanation.equations.table import EQUATIONS as EQUATIONS
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "equation": ["Equation"],
            "formula": ["escape_latex", "parse_latex"],
            "table": ["EQUATIONS"],
        },
    )
