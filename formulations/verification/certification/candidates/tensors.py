"""Tensors, parameters and modules of other libraries, recognised by their attributes."""

from __future__ import annotations

from typing import Any

__all__ = ["gradient_of", "is_module", "is_parameter", "untracked"]


def is_module(candidate: Any) -> bool:
    """Whether this is a module with named parameters, such as a ``torch.nn.Module``."""
    return callable(getattr(candidate, "named_parameters", None)) and not isinstance(candidate, type)


def is_parameter(given: Any) -> bool:
    """Whether this is a parameter, which stands for its gradient: a leaf that records it, or one that is frozen."""
    if not (hasattr(given, "requires_grad") and hasattr(given, "is_leaf")):
        return False
    return bool(given.is_leaf and given.requires_grad) or any(
        base.__name__ == "Parameter" for base in type(given).__mro__
    )


def gradient_of(given: Any) -> Any:
    """Return the gradient of a parameter, which may be None, and anything else as it is."""
    return given.grad if is_parameter(given) else given


def untracked(given: Any) -> Any:
    """Return a tensor on the CPU that records no gradient, and anything else as it is."""
    if not (hasattr(given, "detach") and hasattr(given, "cpu")):
        return given
    try:
        return given.detach().cpu()
    except RuntimeError:
        # A tensor without data; the reader of arrays says what is wrong with it.
        return given
