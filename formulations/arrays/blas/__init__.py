"""BLAS: products that it adds in place, and its threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.arrays.blas.products import IN_ONE_THREAD as IN_ONE_THREAD
    from formulations.arrays.blas.products import Adder as Adder
    from formulations.arrays.blas.products import product_adder as product_adder
    from formulations.arrays.blas.threads import SharedLimit as SharedLimit
    from formulations.arrays.blas.threads import loaded_blas as loaded_blas
    from formulations.arrays.blas.threads import one_blas_thread as one_blas_thread
    from formulations.arrays.blas.threads import owner_of as owner_of
    from formulations.arrays.blas.threads import scipy_in_one_thread as scipy_in_one_thread
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "products": ["IN_ONE_THREAD", "Adder", "product_adder"],
            "threads": ["SharedLimit", "loaded_blas", "one_blas_thread", "owner_of", "scipy_in_one_thread"],
        },
    )
