"""Jacobians between layers, per example, as arrays and as operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import index
from typing import Any, Literal

import numpy as np

from formulations.arrays import (
    Array,
    as_examples,
    check_finite,
    current_budget,
    end_quiet,
    format_bytes,
    positive_integer,
    quiet,
)
from formulations.backends import (
    PARAMETERS,
    Backend,
    BackendLike,
    JacobianFactors,
    Linearization,
    Where,
    khatri_rao,
)
from formulations.display import counted, format_table
from formulations.exceptions import InvalidInput, Refused, StalePlan, UnknownName, described
from formulations.functions import Cost, get_cost, through
from formulations.network import Batch, Network, Point, Tape, check_network, forward
from formulations.operators.network_operator import NetworkOperator, linearized, others, provider
from formulations.plans import Claimed

__all__ = [
    "JacobianOperator",
    "JacobianPlan",
    "TangentKernel",
    "input_gradient",
    "jacobian",
    "jacobian_operator",
    "prepare_jacobian",
]

ORDERS = ("optimal", "reverse", "forward")

BLOCK = 2**18
"""The numbers of one layer in a block of directions: they fit the cache, and memory does not grow with the block."""


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
        The order in which the matrices of the layers are multiplied: with the fewest multiplications, from the output,
        or from the input.
    backend : str, Backend or None
        The formulation; see :func:`formulations.get_backend`.

    Returns
    -------
    ndarray of shape (m, n_of, n_wrt)

    Raises
    ------
    WrongShape, WrongType, InvalidInput
        If the data cannot be used, or a layer does not exist.
    NotFinite
        If the data or the Jacobian hold NaN or infinity.
    UnknownName
        If no order or backend has this name.
    Refused
        If the backend provides no Jacobian of this network, or not in this order; or if it would exceed the memory of
        :func:`formulations.use_budget`.

    Examples
    --------
    >>> net = Network(weights=[[[3.0, 1.0]], [[2.0]]], biases=[[0.0], [0.0]], activations="identity")
    >>> jacobian(net, [[1.0, 1.0]])
    array([[[6., 2.]]])
    """
    check_network(net)
    X = net.check_examples(X, targets=False).X
    plan = prepare_jacobian(net, len(X), of, wrt, order, backend)
    check_finite(net.vector, "the network's parameters")
    J = plan.evaluate(X)
    check_finite(J, "the Jacobian")
    return J


@quiet
def prepare_jacobian(
    net: Network,
    batch_size: int,
    of: int | None = None,
    wrt: int = 1,
    order: Literal["optimal", "reverse", "forward"] = "optimal",
    backend: BackendLike = None,
) -> JacobianPlan:
    """Prepare the Jacobians of many batches.

    Parameters
    ----------
    net : Network
        Its parameters are read at each call.
    batch_size : int
        The largest number of examples in a call.
    of, wrt, order, backend
        As in :func:`jacobian`.

    Returns
    -------
    JacobianPlan
        ``plan(X)`` returns the Jacobians in the plan's memory; ``print(plan)`` shows the brackets and their cost.

    Raises
    ------
    InvalidInput, WrongType
        If ``batch_size`` is not a positive integer, or a layer does not exist.
    UnknownName
        If no order or backend has this name.
    Refused
        As in :func:`jacobian`.

    Examples
    --------
    >>> plan = prepare_jacobian(Network.random([784, 256, 64, 16, 64, 256, 784], seed=0), 10)
    >>> print(plan)
    ∂a^7/∂a^1 of 784-256-64-16-64-256-784 by hadamard, up to 10 examples
    order    product               multiplications  over the fewest
    ───────  ────────────────────  ───────────────  ───────────────  ──────
    optimal  (J7(J6J5))((J4J3)J2)       16,805,120              1.0  chosen
    reverse  ((((J7J6)J5)J4)J3)J2      185,027,840             11.0
    forward  J7(J6(J5(J4(J3J2))))      185,558,528             11.0
    Jl = Σ′(z^l) w^l; the multiplications are those for one example.
    """
    check_network(net)
    batch_size = positive_integer(batch_size, "batch_size")
    of, wrt = checked_layers(net, of, wrt)
    if not isinstance(order, str) or order not in ORDERS:
        raise UnknownName("order", order, ORDERS)
    cost = get_cost("quadratic")
    chosen = provider(net, cost, backend, "jacobian", of)
    if order not in ("optimal", *chosen.orders):
        raise Refused(
            f"backend {chosen.label!r} cannot compute a Jacobian in the order {order!r}, only in the order "
            f"{' or '.join(map(repr, chosen.orders))}; pass order='optimal', or take another backend; "
            f"{others(net, cost, 'jacobian', of, order)}."
        )
    wanted = batch_size * net.sizes[of - 1] * net.sizes[wrt - 1] * net.dtype.itemsize
    if wanted > (allowed := current_budget().memory):
        raise Refused(
            f"the Jacobians of {counted(batch_size, 'example')} by {net.sizes[of - 1]} × {net.sizes[wrt - 1]} numbers "
            f"must fit the budget of {format_bytes(allowed)}, and take {format_bytes(wanted)}; take fewer examples at "
            "once, formulations.jacobian_operator, which does not form them, or allow it with "
            "formulations.use_budget(memory=...)."
        )
    return JacobianPlan(net, batch_size, of, wrt, order, chosen)


class JacobianPlan(Claimed):
    """Jacobians of one network, prepared by :func:`formulations.prepare_jacobian`.

    A call returns an array in the plan's own memory, which the next call overwrites: ``.copy()`` keeps it. The first
    call claims the plan for its thread; another thread needs its own, ``copy.copy(plan)``.

    Parameters
    ----------
    network : Network
        Its parameters are read at each call.
    batch_size : int
        The largest number of examples in a call; smaller batches use the same tape.
    of, wrt : int
        The layers.
    order : str
        ``"optimal"``, ``"reverse"`` or ``"forward"``.
    backend : Backend
        The formulation. If it prepares nothing, each call linearises the network anew.
    """

    @quiet
    def __init__(self, network: Network, batch_size: int, of: int, wrt: int, order: str, backend: Backend) -> None:
        self._owner = {}
        self.network = network
        self.batch_size = batch_size
        self.of = of
        self.wrt = wrt
        self.order = order
        self.backend = backend
        self._factors = JacobianFactors(network, of, wrt)
        self._tape = Tape(network, None, batch_size)
        self._product = backend.prepare_jacobian(self._tape, of, wrt, order)
        self._part = self._tape, self._product

    def __call__(self, X: Any) -> Array:
        """Compute the Jacobians of at most ``batch_size`` examples, shape (m, n_of, n_wrt).

        Shapes and dtypes are checked; for speed, finiteness is not.

        Parameters
        ----------
        X : array_like of shape (m, n₁)
            One example a row.

        Returns
        -------
        ndarray of shape (m, n_of, n_wrt)
            In memory of the plan. From the input, it is a transposed view.

        Raises
        ------
        WrongShape, WrongType
            If the data do not fit the network.
        StalePlan
            If the batch is larger than the plan.
        Refused
            If another thread has called the plan before, or the plan is called from within its own call.
        """
        token = self._begin()
        try:
            return self.evaluate(as_examples(X, "X", self.network.sizes[0], self.network.dtype))
        finally:
            end_quiet(token)
            self._busy = False

    def evaluate(self, X: Array) -> Array:
        """Compute the Jacobians of checked examples, without claiming the plan.

        Raises
        ------
        StalePlan
            If the batch is larger than the plan.
        """
        self.network.check_entries()
        if self._product is None:
            point = Point(self.network, Batch(X, None, None, get_cost("quadratic")))
            return self.backend.linearize(point).jacobian(self.of, self.wrt, self.order)
        tape, product = (self._tape, self._product) if len(X) == self.batch_size else self._smaller(len(X))
        tape.load(X, None)
        forward(self.network, tape)
        return product()

    @property
    def brackets(self) -> str | None:
        """The product of the factors J^l, with brackets as they are multiplied; None if the backend prepares none."""
        return None if self._product is None else self._factors.written(self._factors.tree(self.order))

    @property
    def multiplications(self) -> int | None:
        """The multiplications for one example, those by σ′ included; None if the backend prepares none."""
        return None if self._product is None else self._factors.multiplications(self._factors.tree(self.order))

    def _smaller(self, m: int) -> tuple[Tape, Callable[[], Array]]:
        if m > self.batch_size:
            raise StalePlan(
                f"this plan was prepared for at most {counted(self.batch_size, 'example')}, got {m}; prepare another "
                "with formulations.prepare_jacobian."
            )
        tape, product = self._part
        if tape.m != m or product is None:
            tape = self._tape.first(m)
            product = self.backend.prepare_jacobian(tape, self.of, self.wrt, self.order)
            self._part = tape, product
        assert product is not None
        return tape, product

    def __reduce__(self) -> Any:
        # A copy is prepared again, since the product refers to this plan's memory.
        return JacobianPlan, (self.network, self.batch_size, self.of, self.wrt, self.order, self.backend)

    def __str__(self) -> str:
        examples = counted(self.batch_size, "example")
        what = f"∂a^{self.of}/∂a^{self.wrt} of {self.network.layout} by {self.backend.label}, up to {examples}"
        if self._product is None:
            return f"{what}\nNothing is prepared: each call linearises the network anew."
        factors, fewest = self._factors, self._factors.multiplications(self._factors.tree("optimal"))
        rows = []
        for order in ORDERS:
            tree = factors.tree(order)
            count = factors.multiplications(tree)
            chosen = "chosen" if order == self.order else ""
            rows.append([order, factors.written(tree), f"{count:,}", f"{count / fewest:.1f}", chosen])
        table = format_table(["order", "product", "multiplications", "over the fewest", ""], rows, right=[2, 3])
        return f"{what}\n{table}\nJl = Σ′(z^l) w^l; the multiplications are those for one example."

    def __repr__(self) -> str:
        return (
            f"<JacobianPlan {self.backend.label} for ∂a^{self.of}/∂a^{self.wrt} of {self.network!r}, "
            f"order {self.order}, batch_size {self.batch_size}>"
        )


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
        If a layer does not exist, or ``wrt`` is another name than ``"parameters"``.
    Refused
        If the backend provides no Jacobian of this network.

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
    """Compute ∂C/∂x of the mean cost for every example.

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
    Refused
        If the backend provides no Jacobian of this network.

    Examples
    --------
    >>> net = Network(weights=[[[2.0]]], biases=[[1.0]], activations="identity")
    >>> input_gradient(net, [[3.0]], [[5.0]])  # δ = 2·3 + 1 − 5, and wᵀδ
    array([[4.]])
    """
    found = linearized(net, X, Y, cost, backend, sample_weight, operator="input_gradient", wrt=1)
    point = found.point
    cotangent = point.tape.cost_gradient if point.split == "a" else point.tape.combined_output_error()
    assert cotangent is not None
    gradient: Array = found.pull(cotangent[None], net.layout.last, 1, at=point.split)[0]
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
            If the Jacobian is not one with respect to the parameters.
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

    which needs no array of parameters either. Jacot, Gabriel and Hongler, "Neural tangent kernel", NeurIPS 2018.

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
            If it, and a product of its shape, exceed the memory of :func:`formulations.use_budget`.
        StalePlan
            If the network has changed.
        NotFinite
            If a derivative exceeds the range of the dtype.
        """
        self.check_dense(copies=2)
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
                # The stored weights are no product of all neurons with all neurons.
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


def checked_layers(net: Network, of: int | None, wrt: Any) -> tuple[int, int]:
    """Return ``of``, by default L, and ``wrt``.

    Raises
    ------
    InvalidInput
        Unless they are layers with 1 ≤ wrt < of ≤ L.
    """
    last = net.layout.last
    if isinstance(wrt, str) and wrt == PARAMETERS:
        raise InvalidInput(
            'wrt must be a layer here, got "parameters"; take formulations.jacobian_operator(net, X, '
            'wrt="parameters"), whose to_dense() is the matrix.'
        )
    layers = []
    for name, layer in (("of", last if of is None else of), ("wrt", wrt)):
        try:
            layers.append(index(layer))
        except TypeError:
            layers.append(0)
        if isinstance(layer, bool | np.bool_) or not 1 <= layers[-1] <= last:
            raise InvalidInput(
                f"{name} must be a layer of the network {net.layout}, from 1 (the input) to {last} (the output), got "
                f"{described(layer)}; pass its number."
            )
    if layers[0] <= layers[1]:
        raise InvalidInput(
            f"of must be a layer above wrt, got of={layers[0]} and wrt={layers[1]}; layer 1 is the input, and layer "
            f"{last} the output."
        )
    return layers[0], layers[1]
