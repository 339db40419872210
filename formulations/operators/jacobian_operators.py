"""The Jacobian of all examples as a linear operator, its tangent kernel, and the input gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from formulations.arrays import Array, check_finite, quiet
from formulations.backends import PARAMETERS, BackendLike, Linearization, Where, khatri_rao
from formulations.exceptions import InvalidInput
from formulations.functions import Cost, through
from formulations.network import Network, check_network
from formulations.operators.jacobians import checked_layers
from formulations.operators.network_operator import NetworkOperator, linearized

__all__ = ["JacobianOperator", "TangentKernel", "input_gradient", "jacobian_operator"]

BLOCK = 2**18
"""The numbers of one layer in a block of directions: they fit the cache, and memory does not grow with the block."""


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
    WrongShape, WrongType, NotFinite
        If the data cannot be used.
    InvalidInput
        If a layer does not exist, or ``wrt`` is a string other than ``"parameters"``.
    UnknownName
        If no backend has this name.
    Refused
        If the backend provides no Jacobian of this network, or a product is estimated to exceed the budget of
        :func:`formulations.use_budget`.

    Examples
    --------
    >>> net = Network(weights=[[[2.0]]], biases=[[1.0]], activations="square")
    >>> J = jacobian_operator(net, [[3.0], [1.0]], wrt="parameters")  # z = 7 and 3; ∂a/∂w = 2zx, ∂a/∂b = 2z
    >>> J.to_dense()
    array([[42., 14.],
           [ 6.,  6.]])
    >>> J @ [1.0, 0.0]
    array([42.,  6.])
    """
    check_network(net)
    if isinstance(wrt, str) and wrt != PARAMETERS:
        raise InvalidInput(
            f'wrt must be a layer from 1 (the input) on, or "parameters", got {wrt!r}; pass "parameters" for all '
            "weights and biases."
        )
    of, lowest = checked_layers(net, of, 1 if wrt == PARAMETERS else wrt)
    where: Where = PARAMETERS if wrt == PARAMETERS else lowest
    return JacobianOperator(net, linearized(net, X, backend=backend, of=of, wrt=where), of, where)


@quiet
def input_gradient(
    net: Network,
    X: Any,
    Y: Any,
    cost: str | Cost = "quadratic",
    backend: BackendLike = None,
    sample_weight: Any = None,
) -> Array:
    """Compute ∂C/∂x = (w²)ᵀδ² of the mean cost for every example.

    Parameters
    ----------
    net, X, Y, cost, backend, sample_weight
        As in :func:`formulations.gradient`.

    Returns
    -------
    ndarray of shape (m, n₁)
        Each example's row is its share of C, 1/m by default, times the gradient of its own cost.

    Raises
    ------
    WrongShape, WrongType, InvalidInput
        If the data cannot be used.
    NotFinite
        If the data or the gradient hold NaN or infinity.
    UnknownName
        If no backend or cost has this name.
    Refused
        If the backend provides no Jacobian of this network, or it is estimated to exceed the budget of
        :func:`formulations.use_budget`.

    Examples
    --------
    >>> net = Network(weights=[[[2.0]]], biases=[[1.0]], activations="identity")
    >>> input_gradient(net, [[3.0]], [[5.0]])  # δ = 2·3 + 1 − 5, and wᵀδ
    array([[4.]])
    """
    found = linearized(net, X, Y, cost, backend, sample_weight, operator="input_gradient", wrt=1)
    point = found.point
    cotangent = point.tape.cost_gradient if point.output_at == "a" else point.tape.combined_output_error()
    assert cotangent is not None
    gradient: Array = found.pull(cotangent[None], net.layout.last, 1, at=point.output_at)[0]
    check_finite(gradient, "the gradient ∂C/∂x")
    return gradient


class JacobianOperator(NetworkOperator):
    """The Jacobian of all examples; see :func:`jacobian_operator`.

    Attributes
    ----------
    of : int
        The layer that is differentiated.
    wrt : int or "parameters"
        The layer, or all parameters.
    """

    what = "Jacobian"

    def __init__(self, net: Network, linearization: Linearization, of: int, wrt: Where) -> None:
        m, sizes = linearization.point.m, net.sizes
        self.of = of
        self.wrt = wrt
        columns = net.layout.count if wrt == PARAMETERS else m * sizes[wrt - 1]
        super().__init__(net, linearization, (m * sizes[of - 1], columns))

    def products(self, directions: Array, *, transposed: bool) -> Array:
        """Return Jv, or Jᵀu if transposed, of every row."""
        m = self.point.m
        taken = directions if self.wrt == PARAMETERS and not transposed else directions.reshape(len(directions), m, -1)
        product = self.linearization.pull if transposed else self.linearization.push
        block = max(1, BLOCK // (m * max(self.point.network.sizes)))
        parts = [product(taken[i : i + block], self.of, self.wrt) for i in range(0, len(taken), block)]
        return np.concatenate([part.reshape(len(part), -1) for part in parts])

    @quiet
    def to_dense(self) -> Array:
        """Return the matrix itself; for a layer, it has zeros outside each example's block.

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
        m, n_of, net = self.point.m, self.point.network.sizes[self.of - 1], self.point.network
        dense = np.zeros(self.shape, self.dtype)
        if self.wrt != PARAMETERS:
            x = np.arange(m)
            dense.reshape(m, n_of, m, -1)[x, :, x] = self.linearization.jacobian(self.of, self.wrt)
            self.check_result(dense, "entries of")
            return dense
        for l, errors in self.errors():
            below = np.repeat(self.point.tape.activations[l - 2], n_of, axis=0)
            weights, biases = net.layout.slices[l - 2]
            khatri_rao(errors, below, net.layout.patterns[l - 2], dense[:, weights])
            dense[:, biases] = errors
        self.check_result(dense, "entries of")
        return dense

    @quiet
    def tangent_kernel(self) -> TangentKernel:
        """Return JJᵀ, the neural tangent kernel, as an operator of shape (m·n_of, m·n_of).

        Raises
        ------
        InvalidInput
            If the Jacobian is taken with respect to a layer.
        """
        if self.wrt != PARAMETERS:
            raise InvalidInput(
                f"the tangent kernel needs the Jacobian with respect to the parameters, got wrt={self.wrt}; make it "
                'with jacobian_operator(net, X, wrt="parameters").'
            )
        return TangentKernel(self._net, self)

    def errors(self) -> Iterator[tuple[int, Array]]:
        """Yield each layer l and ∂a^of/∂z^l of all examples, shape (m·n_of, n_l), from the layer ``of`` down to 2."""
        point, n = self.point, self.point.network.sizes[self.of - 1]
        pulled: Array = np.broadcast_to(np.eye(n, dtype=self.dtype)[:, None], (n, point.m, n))
        for l in range(self.of, 1, -1):
            errors = np.stack([through(point.slopes[l - 2], u) for u in pulled], axis=1)
            yield l, errors.reshape(point.m * n, -1)
            if l > 2:
                pulled = self.linearization.pull(pulled, l, l - 1)


class TangentKernel(NetworkOperator):
    r"""The neural tangent kernel JJᵀ, with J = ∂a/∂(w, b) over all examples.

    Neither J nor JJᵀ is formed for a product: it takes one product with Jᵀ and one with J. ``to_dense`` adds up, layer
    by layer, the products of inner products

    .. math::

        K_{(x,i),(y,j)} = \sum_l \left(\delta^l_{x,i} \cdot \delta^l_{y,j}\right)
            \left(a^{l-1}_x \cdot a^{l-1}_y + 1\right), \qquad \delta^l_{x,i} = \partial a_i(x) / \partial z^l,

    which needs no array of the size of J either. Jacot, Gabriel and Hongler, "Neural tangent kernel", NeurIPS 2018.

    Parameters
    ----------
    net : Network
        The network, whose parameters must not change while the operator is used.
    jacobian : JacobianOperator
        J, with respect to the parameters.
    """

    what = "tangent kernel"

    def __init__(self, net: Network, jacobian: JacobianOperator) -> None:
        self.jacobian = jacobian
        super().__init__(net, jacobian.linearization, (jacobian.shape[0],) * 2)

    def products(self, directions: Array, *, transposed: bool) -> Array:  # noqa: ARG002 - it is symmetric
        """Return JJᵀu of every row."""
        return self.jacobian.products(self.jacobian.products(directions, transposed=True), transposed=False)

    @quiet
    def to_dense(self) -> Array:
        """Return the kernel itself.

        Raises
        ------
        Refused
            If it, and two products of its shape, exceed the memory of :func:`formulations.use_budget`.
        StalePlan
            If the network has changed.
        NotFinite
            If a derivative exceeds the range of the dtype.
        """
        self.check_dense(copies=3)
        self.check_fresh()
        m, layout = self.point.m, self.point.network.layout
        n = self.shape[0] // m
        kernel = np.zeros(self.shape, self.dtype)
        for l, errors in self.jacobian.errors():
            below, pattern = self.point.tape.activations[l - 2], layout.patterns[l - 2]
            inner = errors @ errors.T
            if pattern is None:
                inner.reshape(m, n, m, n)[...] *= (below @ below.T + 1)[:, None, :, None]
            else:
                # Only some pairs of neurons have a weight, so the inner products do not factor.
                block = max(1, BLOCK // len(errors))
                repeated = np.repeat(below, n, axis=0)
                for start in range(0, pattern.indices.size, block):
                    part = slice(start, start + block)
                    rows = errors[:, pattern.rows[part]] * repeated[:, pattern.indices[part]]
                    inner += rows @ rows.T
            kernel += inner
        self.check_result(kernel, "entries of")
        return kernel

    def _adjoint(self) -> TangentKernel:
        return self
