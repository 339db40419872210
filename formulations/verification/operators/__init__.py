"""Derived tolerances for Jacobians and for products with Hessian and Gauss–Newton matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.verification.operators.evaluation import evaluate as evaluate
    from formulations.verification.operators.judging import OperatorReference as OperatorReference
    from formulations.verification.operators.judging import judge_operator as judge_operator
    from formulations.verification.operators.judging import operator_deviation as operator_deviation
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "evaluation": ["evaluate"],
            "judging": ["OperatorReference", "judge_operator", "operator_deviation"],
        },
    )
