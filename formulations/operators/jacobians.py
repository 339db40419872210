"""Jacobians between layers, per example, as arrays."""

from __future__ import annotations

from collections.abc import Callable
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
from formulations.backends import PARAMETERS, Backend, BackendLike, JacobianFactors
from formulations.display import counted, format_table
from formulations.exceptions import InvalidInput, Refused, StalePlan, UnknownName, described
from formulations.functions import get_cost
from formulations.network import Batch, Network, Point, Tape, check_network, check_parameters, forward
from formulations.operators.network_operator import others, provider
from formulations.plans import Claimed

__all__ = ["JacobianPlan", "checked_layers", "jacobian", "prepare_jacobian"]

ORDERS = ("optimal", "reverse", "forward")


@quiet
def jacobian(
    net: Network,
    X: Any,
    of: int | None = None,
    wrt: int = 1,
    order: Literal["optimal", "reverse", "forward"] = "optimal",
    backend: BackendLike = None,
) -> Array:
    """Compute the Jacobian matrix ∂a^of/∂a^wrt of every example: (35) transposed, without ∇_aC.

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
    check_parameters(net)
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
            In the plan's own memory; a transposed view in the order ``"forward"``.

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
        """The multiplications for one example, including those by σ′; None if the backend prepares none."""
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
