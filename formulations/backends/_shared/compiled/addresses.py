"""Arrays from addresses, for buffers that compiled code does not receive as arguments."""

from __future__ import annotations

from typing import Any

from numba import carray, types
from numba.extending import intrinsic

from formulations.arrays import Array
from formulations.backends._shared.compiled.compiler import compiled

__all__ = ["matrix_at", "vector_at"]


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(_: Any, address: Any, like: Any) -> Any:
    """Return an integer as a pointer to numbers of an array's dtype."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(address, like), generate


@compiled
def vector_at(address: int, n: int, like: Array) -> Array:
    """Return the vector at an address, with the dtype of another array."""
    found: Array = carray(_pointer(address, like), (n,))
    return found


@compiled
def matrix_at(address: int, m: int, n: int, like: Array) -> Array:
    """Return the m×n matrix at an address, with the dtype of another array."""
    found: Array = carray(_pointer(address, like), (m, n))
    return found
