"""Derived tolerances T1 to T4 and P, and the verdicts that they give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.verification.tolerances.deviations import deviation as deviation
    from formulations.verification.tolerances.judging import judge as judge
    from formulations.verification.tolerances.judging import judge_backend as judge_backend
    from formulations.verification.tolerances.perturbation import cost_roundoff as cost_roundoff
    from formulations.verification.tolerances.rules import RULES as RULES
    from formulations.verification.tolerances.verdict import RESOLUTION as RESOLUTION
    from formulations.verification.tolerances.verdict import EquationVerdict as EquationVerdict
    from formulations.verification.tolerances.verdict import Status as Status
    from formulations.verification.tolerances.verdict import Verdict as Verdict
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "deviations": ["deviation"],
            "judging": ["judge", "judge_backend"],
            "perturbation": ["cost_roundoff"],
            "rules": ["RULES"],
            "verdict": ["EquationVerdict", "RESOLUTION", "Status", "Verdict"],
        },
    )
