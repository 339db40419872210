"""One small file for each formulation; none imports another."""

from __future__ import annotations

from formulations.backends._base import Backend
from formulations.backends.activation_error import ActivationError
from formulations.backends.autodiff_jax import AutodiffJax
from formulations.backends.autodiff_torch import AutodiffTorch
from formulations.backends.back_substitution import BackSubstitution
from formulations.backends.complex_step import ComplexStep
from formulations.backends.finite_difference import FiniteDifference
from formulations.backends.fused import Fused
from formulations.backends.hadamard import Hadamard
from formulations.backends.homogeneous import Homogeneous
from formulations.backends.kronecker import Kronecker
from formulations.backends.linear import Linear
from formulations.backends.linear_collapse import LinearCollapse
from formulations.backends.neumann import Neumann
from formulations.backends.node_perturbation import NodePerturbation
from formulations.backends.path_sum import PathSum
from formulations.backends.per_neuron import PerNeuronBackend
from formulations.backends.product import Product
from formulations.backends.sigma import Sigma
from formulations.backends.tangent import Tangent

__all__ = ["BUILT_IN"]

BUILT_IN: tuple[type[Backend], ...] = (
    Hadamard,
    Sigma,
    Product,
    Linear,
    PerNeuronBackend,
    FiniteDifference,
    BackSubstitution,
    Neumann,
    PathSum,
    Tangent,
    NodePerturbation,
    ActivationError,
    Homogeneous,
    Kronecker,
    Fused,
    LinearCollapse,
    ComplexStep,
    AutodiffTorch,
    AutodiffJax,
)
