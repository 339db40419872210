"""The same gradient or operator by several backends, judged against derived bounds, then timed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import replace
from time import perf_counter
from typing import Any, NamedTuple

from formulations.arrays import Array, Budget, current_budget, positive_integer, positive_number, quiet
from formulations.backends import DEFAULT, Backend, chosen_backends, get_backend, list_backends
from formulations.comparison.agreement import Agreement, agreement_of
from formulations.comparison.quantities import Compared, compared
from formulations.comparison.result import Comparison, Row, RowStatus
from formulations.comparison.threads import limited_threads
from formulations.comparison.timing import interleave
from formulations.display import Ratio
from formulations.exceptions import FormulationsException
from formulations.functions import Cost
from formulations.network import Network, check_network, check_parameters
from formulations.plans import in_order

__all__ = ["compare"]

SLOW = 1.0
"""Seconds from which one measurement is enough."""

SMALL = 10**7
"""Multiplications up to which one thread computes a product in about 1 ms, less than it costs to change pools."""

CONTROL = "the baseline again"
"""The label of the second measurement of the baseline, which shows the machine's noise; no backend has it."""

SKIPPED_FROM = 20.0
"""Seconds from which a gradient is skipped by default."""

LONGEST = Budget(seconds=SKIPPED_FROM, memory=math.inf)
"""The largest estimate for which a gradient is called a second time."""


@quiet
def compare(
    net: Network,
    X: Any,
    Y: Any,
    cost: str | Cost = "quadratic",
    backends: Iterable[str | Backend] | str | None = None,
    *,
    operator: str = "gradient",
    direction: Any = None,
    sample_weight: Any = None,
    budget: float | None = None,
    threads: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[str], object] | None = None,
) -> Comparison:
    """Compute one gradient by several backends, judge each against its derived bound, then time them.

    A backend whose gradient is different is not timed: the speed of a wrong gradient means nothing. The same table is
    made of Jacobians, and of products with the Hessian or the Gauss–Newton matrix.

    Parameters
    ----------
    net : Network
        The network.
    X, Y : array_like of shape (m, n₁) and (m, n_L)
        The examples.
    cost : str or Cost
        As in :func:`formulations.gradient`.
    backends : iterable of str or Backend, or "all", optional
        The backends to compare; by default all that are registered.
    operator : {"gradient", "jacobian", "hessian", "gauss_newton"}
        What is compared: the gradient; ∂a^L/∂x of every example; or the product of one direction with the Hessian or
        the Gauss–Newton matrix of the cost, in the parameters.
    direction : array_like of shape (P,), optional
        The direction of a product, in the order of ``net.vector``; by default random, from a fixed seed.
    sample_weight : array_like of shape (m,), optional
        Weights of the examples in the mean.
    budget : float, optional
        A backend that is estimated to need more than this many seconds for one gradient is skipped, with its estimate;
        ``math.inf`` skips none. By default 20 seconds, or less if :func:`formulations.use_budget` says so. For an
        operator this concerns formulations that go along every parameter.
    threads : int, optional
        Threads of BLAS, OpenMP and PyTorch. By default one if the products are small, since pools used in turn compete
        for the cores, or with an executor; otherwise unchanged. Processes of an executor compute with one if
        threadpoolctl is installed.
    executor : concurrent.futures.Executor, optional
        Computes and judges backends in parallel; rows and verdicts are the same. All are timed afterwards, in turn and
        in this process, which prepares each of them again. For processes, the backends, the cost and the activations
        must be ones that can be pickled and imported.
    progress : callable, optional
        Called with each backend's label before its result is awaited.

    Returns
    -------
    Comparison
        ``print(c)`` is a table; ``c.rows`` its rows; ``c.equal`` whether at least one gradient is equal and none
        is different.

    Raises
    ------
    InvalidInput, WrongShape, WrongType, NotFinite
        If the data cannot be used, or a parameter is NaN or infinite.
    UnknownName
        If a backend or an operator does not exist.
    Refused
        If the matrices of a user-defined coupled activation exceed the budget of :func:`formulations.use_budget`; or if
        the executor was shut down.
    WorkersLost
        If one of its workers has ended.
    MissingExtra
        If ``threads`` is given and threadpoolctl is not installed.

    Examples
    --------
    >>> net = Network.random([2, 3, 1], activations="identity", seed=0)
    >>> compare(net, [[0.0, 1.0]], [[1.0]], backends=["hadamard", "linear"]).equal
    True
    """
    check_network(net)
    chosen = _chosen(backends)
    batch = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight)
    # With others the reference is not finite, and nothing can be judged.
    check_parameters(net)
    limit = None if threads is None else positive_integer(threads, "threads")
    small = len(batch.X) * max(rows * columns for rows, columns in net.layout.shapes) <= SMALL
    if limit is None and (small or executor is not None):
        limit = 1
    run = _Trials(compared(operator, net, batch, sample_weight, direction), _budget(budget))
    with limited_threads(limit, needed=threads is not None) as before:
        run.judge(chosen, executor, progress)
        if progress is not None:
            progress("timing")
        # Backends may have loaded libraries with pools of their own.
        with limited_threads(limit, needed=threads is not None) as inside:
            run.time()
    # The load during the comparison is due to this process.
    found = replace(inside, load=before.load)
    rows = tuple(run.rows.values())
    return Comparison(
        run.what.title,
        rows,
        run.baseline or DEFAULT,
        run.agreement(),
        found,
        run.control,
        operator,
        run.what.kinks,
    )


def _chosen(backends: Any) -> list[Backend]:
    every = backends is None or (isinstance(backends, str) and backends == "all")
    return list(chosen_backends(list_backends() if every else backends).values())


def _budget(seconds: float | None) -> Budget:
    given = current_budget()
    if seconds is None:
        return replace(given, seconds=min(SKIPPED_FROM, given.seconds))
    return replace(given, seconds=positive_number(seconds, "budget", finite=False))


class _Trial(NamedTuple):
    """One backend, judged.

    Attributes
    ----------
    row : Row
        Its row, without the ratio of its time.
    vector, bound : ndarray of shape (n,), or None
        Its result and the largest difference of a right one; None if it has no result.
    """

    row: Row
    vector: Array | None = None
    bound: Array | None = None


def _judged(what: Compared, backend: Backend, budget: Budget) -> tuple[_Trial, Callable[[], Any] | None]:
    """Return a backend's trial, and its call unless there is a reason not to time it."""
    row = Row(backend.label, what.equations(backend), RowStatus.REFUSED)
    if reason := what.why_not(backend):
        return _Trial(replace(row, reason=reason)), None
    if reason := what.too_expensive(backend, budget):
        return _Trial(replace(row, status=RowStatus.SKIPPED, reason=f"{reason}; compare it with budget=math.inf")), None
    try:
        call = what.prepare(backend, budget)
        result, seconds = _measured(what, backend, call)
        found = what.judge(backend, call, result)
    except FormulationsException as caught:
        return _Trial(replace(row, reason=str(caught))), None
    except Exception as caught:  # another package's backend must not cost the user the other rows
        return _Trial(replace(row, status=RowStatus.FAILED, reason=f"{type(caught).__name__}: {caught}")), None
    verdict = found.verdict
    status = RowStatus(verdict.status)
    timed = status is not RowStatus.DIFFERENT
    row = replace(
        row,
        status=status,
        difference=verdict.difference,
        bound=verdict.rule,
        ratio=verdict.ratio,
        seconds=seconds if timed else None,
        forward_passes=found.forward_passes,
        reason=verdict.reason,
    )
    return _Trial(row, found.vector, found.bound), call if timed else None


def _judged_elsewhere(what: Compared, backend: Backend, budget: Budget) -> _Trial:
    """Return a backend's trial; its call stays with the thread that made it."""
    return _judged(what, backend, budget)[0]


def _measured(what: Compared, backend: Backend, call: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of a call and its seconds; those of a second call if it is slow but not hopeless."""
    start = perf_counter()
    result = call()
    seconds = perf_counter() - start
    if seconds >= SLOW and what.too_expensive(backend, LONGEST) is None:
        # The first call may have compiled something.
        start = perf_counter()
        result = call()
        seconds = perf_counter() - start
    return result, seconds


class _Trials:
    """The rows of the backends on one mini-batch."""

    def __init__(self, what: Compared, budget: Budget) -> None:
        self.what = what
        self.budget = budget
        self.rows: dict[str, Row] = {}
        self.baseline: str | None = None
        self.control: Ratio | None = None
        self._backends: dict[str, Backend] = {}
        self._calls: dict[str, Callable[[], Any]] = {}
        self._found: dict[str, tuple[Array, Array]] = {}

    def judge(
        self, backends: Sequence[Backend], executor: Executor | None, progress: Callable[[str], object] | None
    ) -> None:
        """Add the rows of backends, without their times."""
        cases = ((self.what, backend, self.budget) for backend in backends)
        one: Callable[..., Any] = _judged if executor is None else _judged_elsewhere
        sent = {"the network with its cost": self.what, **{f"backend {each.label!r}": each for each in backends}}
        with closing(in_order(one, cases, executor, sent)) as judged:
            for backend in backends:
                if progress is not None:
                    progress(backend.label)
                found = next(judged)
                trial, call = found if executor is None else (found, None)
                self._add(backend, trial, call)

    def _add(self, backend: Backend, trial: _Trial, call: Callable[[], Any] | None) -> None:
        label = trial.row.backend
        self.rows[label] = trial.row
        if trial.vector is not None and trial.bound is not None:
            self._found[label] = trial.vector, trial.bound
        if trial.row.seconds is not None:
            self._backends[label] = backend
        if call is not None:
            self._calls[label] = call

    def agreement(self) -> Agreement | None:
        """Compare every pair of results; None if there are fewer than two."""
        if len(self._found) < 2:
            return None
        vectors, deviations = zip(*self._found.values(), strict=True)
        statuses = {label: self.rows[label].status for label in self._found}
        doubts = {label: str(status) for label, status in statuses.items() if status is not RowStatus.EQUAL}
        return agreement_of(list(self._found), vectors, deviations, doubts)

    def _prepare(self) -> None:
        """Prepare here what was judged elsewhere, and time slow calls again, alone."""
        for label, backend in self._backends.items():
            if label not in self._calls:
                self._calls[label] = call = self.what.prepare(backend, self.budget)
                if (self.rows[label].seconds or 0) >= SLOW:
                    _, seconds = _measured(self.what, backend, call)
                    self.rows[label] = replace(self.rows[label], seconds=seconds)

    def time(self) -> None:
        """Fill in the times of all rows that are not different, beside the default backend's."""
        if not self._backends:
            return
        self._prepare()
        calls, default = dict(self._calls), get_backend(DEFAULT)
        if DEFAULT not in calls and self.what.why_not(default) is None:
            calls[DEFAULT] = self.what.prepare(default, self.budget)
        # The time of a slow backend was measured when it was judged.
        quick = {
            label: call for label, call in calls.items() if label == DEFAULT or (self.rows[label].seconds or 0) < SLOW
        }
        self.baseline = baseline = DEFAULT if DEFAULT in quick else next(iter(quick), None)
        timings = {}
        if baseline is not None:
            # Last in a round, so that the baseline is not its neighbour.
            quick[CONTROL] = self.what.prepare(self._backends.get(baseline, default), self.budget)
            timings = interleave(quick, baseline=baseline)
            self.control = timings[CONTROL].ratio
        for label in self._calls:
            row = self.rows[label]
            timing = timings.get(label)
            if timing is not None:
                row = replace(row, seconds=timing.seconds)
            if baseline is not None and row.seconds is not None:
                once = Ratio.exactly(row.seconds / timings[baseline].seconds)
                over = once if timing is None else timing.ratio
                row = replace(row, relative_time=over.median, relative_spread=(over.lower, over.upper))
            self.rows[label] = row
