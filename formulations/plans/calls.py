"""The functions ``gradient``, ``prepare`` and ``which``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, overload

from formulations.arrays import Array, Budget, as_bytes, current_budget, positive_integer, quiet
from formulations.backends import DEFAULT, Backend, BackendLike, Tier, chosen_backend, get_backend, list_backends
from formulations.exceptions import InvalidInput, Refused, WrongType, described
from formulations.functions import COSTS, Cost, get_cost
from formulations.network import Batch, Gradient, Network, check_gradient, check_network, forward
from formulations.plans.admission import seconds_for, unreasonable
from formulations.plans.chunks import ChunkedPlan, bytes_for, chunk_size
from formulations.plans.evaluator import placed
from formulations.plans.plan import Plan
from formulations.plans.source import Described, Source, as_source
from formulations.plans.spare import Call, is_small, leave_spare, shadow, take_spare

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = [
    "are_sources",
    "check_alone",
    "check_without_sources",
    "errors_by_chunk",
    "gradient",
    "gradient_of_batch",
    "prepare",
    "read_sources",
    "which",
]


@quiet
def gradient(
    net: Network,
    X: Any,
    Y: Any = None,
    cost: str | Cost = "quadratic",
    backend: BackendLike = None,
    sample_weight: Any = None,
    *,
    executor: Executor | None = None,
    progress: bool | Callable[..., object] | None = None,
) -> Gradient:
    """Compute the gradient of a network's cost with respect to all weights and biases.

    Parameters
    ----------
    net : Network
        The network; it is not changed.
    X : array_like of shape (m, n₁), or iterable of source
        One example a row. Or sources, as :meth:`formulations.ChunkedPlan.over` takes them, which hold inputs, targets
        and weights: then they are taken chunk by chunk, and the result has no ``errors``.
    Y : array_like of shape (m, n_L)
        The targets; left out with sources.
    cost : str or Cost
        ``"quadratic"``, ``"binary_cross_entropy"``, ``"log_likelihood"``, or a cost made by :func:`formulations.cost`.
    backend : str, Backend or None
        The formulation; see :func:`formulations.get_backend`.
    sample_weight : array_like of shape (m,), optional
        Weights of the examples in the mean, as in scikit-learn; 0 excludes an example, even one with an infinite cost.
    executor, progress
        As in :meth:`formulations.ChunkedPlan.over`, for sources.

    Returns
    -------
    Gradient
        ``weights[l-2]`` is ∂C/∂w^l, ``biases[l-2]`` is ∂C/∂b^l, ``errors[l-2]`` is δ^l, ``cost`` is C.

    Raises
    ------
    WrongShape, WrongType, NotFinite, InvalidInput
        If the data cannot be used.
    UnknownName
        If no backend or cost has this name.
    Refused
        If the backend cannot serve this network.
    WorkersLost, MissingExtra
        For sources, as :meth:`formulations.ChunkedPlan.over`.

    Notes
    -----
    A small network keeps its plan for the next call with the same number of examples, cost, backend and budget. The
    result has its own memory.

    Examples
    --------
    >>> net = Network(weights=[[[2.0]]], biases=[[1.0]], activations="identity")
    >>> g = gradient(net, [[3.0]], [[5.0]])  # C = ½(2·3 + 1 − 5)²
    >>> g.cost, g.weights[0], g.biases[0]
    (np.float64(2.0), array([[6.]]), array([2.]))
    """
    check_network(net)
    if Y is None and are_sources(X):
        check_alone(sample_weight)
        return prepare(net, "auto", cost, backend).over(X, executor, progress)
    check_without_sources(X, executor, progress)
    batch = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight)
    return gradient_of_batch(net, batch, backend)


def are_sources(given: Any) -> bool:
    """Whether a user passed sources where examples could be: described, callables, or tuples that are no numbers."""
    if isinstance(given, Iterator | Source):
        return True
    if isinstance(given, str | bytes) or hasattr(given, "shape") or not isinstance(given, Iterable):
        return False
    first = next(iter(given), None)
    if isinstance(first, tuple | list):
        return not (first and isinstance(first[0], Real))
    return isinstance(first, Source) or callable(first)


def check_alone(sample_weight: Any) -> None:
    """Raise an exception if weights were passed beside sources."""
    if sample_weight is not None:
        raise InvalidInput(
            "sample_weight must be part of the sources, got it beside them; pass (X, Y, sample_weight) as a source."
        )


def check_without_sources(X: Any, executor: Any, progress: Any) -> None:
    """Raise an exception if X holds sources, or came with an argument that only sources use."""
    if not hasattr(X, "shape") and (are_sources(X) or callable(X) or isinstance(X, str | os.PathLike)):
        raise WrongType(
            f"X and Y must be arrays, got {described(X)} as X; pass sources alone, without Y, as a list, and describe "
            "files by formulations.sources(X, Y)."
        )
    for name, given in (("executor", executor), ("progress", progress)):
        if given is not None:
            raise InvalidInput(
                f"{name} must be left out with X and Y in memory, which are computed at once, got {described(given)}; "
                "describe the data with formulations.sources(X, Y), and pass that instead of X."
            )


def read_sources(net: Network, given: Any) -> list[Described]:
    """Return sources that can be evaluated again and again, with files described as they are now.

    Raises
    ------
    WrongType
        If they can be read only once, or one is no source.
    InvalidInput, WrongShape
        If there is none, or one does not fit the network; the message begins with its number.
    """
    if isinstance(given, Iterator):
        raise WrongType(
            f"sources must be a list, since they are read again and again, got {type(given).__name__}; pass "
            "list(sources)."
        )
    if isinstance(given, Source):
        raise WrongType(f"sources must be a list, got {given!r}; pass [source].")
    found = []
    for number, each in enumerate(given):
        with placed(f"in source {number}, "):
            found.append(as_source(each, net.sizes))
    return found


def gradient_of_batch(net: Network, batch: Batch, backend: BackendLike = None) -> Gradient:
    """Compute the gradient over checked examples; see :func:`gradient`."""
    X, Y, shares, cost = batch.counted()
    call = Call(len(X), cost, chosen_backend(backend), current_budget())
    plan = take_spare(net, call)
    small = plan is not None
    if plan is None:
        plan = prepare(shadow(net), call.m, cost, call.backend)
        small = is_small(plan)
    net.check_entries()
    result = plan.evaluate(X, Y, shares)
    check_gradient(result)
    if small:
        # Before the plan is put back, since another thread may take it at once; and without references to the
        # examples, which may be a file or most of the memory.
        plan.give_away(result)
        leave_spare(net, call, plan)
    return result


def errors_by_chunk(
    net: Network, batch: Batch, shares: Array, backend: BackendLike = None, *, whole: bool = False
) -> Iterator[tuple[slice, Plan, Sequence[Array]]]:
    """Yield δ of checked examples without the sums (BP3) and (BP4), in chunks that fit the budget.

    Parameters
    ----------
    net : Network
        The network.
    batch : Batch
        The examples.
    shares : ndarray of shape (m, 1)
        The factors of the examples' costs, which δ contains; they need not add up to 1.
    backend : str, Backend or None
        The formulation that computes δ.
    whole : bool
        Whether to take all examples at once.

    Yields
    ------
    rows : slice
        The examples of the chunk.
    plan : Plan
        Its backend, and its tape with the activations of the chunk.
    errors : sequence of ndarray
        δ², …, δ^L in memory of the plan, which the next chunk overwrites.

    Raises
    ------
    Refused
        If the backend cannot serve the network, exceeds the budget, or computes no δ.
    """
    X, Y, _, cost = batch
    m, budget, backend = len(X), current_budget(), chosen_backend(backend)
    call = Call(m, cost, backend, budget)
    plan = take_spare(net, call)
    small = plan is not None
    if plan is None:
        size = m if whole else min(m, chunk_size(get_backend(backend), net, budget.memory))
        plan = prepare(shadow(net), size, cost, backend)
        small = size == m and is_small(plan)
    net.check_entries()
    size = plan.batch_size
    for start in range(0, m, size):
        rows = slice(start, min(start + size, m))
        if rows.stop - start < size:
            plan = prepare(shadow(net), rows.stop - start, cost, backend)
        yield rows, plan, _errors(plan, X[rows], Y[rows], shares[rows])
    if small:
        plan.tape.load(plan.tape.X[:0].copy(), None)
        leave_spare(net, call, plan)


def _errors(plan: Plan, X: Array, Y: Array, shares: Array) -> Sequence[Array]:
    """Return δ of as many examples as the plan is prepared for, and leave their activations on its tape."""
    backend, network, tape = plan.backend, plan.network, plan.tape
    if type(backend).gradient is Backend.gradient:
        tape.load(X, Y, shares)
        forward(network, tape)
        return backend.errors(network, tape)
    errors = plan.evaluate(X, Y, shares).errors
    if errors is None:
        raise Refused(
            f"the errors δ are needed, and backend {backend.label!r} computes a gradient without them; take one that "
            f"computes them, such as {DEFAULT!r}."
        )
    if backend.tier not in (Tier.RECURRENCE, Tier.PRODUCT):
        # The others may leave nothing on the tape.
        forward(network, tape)
    return errors


@overload
def prepare(
    net: Network, batch_size: Literal["auto"], cost: str | Cost = ..., backend: BackendLike = ..., *, memory: Any = ...
) -> ChunkedPlan: ...
@overload
def prepare(
    net: Network, batch_size: int, cost: str | Cost = ..., backend: BackendLike = ..., *, memory: None = ...
) -> Plan: ...
@quiet
def prepare(
    net: Network,
    batch_size: int | Literal["auto"],
    cost: str | Cost = "quadratic",
    backend: BackendLike = None,
    *,
    memory: float | str | None = None,
) -> Plan | ChunkedPlan:
    """Prepare a backend for many gradients of one network, or for gradients over batches larger than memory.

    Parameters
    ----------
    net : Network
        Its parameters are read at each call.
    batch_size : int or "auto"
        The largest number of examples in a call; with ``"auto"`` any number, chunk by chunk.
    cost : str or Cost
        As in :func:`gradient`.
    backend : str, Backend or None
        As in :func:`gradient`.
    memory : int, float or str, optional
        With ``"auto"``, the memory for a chunk beyond the parameters and the data themselves: bytes, or text such as
        ``"512MB"`` or ``"1.5GiB"``. By default that of the budget of :func:`formulations.use_budget`.

    Returns
    -------
    Plan or ChunkedPlan
        ``plan(X, Y, sample_weight=None)`` returns a Gradient in the plan's memory; a ChunkedPlan, returned for
        ``"auto"``, also has ``plan.over(sources, executor)``.

    Raises
    ------
    Refused
        If the backend cannot serve this network (the message names those that can), or if it would exceed the
        budget of :func:`formulations.use_budget`, or ``memory`` with one example.
    InvalidInput
        If ``batch_size`` or ``memory`` is out of range, or ``memory`` is given with a number of examples.
    WrongType
        If ``batch_size`` is neither an integer nor ``"auto"``.

    Examples
    --------
    >>> import numpy as np
    >>> net = Network.random([2, 3, 1], seed=0)
    >>> plan = prepare(net, 4, backend="sigma")
    >>> plan([[0.0, 1.0]], [[1.0]]).weights[0].shape
    (3, 2)
    >>> plan = prepare(net, "auto", memory="512MB")
    >>> plan(np.zeros((10**5, 2)), np.zeros((10**5, 1))).errors is None
    True
    """
    check_network(net)
    chunked = isinstance(batch_size, str) and batch_size == "auto"
    if isinstance(batch_size, str) and not chunked:
        raise WrongType(
            f"batch_size must be a positive integer or 'auto', got {described(batch_size)}; "
            "pass a number such as 10, or 'auto'."
        )
    if not chunked:
        batch_size = positive_integer(batch_size, "batch_size")
        if memory is not None:
            raise InvalidInput(
                f"memory goes with batch_size='auto', which chooses the size by it, got batch_size={batch_size}; leave "
                "one of them out, or limit both with formulations.use_budget(memory=...)."
            )
    cost, backend = get_cost(cost), get_backend(backend)
    cost.check_outputs(net.sizes[-1])
    if reason := backend.why_not(net, cost):
        able = [name for name, other in which(net, cost).items() if other is None]
        what = f"{'the default ' * (backend.label == DEFAULT)}backend {backend.label!r}"
        other_cost = any(backend.why_not(net, each) is None for each in COSTS.values())
        raise Refused(
            f"{what} cannot serve {net!r}{f' with the {cost.name} cost' * other_cost}: {reason}; "
            f"backends that can: {', '.join(able)}."
        )
    budget = current_budget()
    if isinstance(batch_size, str):
        allowed = budget.memory if memory is None else as_bytes(memory, "memory")
        return ChunkedPlan(net, cost, backend, Budget(budget.seconds, allowed))
    if reason := unreasonable(backend, net, batch_size, budget):
        raise Refused(
            f"backend {backend.label!r} is refused: {reason}; take fewer examples, a smaller network or another "
            f"backend,{_in_chunks(backend, net, batch_size, budget)} or allow it with "
            "formulations.use_budget(seconds=..., memory=...)."
        )
    return Plan(net, batch_size, cost, backend)


def _in_chunks(backend: Backend, net: Network, m: int, budget: Budget) -> str:
    """Return the remedy for a batch that exceeds only the memory: chunks that fit."""
    estimate = backend.estimate(net, m)
    too_long = seconds_for(estimate) > budget.seconds
    if too_long or estimate.bytes <= budget.memory or bytes_for(backend, net, 1) > budget.memory:
        return ""
    return " let formulations.prepare(net, 'auto') take them chunk by chunk,"


@quiet
def which(net: Network, cost: str | Cost = "quadratic", batch_size: int | None = None) -> dict[str, str | None]:
    """Return which backends can serve a network.

    Parameters
    ----------
    net : Network
        The network.
    cost : str or Cost
        As in :func:`gradient`.
    batch_size : int, optional
        Examples in a mini-batch: with it, a backend that would exceed the budget says so too.

    Returns
    -------
    dict of str to (str or None)
        For each backend None, or the reason why it cannot.

    Examples
    --------
    >>> which(Network.random([2, 3, 1], seed=0))["linear"]
    'it needs the activation identity in every layer, and layer 2 has sigmoid'
    """
    check_network(net)
    if batch_size is not None:
        batch_size = positive_integer(batch_size, "batch_size")
    cost, budget = get_cost(cost), current_budget()
    cost.check_outputs(net.sizes[-1])
    found = {}
    for name in list_backends():
        backend = get_backend(name)
        found[name] = backend.why_not(net, cost)
        if found[name] is None and batch_size is not None:
            found[name] = unreasonable(backend, net, batch_size, budget)
    return found
