r"""Extreme eigenvalues and singular values from products, by ARPACK.

Three precautions surround :func:`scipy.sparse.linalg.eigsh`:

- The operator is multiplied by a power of two, which makes its products about 1: squares of singular values then
  neither overflow nor underflow, and the absolute part of ARPACK's tolerance is small beside them.
- If the operator is 0, the result is 0, without a search.
- Krylov spaces contain one eigenvector of each eigenvalue, so in exact arithmetic a multiple one is found once, and
  with roundoff perhaps not as often as it occurs. The search is therefore repeated with the known eigenvalues moved to
  the weakest of them, :math:`A - V (\Lambda - \mu) V^T`, until nothing beyond μ appears.

Source: R. B. Lehoucq, D. C. Sorensen and C. Yang, *ARPACK Users' Guide*, SIAM 1998; B. N. Parlett, *The Symmetric
Eigenvalue Problem*, SIAM 1998, section 5.1, for the deflation.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigsh

from formulations.arrays import Array, scipy_in_one_thread
from formulations.exceptions import Refused
from formulations.operators.network_operator import NetworkOperator

__all__ = ["eigenpairs", "selected", "singular_values"]


def selected(values: Array, k: int, which: str) -> Array:
    """Return where the selected eigenvalues are among all of them in ascending order."""
    n, by_size = len(values), np.argsort(np.abs(values), kind="stable")
    chosen: dict[str, Any] = {
        "LM": by_size[n - k :],
        "SM": by_size[:k],
        "LA": range(n - k, n),
        "SA": range(k),
        "BE": [*range(k // 2), *range(n - (k + 1) // 2, n)],
    }
    return np.sort(np.asarray(chosen[which], int))


def eigenpairs(
    operator: NetworkOperator, k: int, which: str, random: np.random.Generator, *, tol: float, maxiter: int
) -> tuple[Array, Array]:
    """Return k < n eigenvalues in ascending order, and their eigenvectors, of a symmetric operator.

    Parameters
    ----------
    operator : NetworkOperator
        The operator, of shape (n, n).
    k, which, tol, maxiter
        As for :func:`scipy.sparse.linalg.eigsh`; ``which`` is ``"LM"``, ``"LA"``, ``"SA"`` or ``"BE"``.
    random : Generator
        Draws the start vectors.

    Returns
    -------
    eigenvalues : ndarray of shape (k,)
    eigenvectors : ndarray of shape (n, k)

    Raises
    ------
    Refused
        If not all of them converge, or ARPACK stops.
    """
    n = operator.shape[0]
    start = random.standard_normal(n).astype(operator.dtype)
    if (exponent := _exponent(operator @ start)) is None:
        return np.zeros(k, operator.dtype), np.eye(n, k, dtype=operator.dtype)
    remedy = "raise maxiter, ask for fewer, or raise tol if some are about 0"
    search = _Search(_scaled(operator, exponent), random, tol, maxiter, f"{k} eigenpairs", remedy)
    values, vectors = search.every(k, which, start)
    return np.ldexp(values, exponent), vectors


def singular_values(operator: NetworkOperator, k: int, random: np.random.Generator) -> Array:
    """Return the k largest singular values of an operator, the largest first; k is less than its rows and columns.

    Raises
    ------
    Refused
        If not all of them converge, or ARPACK stops.
    """
    tall = operator if operator.shape[0] >= operator.shape[1] else operator.T
    n = tall.shape[1]
    start = random.standard_normal(n).astype(operator.dtype)
    if (exponent := _exponent(tall @ start)) is None:
        return np.zeros(k, operator.dtype)
    scaled = _scaled(tall, exponent)
    what, remedy = f"{k} singular values", "ask for fewer, or for all, which are computed from the matrix"
    search = _Search(scaled.H @ scaled, random, 0.0, 10 * n, what, remedy)
    # Those of AV are as exact as A's; square roots of small eigenvalues of AᵀA are not.
    vectors = search.every(k, "LA", start)[1]
    return np.ldexp(np.linalg.svd(scaled @ vectors, compute_uv=False), exponent)


def _exponent(product: Array) -> int | None:
    """Return the exponent of two of a product's largest entry; None if all are 0."""
    largest = np.abs(product).max()
    return int(np.frexp(largest)[1]) if largest else None


def _scaled(operator: LinearOperator, exponent: int) -> LinearOperator:
    """Return the operator divided by a power of two."""
    range_of = np.finfo(operator.dtype)
    return operator * np.ldexp(operator.dtype.type(1), int(np.clip(-exponent, range_of.minexp, range_of.maxexp - 1)))


class _Search:
    """ARPACK's search for extreme eigenvalues of one operator.

    Parameters
    ----------
    operator : LinearOperator
        The operator, symmetric, with a norm of about 1.
    random, tol, maxiter
        As in :func:`eigenpairs`.
    what, remedy : str
        What is searched for, and what to do if it is not found, in messages.
    """

    def __init__(
        self,
        operator: LinearOperator,
        random: np.random.Generator,
        tol: float,
        maxiter: int,
        what: str,
        remedy: str,
    ) -> None:
        self._operator = operator
        self._random = random
        self._tol = tol
        self._maxiter = maxiter
        self._what = what
        self._remedy = remedy

    def every(self, k: int, which: str, start: Array) -> tuple[Array, Array]:
        """Return k eigenpairs in ascending order, multiple ones as often as they occur."""
        # ARPACK does not accept k = 1 for both ends.
        which = "LA" if which == "BE" and k == 1 else which
        values, vectors = self._run(self._operator, k, which, start, self._tol, k)
        order = np.argsort(values)
        values, vectors = values[order], vectors[:, order]
        for end, pairs in _ends(k, which):
            # A single one is the extreme one, however often it occurs.
            if len(range(k)[pairs]) > 1:
                self._complete(values[pairs], vectors[:, pairs], end, k)
        order = np.argsort(values)
        return values[order], vectors[:, order]

    def _complete(self, values: Array, vectors: Array, end: str, k: int) -> None:
        """Replace eigenpairs of one end, in place, until none is missing."""
        n, dtype = vectors.shape[0], vectors.dtype
        epsilon = np.finfo(dtype).eps
        for _ in range(len(values)):
            weakest = int(np.argmin(_strength(values, end)))
            moved = values - values[weakest]
            rest = LinearOperator(
                self._operator.shape,
                lambda x, moved=moved: self._operator @ x - vectors @ (moved * (vectors.T @ x)),
                dtype=dtype,
            )
            # Known values are exact up to tol and the roundoff of n products; what is beyond that is another one. A
            # Ritz value is never beyond the extreme eigenvalue, so a rough one is enough to see that.
            beyond = _strength(values[weakest], end) + np.abs(values).max() * (self._tol + n * epsilon)
            start = self._random.standard_normal(n).astype(dtype)
            value, vector = self._run(rest, 1, end, start, max(self._tol, np.sqrt(epsilon)), k)
            if _strength(value[0], end) <= beyond:
                return
            value, vector = self._run(rest, 1, end, vector[:, 0], self._tol, k)
            # If it lies close to the weakest, to which the others were moved, it may contain parts of their vectors.
            others = np.delete(vectors, weakest, axis=1)
            vector = vector[:, 0] - others @ (others.T @ vector[:, 0])
            values[weakest], vectors[:, weakest] = value[0], vector / np.linalg.norm(vector)

    def _run(
        self, operator: LinearOperator, k: int, which: str, start: Array, tol: float, wanted: int
    ) -> tuple[Array, Array]:
        """Return what ARPACK finds, or raise an exception that says how many of the wanted ones converged."""
        options = {"rng": self._random} if "rng" in inspect.signature(eigsh).parameters else {}
        try:
            # Between two products of the operator, which are NumPy's, ARPACK calls SciPy's BLAS.
            with scipy_in_one_thread:
                found: tuple[Array, Array] = eigsh(
                    operator, k, which=which, v0=start, tol=tol, maxiter=self._maxiter, **options
                )
        except ArpackNoConvergence as caught:
            raise Refused(
                f"{self._what} must converge within maxiter={self._maxiter} restarts, and "
                f"{wanted - k + len(caught.eigenvalues)} did; {self._remedy}."
            ) from caught
        except ArpackError as caught:
            raise Refused(
                f"ARPACK must find {self._what}, and stopped ({str(caught).strip().rstrip('.')}); {self._remedy}."
            ) from caught
        return found


def _ends(k: int, which: str) -> Iterator[tuple[str, slice]]:
    """Yield the ends of the spectrum to which k selected eigenvalues belong, and which of them, in ascending order."""
    if which == "BE":
        yield "SA", slice(0, k // 2)
        yield "LA", slice(k // 2, k)
    else:
        yield which, slice(0, k)


def _strength(values: Any, end: str) -> Any:
    """Return how far eigenvalues lie at an end of the spectrum."""
    return np.abs(values) if end == "LM" else -values if end == "SA" else values
