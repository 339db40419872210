"""Comparison: the same gradient by several backends, judged against derived bounds, then timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from formulations.api import prepare
from formulations.certificate import judge, reference_gradient
from formulations.contract import Backend
from formulations.costs import Cost
from formulations.exceptions import InvalidInput
from formulations.network import Network, check_network
from formulations.parameters import Array
from formulations.plan import Plan
from formulations.registry import DEFAULT, get_backend, list_backends
from formulations.tables import format_seconds, format_table
from formulations.timing import interleave

__all__ = ["Comparison", "Row", "compare"]

SECONDS_PER_CALL = 1.5e-6
"""What an operation on a small array costs in NumPy, roughly: enough to foresee minutes."""


@dataclass(frozen=True)
class Row:
    """One backend's line in a comparison.

    Attributes
    ----------
    backend : str
        The flag, with options.
    equations : tuple of str
        The equations of the chapter that it computes.
    status : {"equal", "different", "inconclusive", "refused", "skipped"}
        What came of it.
    difference : float or None
        Largest absolute difference from the reference, over all weights and biases.
    bound : str
        The bound that judged it: T1, T2, T4 or P.
    ratio : float or None
        Largest residual in units of that bound; above 1 it is different.
    seconds : float or None
        Time for one gradient by a prepared plan: the median of interleaved rounds.
    relative_time : float or None
        That time over ``hadamard``'s, paired round by round.
    forward_passes : int or None
        Forward passes that one gradient took.
    reason : str
        Why it is different, inconclusive, refused or skipped.
    """

    backend: str
    equations: tuple[str, ...]
    status: str
    difference: float | None = None
    bound: str = ""
    ratio: float | None = None
    seconds: float | None = None
    relative_time: float | None = None
    forward_passes: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` found; printed, it is a table.

    Attributes
    ----------
    title : str
        Network, cost, batch and dtype.
    rows : tuple of Row
        One for each backend.
    """

    title: str
    rows: tuple[Row, ...]

    @property
    def equal(self) -> bool:
        """Whether some gradient was proved equal to the reference and none was proved different."""
        found = {row.status for row in self.rows}
        return "equal" in found and "different" not in found

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values, ready for JSON."""
        return {"title": self.title, "equal": self.equal, "rows": [asdict(row) for row in self.rows]}

    def __str__(self) -> str:
        header = ["backend", "equations", "verdict", "difference", "of its bound", "time", f"vs {DEFAULT}"]
        lines = [
            [
                row.backend,
                " ".join(row.equations),
                row.status,
                _shown(row.difference, "{:.1e}"),
                _shown(row.ratio, "{:.2g} " + row.bound),
                "–" if row.seconds is None else format_seconds(row.seconds),
                _shown(row.relative_time, "{:.2f}×"),
            ]
            for row in self.rows
        ]
        table = format_table(header, lines, right=[3, 4, 5, 6])
        reasons = [f"{row.backend}: {row.reason}" for row in self.rows if row.reason]
        counts = Counter(row.status for row in self.rows)
        summary = ", ".join(f"{count} {status}" for status, count in counts.items()) + "."
        return "\n".join([self.title, "", table, "", *reasons, *([""] if reasons else []), summary])


def _shown(number: float | None, form: str) -> str:
    return "–" if number is None else form.format(number)


def compare(
    net: Network,
    X: Any,
    Y: Any,
    cost: str | Cost = "quadratic",
    backends: Iterable[str | Backend] | str | None = None,
    *,
    sample_weight: Any = None,
    budget: float = 60.0,
    progress: Callable[[str], object] | None = None,
) -> Comparison:
    """Compute one gradient by several backends, judge each against its derived bound, then time them.

    A row is timed only where it is not different: a wrong gradient's speed means nothing.

    Parameters
    ----------
    net : Network
        The network.
    X, Y : array_like of shape (m, n₁) and (m, n_L)
        The examples.
    cost : str or Cost
        As in :func:`formulations.gradient`.
    backends : iterable of str or Backend, or "all", optional
        Which to compare; by default all that are registered.
    sample_weight : array_like of shape (m,), optional
        Weights of the examples in the mean.
    budget : float
        A backend that would take more than so many seconds for one gradient is skipped, and says what it would
        take; ``math.inf`` skips none.
    progress : callable, optional
        Called with each backend's label before it runs.

    Returns
    -------
    Comparison
        ``print(c)`` is a table; ``c.rows`` its rows; ``c.equal`` whether no gradient is different.

    Raises
    ------
    InvalidInput, WrongShape, WrongType, NotFinite
        Where the data cannot be used.
    UnknownName
        Where a backend does not exist.

    Examples
    --------
    >>> net = Network.random([2, 3, 1], activations="identity", seed=0)
    >>> compare(net, [[0.0, 1.0]], [[1.0]], backends=["hadamard", "linear"]).equal
    True
    """
    check_network(net)
    chosen = _chosen(backends)
    X, Y, _, cost = net.check_examples(X, Y, cost=cost, sample_weight=sample_weight)
    race = _Race(net, X, Y, cost, sample_weight, budget)
    for backend in chosen:
        if progress is not None:
            progress(backend.label)
        race.judge(backend)
    if progress is not None:
        progress("timing")
    race.time()
    title = (
        f"{'-'.join(map(str, net.sizes))}, {net.activation_names}, {cost.name} cost, "
        f"{len(X)} example{'s' if len(X) > 1 else ''}, {net.dtype}"
    )
    return Comparison(title, tuple(race.rows.values()))


def _chosen(backends: Iterable[str | Backend] | str | None) -> list[Backend]:
    if backends is None or backends == "all":
        return [get_backend(name) for name in list_backends()]
    if isinstance(backends, str | Backend):
        backends = [backends]
    chosen = {backend.label: backend for backend in map(get_backend, backends)}
    if not chosen:
        raise InvalidInput("backends names none to compare; leave it out for all, or name one or more.")
    return list(chosen.values())


class _Race:
    """One mini-batch, and what each backend made of it so far."""

    def __init__(self, net: Network, X: Array, Y: Array, cost: Cost, sample_weight: Any, budget: float) -> None:
        self.net, self.cost, self.budget = net, cost, budget
        self.examples = (X, Y, sample_weight)
        self.rows: dict[str, Row] = {}
        self._plans: dict[str, Plan] = {}
        tape = net.forward(X, Y, cost=cost, sample_weight=sample_weight)
        start = perf_counter()
        net.propagate(tape)
        self._seconds_per_pass = perf_counter() - start
        self._reference = reference_gradient(tape)

    def judge(self, backend: Backend) -> None:
        """Add the backend's row, not yet timed."""
        row = Row(backend.label, backend.equations, "equal")
        if reason := backend.why_not(self.net, self.cost):
            self.rows[row.backend] = replace(row, status="refused", reason=reason)
            return
        seconds = self._foreseen(backend)
        if seconds > self.budget:
            prediction = backend.predict(self.net, len(self.examples[0]))
            reason = (
                f"one gradient would take about {format_seconds(seconds)} ({prediction.forward_passes} forward passes, "
                f"{prediction.multiplications:.1e} multiplications)"
            )
            self.rows[row.backend] = replace(row, status="skipped", reason=reason)
            return
        plan = prepare(self.net, len(self.examples[0]), cost=self.cost, backend=backend)
        with np.errstate(all="ignore"):
            gradient = plan(*self.examples)
            verdict = judge(backend, plan.tape, gradient, self._reference)
        self.rows[row.backend] = replace(
            row,
            status=str(verdict.status),
            difference=verdict.difference,
            bound=verdict.bound,
            ratio=verdict.ratio,
            forward_passes=gradient.forward_passes,
            reason=verdict.reason,
        )
        if verdict.status != "different":
            self._plans[row.backend] = plan

    def time(self) -> None:
        """Fill in the times of all rows that are not different, beside the default backend's."""
        calls = {label: partial(plan, *self.examples) for label, plan in self._plans.items()}
        if not calls:
            return
        baseline = DEFAULT
        if baseline not in calls and get_backend(baseline).why_not(self.net, self.cost) is None:
            plan = prepare(self.net, len(self.examples[0]), cost=self.cost, backend=baseline)
            calls[baseline] = partial(plan, *self.examples)
        with np.errstate(all="ignore"):
            timings = interleave(calls, baseline=baseline if baseline in calls else next(iter(calls)))
        for label in self._plans:
            timing = timings[label]
            relative = timing.ratio if baseline in calls else None
            self.rows[label] = replace(self.rows[label], seconds=timing.seconds, relative_time=relative)

    def _foreseen(self, backend: Backend) -> float:
        prediction = backend.predict(self.net, len(self.examples[0]))
        by_passes = prediction.forward_passes * self._seconds_per_pass
        return max(by_passes, prediction.calls * SECONDS_PER_CALL)
