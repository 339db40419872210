"""The names of the built-in backends; each file is loaded when its backend is first used."""

from __future__ import annotations

from importlib import import_module

from formulations.backends._base import Backend

__all__ = ["BUILT_IN", "load_built_in"]

BUILT_IN = (
    "hadamard",
    "sigma",
    "product",
    "linear",
    "per_neuron",
    "finite_difference",
    "back_substitution",
    "neumann",
    "path_sum",
    "tangent",
    "node_perturbation",
    "activation_error",
    "homogeneous",
    "kronecker",
    "fused",
    "linear_collapse",
    "complex_step",
    "autodiff_torch",
    "autodiff_jax",
)
"""The names of the backends and of their files, in the order of listings."""


def load_built_in(name: str) -> type[Backend]:
    """Return the class of a built-in backend, which is the one name that its file exports."""
    module = import_module(f"formulations.backends.{name}")
    (exported,) = module.__all__
    found: type[Backend] = getattr(module, exported)
    return found
