"""The names of the built-in backends, and the declarations of others; nothing here loads a backend that is not used."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

    from formulations.backends._base import Backend

__all__ = ["BUILT_IN", "ENTRY_POINTS", "declared", "load_built_in", "registered"]

ENTRY_POINTS = "formulations.backends"

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

registered: dict[str, type[Backend] | Backend] = {}
"""Registered backends by name."""


def load_built_in(name: str) -> type[Backend]:
    """Return the class of a built-in backend, which is the one name that its file exports."""
    module = import_module(f"formulations.backends.{name}")
    (exported,) = module.__all__
    found: type[Backend] = getattr(module, exported)
    return found


@cache
def declared() -> EntryPoints:
    """Return the backends that installed packages declare by an entry point."""
    # Reading the metadata of all installed packages takes longer than a small gradient.
    from importlib.metadata import entry_points

    return entry_points(group=ENTRY_POINTS)
