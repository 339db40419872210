r"""Curvature: the Hessian and the Gauss–Newton matrix of the cost with respect to all parameters, as operators.

With J the Jacobian of the output with respect to the parameters and B = ∇²C with respect to the output,

.. math::

    H = J^T B J + \sum_{x,i} \frac{\partial C}{\partial a^L_{xi}} \nabla^2 a^L_{xi}, \qquad G = J^T B J.

G is positive semidefinite if the cost is convex in the output; H need not be. If all activations are linear, or have
linear pieces, both have the same block for each layer, and a network with a single layer of weights has G = H.
With more layers, :math:`a^L` is a product of weights, whose mixed derivatives are in H alone.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np

from formulations.arrays import (
    SINGLE_AND_DOUBLE,
    Array,
    format_dtype,
    nonnegative_number,
    positive_integer,
    quiet,
    random_generator,
)
from formulations.backends import BackendLike, Linearization, Tier
from formulations.exceptions import InvalidInput, Refused, UnknownName
from formulations.functions import Cost
from formulations.network import Network
from formulations.operators.arpack import eigenpairs, selected
from formulations.operators.diagonals import curvature_diagonal
from formulations.operators.network_operator import NetworkOperator, linearized

__all__ = ["CurvatureOperator", "GaussNewtonOperator", "HessianOperator", "Trace", "gauss_newton", "hessian"]


class Trace(float):
    """The trace of a curvature operator, exact up to rounding or estimated: a float with its standard error.

    Results computed from it, such as a sum, are plain floats. Printed, it shows its error.

    Parameters
    ----------
    estimate : float
        The trace.
    standard_error : float
        Its standard error; 0 if the trace is exact.
    samples : int
        The products that the estimate took; 0 if the trace is exact.

    Examples
    --------
    >>> trace = Trace(3.0, standard_error=0.25, samples=90)
    >>> print(trace)
    3 ± 0.25 (90 samples)
    >>> trace / 2 < 2, f"{trace:.2f}"
    (True, '3.00')
    """

    standard_error: float
    samples: int

    def __new__(cls, estimate: float, standard_error: float = 0.0, samples: int = 0) -> Self:
        """Return the number."""
        trace = super().__new__(cls, estimate)
        trace.standard_error, trace.samples = standard_error, samples
        return trace

    @property
    def estimate(self) -> float:
        """The trace, as a plain float."""
        return float(self)

    def __str__(self) -> str:
        if not self.samples:
            return f"{self:.6g}"
        return f"{self:.6g} ± {self.standard_error:.2g} ({self.samples} samples)"

    def __repr__(self) -> str:
        return f"Trace({float(self)!r}, standard_error={self.standard_error!r}, samples={self.samples})"


class CurvatureOperator(NetworkOperator):
    """A symmetric operator of shape (P, P), in the order of ``network.vector``, or one of its blocks.

    Attributes
    ----------
    layer : int or None
        The layer of a block; None for the whole operator.
    kinks : int
        How many weighted inputs lie on a kink of their activation, such as relu's at 0. There, σ′ and σ″ are the left
        ones, and the operator is that of the linear pieces. ``repr`` shows the number unless it is 0.
    """

    operator: ClassVar[Literal["hessian", "gauss_newton"]]
    instead = "take products A @ v or eigsh(k) instead"

    def __init__(self, net: Network, linearization: Linearization, layer: int | None = None) -> None:
        self.layer = layer
        layout = net.layout
        if layer is None:
            self._part = slice(0, layout.count)
            self.instead = "take products A @ v, eigsh(k) or block(l), the block of one layer, instead"
        else:
            weights, biases = layout.slices[layer - 2]
            self._part = slice(weights.start, biases.stop)
        super().__init__(net, linearization, (self._part.stop - self._part.start,) * 2)

    def products(self, directions: Array, *, transposed: bool) -> Array:  # noqa: ARG002 - it is symmetric
        """Return the products with all rows."""
        if len(directions) == 1:
            return self._product(directions[0])[np.newaxis]
        found = np.empty_like(directions)
        for v, product in zip(directions, found, strict=True):
            product[...] = self._product(v)
        return found

    def _product(self, v: Array) -> Array:
        if self.layer is None:
            return self.whole_product(v)
        whole = np.zeros_like(self.point.network.vector)
        whole[self._part] = v
        return self.whole_product(whole)[self._part]

    def whole_product(self, v: Array) -> Array:
        """Return the product of the whole operator with one vector of shape (P,)."""
        raise NotImplementedError

    def _adjoint(self) -> CurvatureOperator:
        return self

    def block(self, layer: int) -> CurvatureOperator:
        """Return the block on the diagonal that belongs to w^l and b^l, as an operator like this one.

        A product with it costs as much as one with the whole operator.

        Parameters
        ----------
        layer : int
            l, from 2 to L.

        Returns
        -------
        CurvatureOperator

        Raises
        ------
        WrongType
            If ``layer`` is not an integer.
        InvalidInput
            If there is no such layer.
        """
        last = self.point.network.layout.last
        l = positive_integer(layer, "layer")
        if not 2 <= l <= last:
            raise InvalidInput(
                f"layer must be from 2 to {last}, the output, got {l}; layer 1, the input, has no weights."
            )
        if self.layer not in {None, l}:
            raise InvalidInput(
                f"this is the block of layer {self.layer}, got layer={l}; take the block from the whole operator."
            )
        return type(self)(self._net, self.linearization, l)

    def blocks(self) -> list[CurvatureOperator]:
        """Return the blocks on the diagonal: that of layer l at ``[l-2]``."""
        return [self.block(l) for l in range(2, self.point.network.layout.last + 1)]

    @quiet
    def diagonal(self) -> Array:
        """Return the diagonal, shape (P,), exact up to rounding.

        A formulation that reads the library's tape and provides Jacobians in reverse order computes it layer by layer,
        by Dangel et al.: two backward passes for each output, and for the Hessian one more for each neuron from
        layer 3 on, two if its activation is coupled. The others take P products.

        Raises
        ------
        StalePlan
            If the network has changed.
        NotFinite
            If a derivative exceeds the range of the dtype.

        References
        ----------
        F. Dangel, F. Kunstner and P. Hennig, "BackPACK: Packing more into backprop", ICLR 2020.
        """
        self.check_fresh()
        backend = self.backend
        reverse = "jacobian" in backend.operators and "reverse" in backend.orders
        if reverse and backend.tier in {Tier.RECURRENCE, Tier.PRODUCT}:
            hessian, lowest = self.operator == "hessian", self.layer or 2
            found = curvature_diagonal(self.linearization, hessian=hessian, lowest=lowest)[self._part]
        else:
            unit, found = np.zeros(self.shape[0], self.dtype), np.empty(self.shape[0], self.dtype)
            for i in range(len(unit)):
                unit[i] = 1
                found[i] = self._product(unit)[i]
                unit[i] = 0
        self.check_result(found, "diagonal of")
        return found

    @quiet
    def trace(
        self,
        samples: int | None = None,
        *,
        method: Literal["hutchinson", "hutch++"] = "hutchinson",
        seed: int | np.random.Generator | None = 0,
    ) -> Trace:
        """Return the trace: exact, from the diagonal, or estimated from products with random signs.

        Parameters
        ----------
        samples : int, optional
            The number of products for an estimate. By default, or if ``samples`` is at least the number of rows, the
            trace is exact, since the diagonal takes no more products than that.
        method : {"hutchinson", "hutch++"}
            Hutchinson: the mean of vᵀHv over vectors v of independent random signs. Hutch++, by Meyer et al.:
            a third of the products find a subspace, in which the trace is computed exactly with another
            third, and the rest estimates what remains. It is more accurate if a few eigenvalues dominate, and keeps
            a third of ``samples`` vectors in memory.
        seed : int, Generator or None
            Seed of the signs.

        Returns
        -------
        Trace
            ``estimate``, ``standard_error``, ``samples``. The estimate is unbiased, and its standard error is itself
            estimated from the samples, so it means little for fewer than about ten.

        Raises
        ------
        WrongType
            If ``samples`` is not an integer, or ``seed`` is none of these.
        InvalidInput
            If ``samples`` is less than 2, or less than 6 for Hutch++, or ``seed`` is negative.
        UnknownName
            If there is no such method.
        Refused
            If Hutch++ is asked for in longdouble, which LAPACK does not support, or its vectors exceed the memory of
            :func:`formulations.use_budget`.
        StalePlan
            If the network has changed.
        NotFinite
            If a derivative exceeds the range of the dtype.

        References
        ----------
        M. F. Hutchinson, "A stochastic estimator of the trace of the influence matrix for Laplacian smoothing splines",
        Communications in Statistics 19 (2), 1990. R. A. Meyer, C. Musco, C. Musco and D. P. Woodruff, "Hutch++: Optimal
        stochastic trace estimation", SOSA 2021.
        """
        if method not in METHODS:
            raise UnknownName("method", method, METHODS)
        random = random_generator(seed)
        if samples is None:
            return Trace(float(self.diagonal().sum()))
        if method == "hutch++":
            self._check_lapack()
        count, least = positive_integer(samples, "samples"), METHODS[method]
        if count < least:
            raise InvalidInput(
                f"samples must be at least {least} for a standard error by {method}, got {count}; pass more, or None "
                "for the exact trace."
            )
        if count >= self.shape[0]:
            return Trace(float(self.diagonal().sum()))
        self.check_fresh()

        def signs(n: int) -> Array:
            return random.choice(np.array([-1, 1], self.dtype), (n, self.shape[0]))

        def forms(rows: Array) -> Array:
            found = np.array([v @ self._product(v) for v in rows])
            self.check_result(found, "trace of")
            return found

        if method == "hutchinson":
            # One vector at a time: memory stays that of the tape.
            found, known = np.concatenate([forms(signs(1)) for _ in range(count)]), 0.0
        else:
            third, last = count // 3, count - 2 * (count // 3)
            # The basis, the last third, and two arrays of its size to remove from it what the basis spans.
            self.check_memory(
                f"the vectors of {count} samples by hutch++", 4 * last * self.shape[0],
                "take fewer, or method='hutchinson', which keeps one",
            )  # fmt: skip
            basis = np.linalg.qr(self.products(signs(third), transposed=False).T)[0]
            rest = signs(last)
            known = float(forms(np.ascontiguousarray(basis.T)).sum())
            found = forms(rest - (rest @ basis) @ basis.T)
        return Trace(
            known + float(found.mean()), float(found.std(ddof=1, dtype=float)) / np.sqrt(len(found)).item(), count
        )

    @quiet
    def eigsh(
        self,
        k: int = 6,
        which: Literal["LM", "SM", "LA", "SA", "BE"] = "LM",
        *,
        tol: float = 0.0,
        maxiter: int = 300,
        seed: int | np.random.Generator | None = 0,
    ) -> tuple[Array, Array]:
        """Return k eigenvalues and their eigenvectors, by :func:`scipy.sparse.linalg.eigsh` from a seeded start vector.

        A multiple eigenvalue is returned as often as it occurs: further searches look for copies that the first one
        missed. The matrix is formed instead if a Krylov space of SciPy's default size would be the whole space, and
        for the smallest magnitudes, which ARPACK finds reliably only with a factorisation.

        Parameters
        ----------
        k : int
            The number of eigenpairs, at most P.
        which : {"LM", "SM", "LA", "SA", "BE"}
            The eigenvalues of largest or smallest magnitude, the algebraically largest or smallest, or half from each
            end, with one more from the upper end if k is odd.
        tol : float
            The relative accuracy of the eigenvalues; 0 means the machine precision, which eigenvalues of about 0 do not
            reach.
        maxiter : int
            The largest number of restarts, each of which takes about max(k, 10) products.
        seed : int, Generator or None
            Seed of the start vector.

        Returns
        -------
        eigenvalues : ndarray of shape (k,)
            In ascending order.
        eigenvectors : ndarray of shape (P, k)
            ``eigenvectors[:, i]`` belongs to ``eigenvalues[i]`` and has the length 1.

        Raises
        ------
        WrongType
            If ``k``, ``tol`` or ``maxiter`` is not a number of its kind.
        InvalidInput
            If one of them is out of range.
        UnknownName
            If there is no such ``which``.
        Refused
            If not all of them converge, if LAPACK and ARPACK do not support the dtype, or if their vectors, or the
            matrix for the smallest magnitudes, exceed the memory of :func:`formulations.use_budget`.
        StalePlan
            If the network has changed.
        NotFinite
            If a derivative exceeds the range of the dtype.
        """
        n = self.shape[0]
        if positive_integer(k, "k") > n:
            raise InvalidInput(f"k must be at most the number of rows, {n}, got {k}; ask for fewer eigenpairs.")
        if which not in SELECTIONS:
            raise UnknownName("which", which, SELECTIONS)
        tol, maxiter = nonnegative_number(tol, "tol"), positive_integer(maxiter, "maxiter")
        self._check_lapack()
        basis = min(n, max(2 * k + 1, 20))
        # The matrix, the eigenvectors, and what LAPACK works in; or ARPACK's vectors and those of the result.
        if which == "SM":
            what = "the matrix, which eigenvalues of the smallest magnitude take,"
            block = "take a block(l), " if self.layer is None else ""
            self.check_memory(what, 4 * n * n, f"{block}ask for which='SA', the algebraically smallest")
        else:
            self.check_memory(f"{k} eigenpairs", n * (4 * n if basis == n else basis + k), "ask for fewer")
        if which == "SM" or basis == n:
            values, vectors = np.linalg.eigh(self.to_dense())
            chosen = selected(values, k, which)
            values, vectors = values[chosen], vectors[:, chosen]
        else:
            values, vectors = eigenpairs(self, k, which, random_generator(seed), tol=tol, maxiter=maxiter)
        self.check_result(values, "eigenvalues of")
        return values, vectors

    def _check_lapack(self) -> None:
        if self.dtype not in SINGLE_AND_DOUBLE:
            raise Refused(
                f"LAPACK and ARPACK support float32 and float64, got {format_dtype(self.dtype)}; make the operator of "
                'network.astype("float64").'
            )

    def __repr__(self) -> str:
        text = super().__repr__()
        return text if self.layer is None else text.replace(f"<{self.what}", f"<{self.what} of layer {self.layer}", 1)


METHODS = {"hutchinson": 2, "hutch++": 6}
"""The estimates of a trace, with the fewest samples from which each has a standard error."""

SELECTIONS = ("LM", "SM", "LA", "SA", "BE")
"""SciPy's names for the ends of a spectrum."""


class HessianOperator(CurvatureOperator):
    """∇²C with respect to all parameters; see :func:`hessian`."""

    what = "Hessian"
    operator = "hessian"

    def whole_product(self, v: Array) -> Array:
        """Return Hv."""
        return self.linearization.hessian_product(v)


class GaussNewtonOperator(CurvatureOperator):
    """JᵀBJ with respect to all parameters; see :func:`gauss_newton`."""

    what = "Gauss–Newton matrix"
    operator = "gauss_newton"

    def whole_product(self, v: Array) -> Array:
        """Return Gv."""
        return self.linearization.gauss_newton_product(v)


@quiet
def hessian(
    net: Network,
    X: Any,
    Y: Any,
    cost: str | Cost = "quadratic",
    backend: BackendLike = None,
    sample_weight: Any = None,
) -> HessianOperator:
    """Return the Hessian ∇²C of the mean cost with respect to all weights and biases, as a symmetric operator.

    Parameters
    ----------
    net, X, Y, cost, backend, sample_weight
        As in :func:`formulations.gradient`.

    Returns
    -------
    HessianOperator
        Shape (P, P); ``H @ v``, ``H.to_dense()``, and SciPy's solvers.

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used.
    UnknownName
        If no backend or cost has this name.
    Refused
        If the backend provides no Hessian of this network, the cost or an activation has no curvature, or a product is
        estimated to exceed the budget of :func:`formulations.use_budget`.

    References
    ----------
    B. A. Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6(1), 1994.

    Examples
    --------
    >>> net = Network(weights=[[[1.0, 2.0]]], biases=[[0.0]], activations="identity")
    >>> H = hessian(net, [[3.0, 1.0]], [[0.0]])
    >>> H @ [1.0, 0.0, 0.0]  # the columns of xxᵀ for the weights, and of x for the bias
    array([9., 3., 3.])
    >>> print(H.trace())
    11
    """
    found = linearized(net, X, Y, cost, backend, sample_weight, operator="hessian")
    return HessianOperator(net, found)


@quiet
def gauss_newton(
    net: Network,
    X: Any,
    Y: Any,
    cost: str | Cost = "quadratic",
    backend: BackendLike = None,
    sample_weight: Any = None,
) -> GaussNewtonOperator:
    """Return the Gauss–Newton matrix JᵀBJ of the mean cost, as a symmetric operator.

    Parameters
    ----------
    net, X, Y, cost, backend, sample_weight
        As in :func:`formulations.gradient`.

    Returns
    -------
    GaussNewtonOperator
        Shape (P, P).

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used.
    UnknownName
        If no backend or cost has this name.
    Refused
        If the backend provides no Gauss–Newton matrix of this network, the cost has no curvature, or a product is
        estimated to exceed the budget of :func:`formulations.use_budget`.

    Notes
    -----
    J is the Jacobian of a^L with respect to the parameters, and B = ∇²C with respect to a^L; both are taken at z^L if
    cost and output activation are combined. The matrix is positive semidefinite if the cost is convex there, as the
    built-in costs are.

    References
    ----------
    N. N. Schraudolph, "Fast curvature matrix-vector products for second-order gradient descent", Neural Computation
    14(7), 2002.

    Examples
    --------
    >>> net = Network(weights=[[[3.0]], [[2.0]]], biases=[[0.0], [0.0]], activations=["square", "identity"])
    >>> gauss_newton(net, [[1.0]], [[17.0]]).to_dense()[0, 0]  # (∂a/∂w)² = (2·2·3)², without the term in σ″
    np.float64(144.0)
    """
    found = linearized(net, X, Y, cost, backend, sample_weight, operator="gauss_newton")
    return GaussNewtonOperator(net, found)
