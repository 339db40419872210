"""The claimed derivative: an array, a function or an operator, with columns and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations.arrays import Array
from formulations.exceptions import CandidateFailed, WrongShape, WrongType
from formulations.verification.certification.functions.evaluation import OutsideDomain, call_on_copies
from formulations.verification.certification.functions.structure import Structure

__all__ = ["Claim", "read_claim"]


class Claim:
    """The claimed Jacobian of k values, k = 1 for a gradient.

    Parameters
    ----------
    matrix : ndarray of shape (k, n), or an object with ``@``
        The claim.
    size : int
        n.

    Attributes
    ----------
    unit : float
        u of its dtype.
    """

    def __init__(self, matrix: Any, size: int) -> None:
        self._size = size
        dtype = np.dtype(getattr(matrix, "dtype", None) or np.float64)
        self.unit = float(np.finfo(dtype if dtype.kind == "f" else np.float64).eps) / 2
        wide = np.promote_types(dtype, np.float64)
        self._matrix = matrix.astype(wide, copy=False) if isinstance(matrix, np.ndarray) else matrix

    def column(self, i: int) -> Array:
        """Return ∂f/∂x_i, shape (k,)."""
        if isinstance(self._matrix, np.ndarray):
            column: Array = self._matrix[:, i]
            return column
        unit = np.zeros(self._size)
        unit[i] = 1
        return self.along(unit)

    def is_vector(self, vector: Array) -> bool:
        """Return whether the claim is an array with the entries of a vector."""
        return isinstance(self._matrix, np.ndarray) and np.array_equal(self._matrix.ravel(), vector)

    def size_along(self, direction: Array) -> Array:
        """Return the sum of the absolute terms of the derivative along a direction; for an operator, its size."""
        if isinstance(self._matrix, np.ndarray):
            size: Array = np.abs(self._matrix) @ np.abs(direction)
            return size
        return np.abs(self.along(direction))

    def along(self, direction: Array) -> Array:
        """Return the claimed derivative along a direction, shape (k,)."""
        if isinstance(self._matrix, np.ndarray):
            # Not 0 times an entry that is not finite.
            used = direction != 0
            return np.asarray(self._matrix[:, used] @ direction[used])
        return _real(np.asarray(self._matrix @ direction).reshape(-1))

    def adjoint_apart(self) -> bool:
        """Return whether an operator's adjoint is that of another one: ⟨Jv, u⟩ and ⟨v, Jᵀu⟩ share half their digits."""
        if not hasattr(self._matrix, "rmatvec"):
            return False
        random = np.random.default_rng(2)
        v, u = random.standard_normal(self._size), random.standard_normal(self._matrix.shape[0])
        try:
            forward, back = self.along(v), _real(np.asarray(self._matrix.rmatvec(u)).reshape(-1))
        except NotImplementedError:
            return False
        sizes = np.linalg.norm(forward) * np.linalg.norm(u), np.linalg.norm(v) * np.linalg.norm(back)
        return not abs(forward @ u - v @ back) <= np.sqrt(self.unit) * max(sizes)


def read_claim(gradient: Any, point: Structure, outputs: tuple[int, ...], notes: list[str]) -> Claim:
    """Read a claimed gradient or Jacobian.

    Parameters
    ----------
    gradient : object
        Arrays of the structure of x; a function that returns them; a ``LinearOperator`` or a sparse array (k, n).
    point : Structure
        x.
    outputs : tuple of int
        The shape of f(x).
    notes : list of str
        Gets what the function did that does not make the gradient wrong.

    Raises
    ------
    WrongShape
        If the shape does not fit.
    WrongType
        If an entry is not a real number.
    CandidateFailed
        If the function raises or changes its argument.
    """
    shape = (outputs[0] if outputs else 1, point.size)
    if _is_operator(gradient):
        if tuple(gradient.shape) != shape:
            raise WrongShape(
                f"gradient must be an operator of shape {shape}, a row for each value of f and a column for each entry "
                f"of x, got {tuple(gradient.shape)}; pass its transpose if that is what it is."
            )
        claim = Claim(gradient, point.size)
        if claim.adjoint_apart():
            notes.append(
                "The operator's adjoint is not that of the operator: ⟨Jv, u⟩ and ⟨v, Jᵀu⟩ differ. Products with J are "
                "judged; correct rmatvec."
            )
        return claim
    if callable(gradient):
        first, second = (_called(gradient, point) for _ in range(2))
        if _is_operator(first):
            return read_claim(first, point, outputs, notes)
        matrix = point.flatten(first, "gradient(x)", outputs)
        if not np.array_equal(matrix, point.flatten(second, "gradient(x)", outputs), equal_nan=True):
            notes.append("Two identical calls of the gradient returned different values; the first is judged.")
    else:
        matrix = point.flatten(gradient, "gradient", outputs)
    return Claim(matrix.reshape(shape), point.size)


def _real(products: Array) -> Array:
    if products.dtype.kind == "c":
        raise WrongType("gradient must be a real operator, got complex products; pass its real part if that is all.")
    return products


def _is_operator(gradient: Any) -> bool:
    """Return whether an object is a linear operator or a sparse array."""
    return hasattr(gradient, "matvec") or hasattr(gradient, "tocsr")


def _called(gradient: Any, point: Structure) -> Any:
    try:
        returned = call_on_copies("gradient", gradient, point, point.arrays())
    except OutsideDomain as outside:
        caught = outside.__cause__
        raise CandidateFailed(
            f"gradient must return a gradient at x, but raised {type(caught).__name__}: {caught}; fix that first."
        ) from caught
    # A function may return its own buffer, which the next call overwrites.
    return returned if _is_operator(returned) else _copied(returned)


def _copied(returned: Any) -> Any:
    if isinstance(returned, dict):
        return {key: _copied(each) for key, each in returned.items()}
    if isinstance(returned, list | tuple):
        return [_copied(each) for each in returned]
    return returned.copy() if isinstance(returned, np.ndarray) else returned
