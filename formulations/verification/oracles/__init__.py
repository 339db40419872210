"""Gradients to judge others by: in fractions, in fifty digits, and in the next higher precision.

The tolerances use the reference's slopes, and the products with their blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations._lazy import attach

if TYPE_CHECKING:
    from formulations.verification.oracles.algebra import combined_error as combined_error
    from formulations.verification.oracles.algebra import magnitudes as magnitudes
    from formulations.verification.oracles.algebra import outer as outer
    from formulations.verification.oracles.algebra import product as product
    from formulations.verification.oracles.algebra import shares_of as shares_of
    from formulations.verification.oracles.algebra import through as through
    from formulations.verification.oracles.algebra import widened as widened
    from formulations.verification.oracles.blocks import Matrices as Matrices
    from formulations.verification.oracles.blocks import OuterBlocks as OuterBlocks
    from formulations.verification.oracles.blocks import sums_of_others as sums_of_others
    from formulations.verification.oracles.fifty_digits import in_precision as in_precision
    from formulations.verification.oracles.fifty_digits import jacobian_in_digits as jacobian_in_digits
    from formulations.verification.oracles.fifty_digits import product_in_digits as product_in_digits
    from formulations.verification.oracles.fractions import exact_gradient as exact_gradient
    from formulations.verification.oracles.reference import Reference as Reference
    from formulations.verification.oracles.reference import reference_gradient as reference_gradient
    from formulations.verification.oracles.reference import reference_on_tape as reference_on_tape
    from formulations.verification.oracles.slopes import Slope as Slope
    from formulations.verification.oracles.slopes import read_slope as read_slope
    from formulations.verification.oracles.slopes import seen_rounding as seen_rounding
    from formulations.verification.oracles.slopes import worse as worse
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "algebra": ["combined_error", "magnitudes", "outer", "product", "shares_of", "through", "widened"],
            "blocks": ["Matrices", "OuterBlocks", "sums_of_others"],
            "fifty_digits": ["in_precision", "jacobian_in_digits", "product_in_digits"],
            "fractions": ["exact_gradient"],
            "reference": ["Reference", "reference_gradient", "reference_on_tape"],
            "slopes": ["Slope", "read_slope", "seen_rounding", "worse"],
        },
    )
