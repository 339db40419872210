"""The numbered equations that the library uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.equations.equation import Equation as Equation
    from formulations.equations.equation import plain as plain
    from formulations.equations.table import EQUATIONS as EQUATIONS

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "equation": ["Equation", "plain"],
        "table": ["EQUATIONS"],
    },
)
