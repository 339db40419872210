"""The weights of a chunk's examples in units of a power of two."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array, higher

__all__ = ["shares_in_powers_of_two"]


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
