"""The weighted mean of the gradients of chunks, summed in the next higher precision.

Weights may be as large or as small as floats can be, so all sums are in units of a power of two that grows with the
largest weight so far: scaling by it is exact, and no sum overflows unless the mean does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array, check_some_weight, higher

__all__ = ["Accumulator", "shares_in_powers_of_two"]


class Accumulator:
    """Σ w_x ∇C_x, Σ w_x C_x and Σ w_x over all chunks so far.

    Parameters
    ----------
    count : int
        Length of the gradients.
    dtype : dtype
        The dtype of the gradients; the sums have the next higher precision, if the platform has one.
    """

    def __init__(self, count: int, dtype: np.dtype[Any]) -> None:
        self._wide = higher(dtype) or dtype
        self._vector = np.empty(count, self._wide)
        self._buffers = np.empty(count, self._wide)
        self.reset()

    @staticmethod
    def bytes(count: int, dtype: np.dtype[Any]) -> int:
        """Return the memory of both vectors."""
        return 2 * count * (higher(dtype) or dtype).itemsize

    def reset(self) -> None:
        """Reset all sums to zero."""
        self._vector[...] = 0
        self._cost = self._weight = self._wide.type(0)
        self._exponent: int | None = None
        self.forward_passes = 0

    def add(self, vector: Array, cost: Any, weight: Any, exponent: int) -> None:
        """Add a chunk's sums, and the sum of its weights, all in units of 2^``exponent``."""
        if self._exponent is None:
            self._exponent = exponent
        elif exponent > self._exponent:
            shrunk = self._power(self._exponent - exponent)
            self._vector *= shrunk
            self._cost *= shrunk
            self._weight *= shrunk
            self._exponent = exponent
        unit = self._power(exponent - self._exponent)
        np.multiply(vector, unit, self._buffers)
        self._vector += self._buffers
        self._cost += self._wide.type(cost) * unit
        self._weight += self._wide.type(weight) * unit

    def mean(self, out: Array) -> Any:
        """Write the mean gradient into ``out``, divided once and rounded once, and return the mean cost.

        Raises
        ------
        InvalidInput
            If no example so far has a positive weight.
        """
        check_some_weight(self._weight)
        np.divide(self._vector, self._weight, self._buffers)
        out[...] = self._buffers
        return out.dtype.type(self._cost / self._weight)

    def _power(self, exponent: int) -> Any:
        return np.ldexp(self._wide.type(1), exponent)


def shares_in_powers_of_two(weights: Array | None, m: int, dtype: np.dtype[Any]) -> tuple[Array | None, float, int]:
    """Return the weights of m examples in units of a power of two that makes their sum at most 1.

    Parameters
    ----------
    weights : ndarray of shape (m,), or None
        Finite and not negative; None if each is 1.
    m : int
        Number of examples.
    dtype : dtype
        The network's.

    Returns
    -------
    shares : ndarray of shape (m, 1), or None
        w_x / 2^exponent; None if that is 1/m for every example.
    total : float
        Their sum.
    exponent : int
        The power.

    Examples
    --------
    >>> shares_in_powers_of_two(None, 4, np.dtype("float64"))
    (None, 1.0, 2)
    >>> shares, total, exponent = shares_in_powers_of_two(np.array([3, 0, 5]), 3, np.dtype("float64"))
    >>> shares[:, 0], float(total), exponent  # 3/32, 0, 5/32
    (array([0.09375, 0.     , 0.15625]), 0.25, 5)
    """
    exponent = (m - 1).bit_length()
    if weights is None:
        share = dtype.type(2.0**-exponent)
        return (None if m == 2**exponent else np.full((m, 1), share)), m / 2**exponent, exponent
    exponent += int(np.frexp(weights.max())[1])
    # In at least the network's precision, so that a small dtype of the weights does not underflow.
    wide = weights.astype(np.promote_types(weights.dtype, dtype), copy=False)
    shares = np.ldexp(wide, -exponent).astype(dtype)
    return shares[:, None], shares.sum(dtype=higher(dtype) or dtype), exponent
