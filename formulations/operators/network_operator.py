"""Operators of a network: a backend's linearisation at a point, as SciPy's linear operators."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from formulations.arrays import Array, as_real, check_finite, current_budget, format_bytes, format_dtype, quiet
from formulations.backends import (
    DEFAULT,
    PARAMETERS,
    Backend,
    BackendLike,
    Linearization,
    Where,
    get_backend,
    list_backends,
)
from formulations.display import counted
from formulations.exceptions import NotFinite, Refused, StalePlan, WrongShape
from formulations.functions import Cost
from formulations.network import Network, Point, check_network, check_parameters
from formulations.plans import unreasonable

__all__ = ["NetworkOperator", "check_budget", "linearized", "others", "provider"]

NAMES = {
    "jacobian": "Jacobian",
    "input_gradient": "input gradient",
    "hessian": "Hessian",
    "gauss_newton": "Gauss–Newton matrix",
}
"""What an operator is called in messages."""

UNITS = 64
"""The unit vectors that are multiplied at a time: enough for a matrix product, and few beside the matrix."""


def linearized(
    net: Network,
    X: Any,
    Y: Any = None,
    cost: str | Cost = "quadratic",
    backend: BackendLike = None,
    sample_weight: Any = None,
    *,
    operator: str = "jacobian",
    of: int | None = None,
    wrt: Where = PARAMETERS,
) -> Linearization:
    """Check the arguments of an operator, and return the backend's linearisation at the point.

    Parameters
    ----------
    net, X, Y, cost, backend, sample_weight
        As in :func:`formulations.gradient`; Y may be None for a Jacobian only.
    operator : str
        ``"jacobian"``, ``"input_gradient"``, ``"hessian"`` or ``"gauss_newton"``.
    of : int, optional
        The layer that a Jacobian differentiates.
    wrt : int or "parameters"
        The layer, or the parameters, with respect to which it differentiates.

    Returns
    -------
    Linearization

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used.
    UnknownName
        If no backend or cost has this name.
    Refused
        If the backend does not provide the operator; the message names those that do. Or if a product is estimated to
        exceed the budget.
    """
    check_network(net)
    batch = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight, targets=operator != "jacobian")
    chosen = provider(net, batch.cost, backend, operator, of)
    check_budget(chosen, net, len(batch.X), operator, wrt)
    check_parameters(net)
    return chosen.linearize(Point(net, batch))


def provider(net: Network, cost: Cost, backend: BackendLike, operator: str, of: int | None = None) -> Backend:
    """Return the chosen backend if it provides an operator.

    Parameters
    ----------
    net, cost, backend, operator, of
        As in :func:`linearized`, checked.

    Raises
    ------
    UnknownName
        If no backend has this name.
    Refused
        If it does not; the message names those that do.
    """
    chosen = get_backend(backend)
    cost.check_outputs(net.sizes[-1])
    if reason := chosen.why_not_operator(operator, net, cost, of):
        what = NAMES[operator]
        if operator == "jacobian" and of is not None:
            what = f"{what} of layer {of}"
        raise Refused(
            f"{'the default ' * (chosen.label == DEFAULT)}backend {chosen.label!r} cannot compute the {what} of "
            f"{net!r}: {reason}; {others(net, cost, operator, of)}."
        )
    return chosen


def check_budget(backend: Backend, net: Network, m: int, operator: str, wrt: Where = PARAMETERS) -> None:
    """Refuse an operator over m examples whose products are estimated to exceed the budget."""
    if reason := unreasonable(backend, net, m, current_budget(), operator, wrt):
        raise Refused(
            f"backend {backend.label!r} is refused: {reason}; take fewer examples, a smaller network or another "
            "backend, or allow it with formulations.use_budget(seconds=..., memory=...)."
        )


def others(net: Network, cost: Cost, operator: str, of: int | None = None, order: str | None = None) -> str:
    """Return the remedy after a refusal: the backends that provide an operator, and an order if one is given."""
    backends = (get_backend(name) for name in list_backends())
    able = [
        each.name
        for each in backends
        if each.why_not_operator(operator, net, cost, of) is None and (order is None or order in each.orders)
    ]
    return f"backends that can: {', '.join(able)}" if able else "no backend can"


class NetworkOperator(LinearOperator):  # type: ignore[misc]  # SciPy has no types
    """A linear operator of a network at a point, in the formulation of a backend.

    It supports what :class:`scipy.sparse.linalg.LinearOperator` does, such as ``A @ v``, ``A.T @ u`` and SciPy's
    solvers, and also sums with sparse and dense matrices, such as ``G + 1e-3 * eye_array(n)``. Real vectors are
    converted to the operator's dtype, since some of SciPy's methods send only float64.

    Parameters
    ----------
    net : Network
        The network, whose parameters must not change while the operator is used.
    linearization : Linearization
        The derivatives at the point.
    shape : (int, int)
        The operator's shape.
    dtype : dtype, optional
        That of its vectors; by default that of the network.

    Attributes
    ----------
    point : Point
        The parameters and the examples.
    backend : Backend
        The backend, with its options.
    """

    what: str = "operator"
    """What it is called in messages."""

    instead: str = "take products A @ v instead"
    """The remedy if the matrix is too large."""

    def __init__(
        self, net: Network, linearization: Linearization, shape: tuple[int, int], dtype: np.dtype[Any] | None = None
    ) -> None:
        self._net = net
        self.linearization = linearization
        super().__init__(dtype or net.dtype, shape)

    @property
    def point(self) -> Point:
        """The parameters and the examples."""
        return self.linearization.point

    @property
    def backend(self) -> Backend:
        """The backend, with its options."""
        return self.linearization.backend

    @property
    def kinks(self) -> int:
        """How many weighted inputs lie on a kink, such as relu's 0.

        There the derivative is the left one; ``finite_difference`` sees both sides, and by default returns their mean.
        """
        return self.point.kinks

    def __matmul__(self, other: Any) -> Any:
        # SciPy's own dispatch between vectors, matrices and operators takes longer than a small layer.
        if type(other) is np.ndarray and other.ndim == 1:
            return self.matvec(other)
        return super().__matmul__(other)

    def dot(self, x: Any) -> Any:
        """Return the product with a vector, a matrix, another operator or a number; see :meth:`matvec`."""
        return self.matvec(x) if _no_matrix(x) else super().dot(x)

    def _rdot(self, x: Any) -> Any:
        return self.rmatvec(x) if _no_matrix(x) else super()._rdot(x)

    def __add__(self, x: Any) -> Any:
        if issparse(x) or (isinstance(x, np.ndarray) and x.ndim == 2):
            x = aslinearoperator(x)
        return super().__add__(x)

    __radd__ = __add__

    def _adjoint(self) -> NetworkOperator:
        return TransposedOperator(self)

    def _transpose(self) -> NetworkOperator:
        return self._adjoint()

    @quiet
    def matvec(self, x: Any) -> Array:
        """Return the product with a vector, shape (n,) or (n, 1).

        Raises
        ------
        WrongShape, WrongType, NotFinite
            If it cannot be multiplied.
        StalePlan
            If the network has changed.
        """
        return self._times(x, transposed=False, single=True)

    @quiet
    def rmatvec(self, x: Any) -> Array:
        """Return the product of the transpose with a vector; see :meth:`matvec`."""
        return self._times(x, transposed=True, single=True)

    @quiet
    def matmat(self, X: Any) -> Array:
        """Return the product with a matrix, shape (n, k); see :meth:`matvec`."""
        return self._times(X, transposed=False, single=False)

    @quiet
    def rmatmat(self, X: Any) -> Array:
        """Return the product of the transpose with a matrix, shape (n, k); see :meth:`matvec`."""
        return self._times(X, transposed=True, single=False)

    @quiet
    def to_dense(self) -> Array:
        """Return the matrix itself, from its products with all unit vectors.

        Raises
        ------
        Refused
            If it exceeds the memory of :func:`formulations.use_budget`.
        StalePlan
            If the network has changed.
        NotFinite
            If a derivative exceeds the range of the dtype.
        """
        self.check_dense()
        self.check_fresh()
        rows, columns = self.shape
        transposed = rows < columns
        n = min(rows, columns)
        found = np.empty((n, max(rows, columns)), self.dtype)
        for start in range(0, n, UNITS):
            units = np.eye(min(UNITS, n - start), n, start, self.dtype)
            found[start : start + UNITS] = self.products(units, transposed=transposed)
        self.check_result(found, "entries of")
        return found if transposed else found.T

    def products(self, directions: Array, *, transposed: bool) -> Array:
        """Return the products with k directions, shape (k, n), a row each."""
        raise NotImplementedError

    def _times(self, x: Any, *, transposed: bool, single: bool) -> Array:
        n = self.shape[not transposed]
        name = "v" if single else "V"
        array = as_real(x, name, self.dtype)
        columns = array[:, None] if single and array.ndim == 1 else array
        if columns.ndim != 2 or len(columns) != n or (single and columns.shape[1] != 1):
            wanted = f"({n},)" if single else f"({n}, k)"
            raise WrongShape(
                f"{name} must have shape {wanted} for {self!r}, got {np.shape(x)}; "
                f"pass one number for each {'row' if transposed else 'column'} of the operator."
            )
        check_finite(array, name)
        self.check_fresh()
        if not columns.shape[1]:
            return np.empty((self.shape[transposed], 0), self.dtype)
        product = self.products(np.ascontiguousarray(columns.T), transposed=transposed)
        self.check_result(product, "product with")
        return product[0].reshape((-1, *array.shape[1:])) if single else product.T

    def check_fresh(self) -> None:
        """Raise an exception if the network's parameters have changed.

        Raises
        ------
        StalePlan
            If they have.
        """
        if not (self._net.vector == self.point.network.vector).all():
            raise StalePlan(
                f"the network must keep its parameters while its {self.what} is used, and they have changed; "
                "make another at the new parameters."
            )

    def check_dense(self, copies: int = 1) -> None:
        """Raise an exception if the matrix, or so many of its size at once, exceed the budget.

        Raises
        ------
        Refused
            If they do.
        """
        rows, columns = self.shape
        self.check_memory(f"{rows} × {columns} numbers of the {self.what}", copies * rows * columns, self.instead)

    def check_memory(self, what: str, count: int, remedy: str) -> None:
        """Raise an exception if so many numbers exceed the budget.

        Raises
        ------
        Refused
            If they do.
        """
        wanted, allowed = count * self.dtype.itemsize, current_budget().memory
        if wanted > allowed:
            raise Refused(
                f"{what} must fit the budget of {format_bytes(allowed)}, and take {format_bytes(wanted)}; {remedy}, or "
                "allow it with formulations.use_budget(memory=...)."
            )

    def check_result(self, result: Array, what: str) -> None:
        """Raise an exception if a result has NaN or infinity; ``what`` it is, such as ``"product with"``.

        Raises
        ------
        NotFinite
            If it has.
        """
        # As in check_finite, but with a remedy for what was computed.
        if not math.isfinite(np.vdot(result, result)) and not np.isfinite(result).all():
            raise NotFinite(
                f"the {what} the {self.what} must be finite, got NaN or infinity: weights, inputs, targets or the "
                f"vector drive a derivative beyond {format_dtype(self._net.dtype)}; scale them down, or take a wider "
                "dtype by network.astype."
            )

    # SciPy's solvers and its products of operators call these.

    def _matvec(self, x: Any) -> Array:
        return self.matvec(x)

    def _rmatvec(self, x: Any) -> Array:
        return self.rmatvec(x)

    def _matmat(self, X: Any) -> Array:
        return self.matmat(X)

    def _rmatmat(self, X: Any) -> Array:
        return self.rmatmat(X)

    def __repr__(self) -> str:
        rows, columns = self.shape
        kinks = f", {counted(self.kinks, 'weighted input')} on a kink" if self.kinks else ""
        examples = counted(self.point.m, "example")
        return f"<{self.what} ({rows} × {columns}) by {self.backend.label} at {examples}{kinks}>"


def _no_matrix(x: Any) -> bool:
    # A gradient or a network in place of its vector would get SciPy's message, which has no remedy.
    return x is None or hasattr(x, "vector") or np.ndim(x) > 2


class TransposedOperator(NetworkOperator):
    """The transpose of an operator, with the same checks.

    Parameters
    ----------
    operator : NetworkOperator
        The operator, which ``.T`` returns again.
    """

    def __init__(self, operator: NetworkOperator) -> None:
        self._operator = operator
        self.what = f"transposed {operator.what}"
        super().__init__(operator._net, operator.linearization, operator.shape[::-1], operator.dtype)

    def products(self, directions: Array, *, transposed: bool) -> Array:
        """Return the products of the transpose with every row."""
        return self._operator.products(directions, transposed=not transposed)

    def to_dense(self) -> Array:
        """Return the matrix itself; see :meth:`NetworkOperator.to_dense`."""
        return self._operator.to_dense().T

    def _adjoint(self) -> NetworkOperator:
        return self._operator
