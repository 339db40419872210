"""Algebra shared by several formulations, and the compiled passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.backends._shared.autodiff import AutodiffBackend as AutodiffBackend
    from formulations.backends._shared.autodiff import adopted_cost as adopted_cost
    from formulations.backends._shared.autodiff import curved_targets as curved_targets
    from formulations.backends._shared.autodiff import differentiable_cost as differentiable_cost
    from formulations.backends._shared.autodiff import differentiable_layers as differentiable_layers
    from formulations.backends._shared.autodiff import estimate_dense as estimate_dense
    from formulations.backends._shared.autodiff import targets as targets
    from formulations.backends._shared.autodiff import vector_parts as vector_parts
    from formulations.backends._shared.by_jax import double_precision as double_precision
    from formulations.backends._shared.by_jax import jax_engine as jax_engine
    from formulations.backends._shared.by_jax import jax_scatter as jax_scatter
    from formulations.backends._shared.by_torch import recording as recording
    from formulations.backends._shared.by_torch import torch_engine as torch_engine
    from formulations.backends._shared.by_torch import torch_scatter as torch_scatter
    from formulations.backends._shared.by_torch import torch_tensor as torch_tensor
    from formulations.backends._shared.chain import Tree as Tree
    from formulations.backends._shared.chain import cheapest as cheapest
    from formulations.backends._shared.chain import dense_step as dense_step
    from formulations.backends._shared.chain import from_left as from_left
    from formulations.backends._shared.chain import from_right as from_right
    from formulations.backends._shared.chain import multiplications as multiplications
    from formulations.backends._shared.chain import multiply as multiply
    from formulations.backends._shared.chain import written as written
    from formulations.backends._shared.compiled.buffers import Buffers as Buffers
    from formulations.backends._shared.compiled.cache import unreadable_cache as unreadable_cache
    from formulations.backends._shared.compiled.cache import why_not_compiled as why_not_compiled
    from formulations.backends._shared.compiled.forms import COMPILED as COMPILED
    from formulations.backends._shared.compiled.forms import SOFTMAX_LIKELIHOOD as SOFTMAX_LIKELIHOOD
    from formulations.backends._shared.compiled.forms import number_of as number_of
    from formulations.backends._shared.compiled.forms import output_of as output_of
    from formulations.backends._shared.dual import DUAL as DUAL
    from formulations.backends._shared.dual import Dual as Dual
    from formulations.backends._shared.factors import Factor as Factor
    from formulations.backends._shared.factors import largest_matrix as largest_matrix
    from formulations.backends._shared.factors import slope_count as slope_count
    from formulations.backends._shared.factors import step as step
    from formulations.backends._shared.factors import times as times
    from formulations.backends._shared.forward_mode import ForwardLinearization as ForwardLinearization
    from formulations.backends._shared.forward_mode import blocks as blocks
    from formulations.backends._shared.imaginary import check_settled as check_settled
    from formulations.backends._shared.imaginary import complex_parameters as complex_parameters
    from formulations.backends._shared.imaginary import rescale as rescale
    from formulations.backends._shared.imaginary import settled as settled
    from formulations.backends._shared.imaginary import weighted_inputs as weighted_inputs
    from formulations.backends._shared.jacobian_chain import JacobianFactors as JacobianFactors
    from formulations.backends._shared.jacobian_chain import JacobianProduct as JacobianProduct
    from formulations.backends._shared.recurrence import errors_by_recurrence as errors_by_recurrence
    from formulations.backends._shared.recurrence import khatri_rao as khatri_rao
    from formulations.backends._shared.recurrence import why_not_linear as why_not_linear
    from formulations.backends._shared.sigma_matrices import block_diagonal as block_diagonal
    from formulations.backends._shared.sigma_matrices import diagonal as diagonal
    from formulations.backends._shared.sigma_matrices import sigma_matrix as sigma_matrix
    from formulations.backends._shared.stacks import entries as entries
    from formulations.backends._shared.stacks import last_tangent as last_tangent
    from formulations.backends._shared.stacks import parameter_sums as parameter_sums
    from formulations.backends._shared.stacks import slope_product as slope_product
    from formulations.backends._shared.stacks import stacked_product as stacked_product
    from formulations.backends._shared.stacks import tangent_gradient as tangent_gradient
    from formulations.backends._shared.stacks import tangent_inputs as tangent_inputs
    from formulations.backends._shared.stacks import tangents as tangents
    from formulations.backends._shared.stacks import transposed_slope_product as transposed_slope_product
    from formulations.backends._shared.system import ErrorSystem as ErrorSystem
    from formulations.backends._shared.system import estimate_system as estimate_system
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "autodiff": [
                "AutodiffBackend",
                "adopted_cost",
                "curved_targets",
                "differentiable_cost",
                "differentiable_layers",
                "estimate_dense",
                "targets",
                "vector_parts",
            ],
            "by_jax": ["double_precision", "jax_engine", "jax_scatter"],
            "by_torch": ["recording", "torch_engine", "torch_scatter", "torch_tensor"],
            "chain": [
                "Tree",
                "cheapest",
                "dense_step",
                "from_left",
                "from_right",
                "multiplications",
                "multiply",
                "written",
            ],
            "compiled.buffers": ["Buffers"],
            "compiled.cache": ["unreadable_cache", "why_not_compiled"],
            "compiled.forms": ["COMPILED", "SOFTMAX_LIKELIHOOD", "number_of", "output_of"],
            "dual": ["DUAL", "Dual"],
            "factors": ["Factor", "largest_matrix", "slope_count", "step", "times"],
            "forward_mode": ["ForwardLinearization", "blocks"],
            "imaginary": ["check_settled", "complex_parameters", "rescale", "settled", "weighted_inputs"],
            "jacobian_chain": ["JacobianFactors", "JacobianProduct"],
            "recurrence": ["errors_by_recurrence", "khatri_rao", "why_not_linear"],
            "sigma_matrices": ["block_diagonal", "diagonal", "sigma_matrix"],
            "stacks": [
                "entries",
                "last_tangent",
                "parameter_sums",
                "slope_product",
                "stacked_product",
                "tangent_gradient",
                "tangent_inputs",
                "tangents",
                "transposed_slope_product",
            ],
            "system": ["ErrorSystem", "estimate_system"],
        },
    )
