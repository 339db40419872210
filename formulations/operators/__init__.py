"""Operators: the gradients of single examples, and what else is computed from the passes of a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.operators.curvature import GaussNewtonOperator as GaussNewtonOperator
    from formulations.operators.curvature import HessianOperator as HessianOperator
    from formulations.operators.curvature import gauss_newton as gauss_newton
    from formulations.operators.curvature import hessian as hessian
    from formulations.operators.examples import clipped_gradient as clipped_gradient
    from formulations.operators.examples import gradient_cosines as gradient_cosines
    from formulations.operators.examples import gradient_gram as gradient_gram
    from formulations.operators.examples import per_example_gradients as per_example_gradients
    from formulations.operators.examples import per_example_norms as per_example_norms
    from formulations.operators.jacobians import JacobianOperator as JacobianOperator
    from formulations.operators.jacobians import input_gradient as input_gradient
    from formulations.operators.jacobians import jacobian as jacobian
    from formulations.operators.jacobians import jacobian_operator as jacobian_operator
    from formulations.operators.linear import NetworkOperator as NetworkOperator
    from formulations.operators.linear import linearized as linearized
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "curvature": ["GaussNewtonOperator", "HessianOperator", "gauss_newton", "hessian"],
            "examples": [
                "clipped_gradient",
                "gradient_cosines",
                "gradient_gram",
                "per_example_gradients",
                "per_example_norms",
            ],
            "jacobians": ["JacobianOperator", "input_gradient", "jacobian", "jacobian_operator"],
            "linear": ["NetworkOperator", "linearized"],
        },
    )
