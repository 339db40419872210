"""Numbers with a tiny imaginary part, which carries a derivative: kept in range, and checked to be small."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from formulations.arrays import Array, Parameters
from formulations.exceptions import Refused
from formulations.functions import imaginary_step
from formulations.network import Network

__all__ = ["check_settled", "complex_parameters", "rescale", "settled", "weighted_inputs"]


def complex_parameters(network: Network) -> Parameters:
    """Return a buffer for complex parameters, in double precision or better."""
    # float32 has no range for derivatives times a step whose square is negligible.
    return Parameters(network.layout, np.empty(network.layout.count, np.result_type(network.dtype, np.complex128)))


def weighted_inputs(theta: Parameters, l: int, a: Array) -> Array:
    """Return z^l from a^{l−1}, Equation (25)."""
    z: Array = a @ theta.weights[l - 2].T + theta.biases[l - 2]
    return z


def rescale(z: Array) -> Array:
    """Multiply the imaginary parts of each row, in place, by a power of two, and return its exponent, shape (m,).

    The largest becomes h times 1, or h times the smallest nonzero real part among the perturbed ones, near which a
    function may be singular. That real part counts as at least 2⁻⁶⁰⁰, so that small slopes do not underflow.
    """
    real, size = np.abs(z.real), np.abs(z.imag).max(axis=1)
    scale = real.min(axis=1, where=(real > 0) & (z.imag != 0), initial=1).clip(2.0**-600)
    exponents: Array = np.frexp(scale * imaginary_step(real.dtype))[1] - np.frexp(size)[1]
    exponents[~((size > 0) & np.isfinite(size))] = 0
    z.imag[...] = np.ldexp(z.imag, exponents[:, None])
    return exponents


def settled(function: Callable[[Array], Array], at: Array, name: str) -> Array:
    """Return the value of a function of complex numbers after checking its real part.

    An imaginary part ε changes the real part of f by ε²f″/2 and the quotient Im f/ε by ε²f‴/6. If the first change is
    visible, the second may not be small.

    Raises
    ------
    Refused
        If the imaginary part is not small enough.
    """
    value = function(at)
    check_settled(value, function(at.real + 0j), name)
    return value


def check_settled(value: Array, still: Array, name: str) -> None:
    """Refuse a value whose real part is not that of the unperturbed one; see :func:`settled`."""
    if (np.abs(value.real - still.real) > 2.0**-30 * (1 + np.abs(still.real))).any():
        raise Refused(
            f"complex_step needs imaginary parts that stay small, and next to a singularity of {name} they do not; "
            "take a backend that perturbs nothing, such as 'hadamard'."
        )
