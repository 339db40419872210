"""Operators: the gradients of single examples, and what else is computed from the passes of a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.operators.curvature import GaussNewtonOperator as GaussNewtonOperator
    from formulations.operators.curvature import HessianOperator as HessianOperator
    from formulations.operators.curvature import Trace as Trace
    from formulations.operators.curvature import gauss_newton as gauss_newton
    from formulations.operators.curvature import hessian as hessian
    from formulations.operators.diagnosis import QUANTITIES as QUANTITIES
    from formulations.operators.diagnosis import SATURATION as SATURATION
    from formulations.operators.diagnosis import SLOW as SLOW
    from formulations.operators.diagnosis import Diagnosis as Diagnosis
    from formulations.operators.diagnosis import Quantity as Quantity
    from formulations.operators.diagnosis import diagnose as diagnose
    from formulations.operators.evaluations import Work as Work
    from formulations.operators.examples import clipped_gradient as clipped_gradient
    from formulations.operators.examples import gradient_cosines as gradient_cosines
    from formulations.operators.examples import gradient_gram as gradient_gram
    from formulations.operators.examples import per_example_gradients as per_example_gradients
    from formulations.operators.examples import per_example_norms as per_example_norms
    from formulations.operators.findings import Finding as Finding
    from formulations.operators.findings import Symptom as Symptom
    from formulations.operators.jacobian_operators import JacobianOperator as JacobianOperator
    from formulations.operators.jacobian_operators import TangentKernel as TangentKernel
    from formulations.operators.jacobian_operators import input_gradient as input_gradient
    from formulations.operators.jacobian_operators import jacobian_operator as jacobian_operator
    from formulations.operators.jacobians import JacobianPlan as JacobianPlan
    from formulations.operators.jacobians import jacobian as jacobian
    from formulations.operators.jacobians import prepare_jacobian as prepare_jacobian
    from formulations.operators.network_operator import NetworkOperator as NetworkOperator
    from formulations.operators.network_operator import linearized as linearized
    from formulations.operators.objectives import Objective as Objective
    from formulations.operators.objectives import objective as objective
    from formulations.operators.signals import LayerDiagnosis as LayerDiagnosis
    from formulations.operators.spectra import Spectrum as Spectrum
    from formulations.operators.spectra import spectrum as spectrum
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "curvature": ["GaussNewtonOperator", "HessianOperator", "Trace", "gauss_newton", "hessian"],
            "diagnosis": ["QUANTITIES", "SATURATION", "SLOW", "Diagnosis", "Quantity", "diagnose"],
            "evaluations": ["Work"],
            "examples": [
                "clipped_gradient",
                "gradient_cosines",
                "gradient_gram",
                "per_example_gradients",
                "per_example_norms",
            ],
            "findings": ["Finding", "Symptom"],
            "jacobian_operators": ["JacobianOperator", "TangentKernel", "input_gradient", "jacobian_operator"],
            "jacobians": ["JacobianPlan", "jacobian", "prepare_jacobian"],
            "network_operator": ["NetworkOperator", "linearized"],
            "objectives": ["Objective", "objective"],
            "signals": ["LayerDiagnosis"],
            "spectra": ["Spectrum", "spectrum"],
        },
    )
