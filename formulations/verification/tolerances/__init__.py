"""Derived tolerances T1 to T4 and P, and the verdicts that they give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.verification.tolerances.activations import PLACES as PLACES
    from formulations.verification.tolerances.activations import activation_bounds as activation_bounds
    from formulations.verification.tolerances.activations import lost as lost
    from formulations.verification.tolerances.customary import APPROXIMATION as APPROXIMATION
    from formulations.verification.tolerances.customary import Formulas as Formulas
    from formulations.verification.tolerances.customary import approximates as approximates
    from formulations.verification.tolerances.customary import granted as granted
    from formulations.verification.tolerances.deviations import deviation as deviation
    from formulations.verification.tolerances.forward_bounds import local_forward_checks as local_forward_checks
    from formulations.verification.tolerances.judging import judge as judge
    from formulations.verification.tolerances.judging import judge_backend as judge_backend
    from formulations.verification.tolerances.local import output_error as output_error
    from formulations.verification.tolerances.perturbation import cost_roundoff as cost_roundoff
    from formulations.verification.tolerances.perturbation import undecidable as undecidable
    from formulations.verification.tolerances.propagation import propagate_bounds as propagate_bounds
    from formulations.verification.tolerances.rules import RULES as RULES
    from formulations.verification.tolerances.verdict import MARKS as MARKS
    from formulations.verification.tolerances.verdict import RESOLUTION as RESOLUTION
    from formulations.verification.tolerances.verdict import Check as Check
    from formulations.verification.tolerances.verdict import EquationVerdict as EquationVerdict
    from formulations.verification.tolerances.verdict import Status as Status
    from formulations.verification.tolerances.verdict import Verdict as Verdict
    from formulations.verification.tolerances.verdict import conclude as conclude
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "activations": ["PLACES", "activation_bounds", "lost"],
            "customary": ["APPROXIMATION", "Formulas", "approximates", "granted"],
            "deviations": ["deviation"],
            "forward_bounds": ["local_forward_checks"],
            "judging": ["judge", "judge_backend"],
            "local": ["output_error"],
            "perturbation": ["cost_roundoff", "undecidable"],
            "propagation": ["propagate_bounds"],
            "rules": ["RULES"],
            "verdict": ["MARKS", "RESOLUTION", "Check", "EquationVerdict", "Status", "Verdict", "conclude"],
        },
    )
