"""The operators of the backends: a file for each formulation, named after its backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.backends._linearized.autodiff_jax import JaxLinearization as JaxLinearization
    from formulations.backends._linearized.autodiff_torch import TorchLinearization as TorchLinearization
    from formulations.backends._linearized.back_substitution import (
        BackSubstitutionLinearization as BackSubstitutionLinearization,
    )
    from formulations.backends._linearized.complex_step import ComplexStepLinearization as ComplexStepLinearization
    from formulations.backends._linearized.finite_difference import (
        FiniteDifferenceLinearization as FiniteDifferenceLinearization,
    )
    from formulations.backends._linearized.fused import FusedLinearization as FusedLinearization
    from formulations.backends._linearized.hadamard import HadamardLinearization as HadamardLinearization
    from formulations.backends._linearized.linear import LinearLinearization as LinearLinearization
    from formulations.backends._linearized.neumann import NeumannLinearization as NeumannLinearization
    from formulations.backends._linearized.product import ProductLinearization as ProductLinearization
    from formulations.backends._linearized.sigma import SigmaLinearization as SigmaLinearization
    from formulations.backends._linearized.tangent import TangentLinearization as TangentLinearization
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "autodiff_jax": ["JaxLinearization"],
            "autodiff_torch": ["TorchLinearization"],
            "back_substitution": ["BackSubstitutionLinearization"],
            "complex_step": ["ComplexStepLinearization"],
            "finite_difference": ["FiniteDifferenceLinearization"],
            "fused": ["FusedLinearization"],
            "hadamard": ["HadamardLinearization"],
            "linear": ["LinearLinearization"],
            "neumann": ["NeumannLinearization"],
            "product": ["ProductLinearization"],
            "sigma": ["SigmaLinearization"],
            "tangent": ["TangentLinearization"],
        },
    )
