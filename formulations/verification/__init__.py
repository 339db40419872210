"""Verification: oracles, derived tolerances, certificates and the laws of the backend contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.verification.certification import FunctionCertificate as FunctionCertificate
    from formulations.verification.certification import certify as certify
    from formulations.verification.certification import certify_function as certify_function
    from formulations.verification.certification.document import Certificate as Certificate
    from formulations.verification.conformance.check import check_backend as check_backend
    from formulations.verification.conformance.laws.table import LAWS as LAWS
    from formulations.verification.conformance.report import ConformanceReport as ConformanceReport
    from formulations.verification.conformance.report import Outcome as Outcome
    from formulations.verification.conformance.report import Standing as Standing
    from formulations.verification.grading import EXERCISES as EXERCISES
    from formulations.verification.grading import Grade as Grade
    from formulations.verification.grading import grade as grade
    from formulations.verification.grading import template as template
    from formulations.verification.operators.evaluation import evaluate as evaluate
    from formulations.verification.operators.judging import OperatorReference as OperatorReference
    from formulations.verification.operators.judging import judge_operator as judge_operator
    from formulations.verification.operators.judging import operator_deviation as operator_deviation
    from formulations.verification.oracles.exact_products import (
        exact_gauss_newton_product as exact_gauss_newton_product,
    )
    from formulations.verification.oracles.exact_products import exact_hessian_product as exact_hessian_product
    from formulations.verification.oracles.exact_products import exact_jacobian as exact_jacobian
    from formulations.verification.oracles.fifty_digits import OracleGradient as OracleGradient
    from formulations.verification.oracles.fifty_digits import gradient_in_digits as gradient_in_digits
    from formulations.verification.oracles.fractions import exact_gradient as exact_gradient
    from formulations.verification.oracles.reference import Reference as Reference
    from formulations.verification.oracles.reference import reference_gradient as reference_gradient
    from formulations.verification.tolerances.customary import Formulas as Formulas
    from formulations.verification.tolerances.deviations import deviation as deviation
    from formulations.verification.tolerances.judging import judge as judge
    from formulations.verification.tolerances.judging import judge_backend as judge_backend
    from formulations.verification.tolerances.propagation import propagate_bounds as propagate_bounds
    from formulations.verification.tolerances.rules import RULES as RULES
    from formulations.verification.tolerances.verdict import Status as Status
    from formulations.verification.tolerances.verdict import Verdict as Verdict
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "certification": ["FunctionCertificate", "certify", "certify_function"],
            "certification.document": ["Certificate"],
            "conformance.check": ["check_backend"],
            "conformance.laws.table": ["LAWS"],
            "conformance.report": ["ConformanceReport", "Outcome", "Standing"],
            "grading": ["EXERCISES", "Grade", "grade", "template"],
            "operators.evaluation": ["evaluate"],
            "operators.judging": ["OperatorReference", "judge_operator", "operator_deviation"],
            "oracles.exact_products": ["exact_gauss_newton_product", "exact_hessian_product", "exact_jacobian"],
            "oracles.fifty_digits": ["OracleGradient", "gradient_in_digits"],
            "oracles.fractions": ["exact_gradient"],
            "oracles.reference": ["Reference", "reference_gradient"],
            "tolerances.customary": ["Formulas"],
            "tolerances.deviations": ["deviation"],
            "tolerances.judging": ["judge", "judge_backend"],
            "tolerances.propagation": ["propagate_bounds"],
            "tolerances.rules": ["RULES"],
            "tolerances.verdict": ["Status", "Verdict"],
        },
    )
