"""Jacobians between layers, per example, as arrays and as operators."""

from __future__ import annotations

from typing import Any, Literal

from formulations.arrays import Array, quiet
from formulations.backends import PARAMETERS, BackendLike, Linearization, Where
from formulations.exceptions import InvalidInput
from formulations.functions import Cost
from formulations.network import Network, check_network
from formulations.operators.linear import NetworkOperator, linearized

__all__ = ["JacobianOperator", "input_gradient", "jacobian", "jacobian_operator"]


@quiet
def jacobian(
    net: Network,
    X: Any,
    of: int | None = None,
    wrt: int = 1,
    order: Literal["optimal", "reverse", "forward"] = "optimal",
    backend: BackendLike = None,
) -> Array:
    """Compute the Jacobian matrix ∂a^of/∂a^wrt of every example.

    Parameters
    ----------
    net : Network
        The network.
    X : array_like of shape (m, n₁)
        One example a row.
    of, wrt : int
        The layers, counted from 1 for the input; by default the output and the input.
    order : {"optimal", "reverse", "forward"}
        The order of the multiplications: the cheapest, from the output, or from the input.
    backend : str, Backend or None
        The formulation; see :func:`formulations.get_backend`.

    Returns
    -------
    ndarray of shape (m, n_of, n_wrt)

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used, or a layer does not exist.
    Refused
        If the backend provides no Jacobian of this network.

    Examples
    --------
    >>> net = Network(weights=[[[3.0, 1.0]], [[2.0]]], biases=[[0.0], [0.0]], activations="identity")
    >>> jacobian(net, [[1.0, 1.0]])
    array([[[6., 2.]]])
    """
    check_network(net)
    of = checked_layers(net, of, wrt)
    return linearized(net, X, backend=backend, of=of).jacobian(of, wrt, order)


@quiet
def jacobian_operator(
    net: Network, X: Any, of: int | None = None, wrt: Where = 1, backend: BackendLike = None
) -> JacobianOperator:
    """Return the Jacobian of all examples as a linear operator, without forming it.

    Parameters
    ----------
    net, X, of, backend
        As in :func:`jacobian`.
    wrt : int or "parameters"
        A layer, or all weights and biases.

    Returns
    -------
    JacobianOperator
        Shape (m·n_of, m·n_wrt), block-diagonal over the examples; or (m·n_of, P) for all P parameters.

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used, or a layer does not exist.
    Refused
        If the backend provides no Jacobian of this network.
    """
    check_network(net)
    of = checked_layers(net, of, 1 if wrt == PARAMETERS else wrt)
    return JacobianOperator(net, linearized(net, X, backend=backend, of=of), of, wrt)


@quiet
def input_gradient(
    net: Network,
    X: Any,
    Y: Any,
    cost: str | Cost = "quadratic",
    backend: BackendLike = None,
    sample_weight: Any = None,
) -> Array:
    """Compute ∂C/∂x of the mean cost for every example, shape (m, n₁).

    Parameters
    ----------
    net, X, Y, cost, backend, sample_weight
        As in :func:`formulations.gradient`.

    Returns
    -------
    ndarray of shape (m, n₁)

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used.
    """
    found = linearized(net, X, Y, cost, backend, sample_weight, operator="input_gradient")
    point = found.point
    cotangent = point.tape.cost_gradient if point.split == "a" else point.errors[-1]
    pulled: Array = found.pull(cotangent[None], net.layout.last, 1, at=point.split)[0]
    return pulled


class JacobianOperator(NetworkOperator):
    """The Jacobian of all examples, block-diagonal; see :func:`jacobian_operator`."""

    what = "Jacobian"

    def __init__(self, net: Network, linearization: Linearization, of: int, wrt: Where) -> None:
        m, sizes = linearization.point.m, net.sizes
        self.of = of
        self.wrt = wrt
        super().__init__(
            net, linearization, (m * sizes[of - 1], net.layout.count if wrt == PARAMETERS else m * sizes[wrt - 1])
        )

    def products(self, directions: Array, *, transposed: bool) -> Array:
        """Return Jv, or Jᵀu if transposed, of every row."""
        k, m = len(directions), self.point.m
        if transposed:
            return self.linearization.pull(directions.reshape(k, m, -1), self.of, self.wrt).reshape(k, -1)
        shaped = directions if self.wrt == PARAMETERS else directions.reshape(k, m, -1)
        return self.linearization.push(shaped, self.of, self.wrt).reshape(k, -1)


def checked_layers(net: Network, of: int | None, wrt: int) -> int:
    """Return ``of``, by default L; raise an exception unless 1 ≤ wrt < of ≤ L."""
    last = net.layout.last
    of = last if of is None else of
    for name, layer in (("of", of), ("wrt", wrt)):
        if isinstance(layer, bool) or not isinstance(layer, int):
            raise InvalidInput(f"{name} must be a layer from 1 (the input) to {last} (the output), got {layer!r}.")
    if not 1 <= wrt < of <= last:
        raise InvalidInput(
            f"a Jacobian needs layers 1 ≤ wrt < of ≤ {last}, got of={of}, wrt={wrt}; layer 1 is the input and {last} "
            "the output."
        )
    return of
