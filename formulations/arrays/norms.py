"""The Euclidean norm of all entries of an array."""

from __future__ import annotations

import numpy as np

from formulations.arrays.dtypes import Array

__all__ = ["euclidean_norm"]


def euclidean_norm(array: Array) -> float:
    """Return the Euclidean norm of all entries, scaled so that no square overflows or underflows.

    Examples
    --------
    >>> euclidean_norm(np.array([[3e-200, 4e-200]]))
    5e-200
    """
    largest = float(np.max(np.abs(array), initial=0.0))
    if not 0 < largest < np.inf:
        return largest
    return largest * float(np.linalg.norm(np.ravel(array) / largest))
