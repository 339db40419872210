"""False alarms: how often a correct gradient is called different, or cannot be distinguished from a wrong one.

``python -m tests.audit.false_alarms 2000 --markdown`` prints the table of ``docs/explanation/false-alarms.md``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import numpy as np

from formulations.arrays import format_dtype
from formulations.backends import Tier, get_backend, list_backends
from formulations.display import format_table
from formulations.functions import get_cost
from formulations.plans import seconds_for
from formulations.verification import Status, judge_backend, reference_gradient
from formulations.verification.conformance.law import answer
from tests.audit.command import markdown_table, parser, positive, print_table, processes, show
from tests.audit.random_networks import DEPTHS, random_problem

__all__ = ["AlarmCount", "Judged", "count_false_alarms", "judged"]

SECONDS = 0.02
"""A backend is given the networks whose gradient takes at most this long, by its own estimate."""

TIERS = {
    Tier.RECURRENCE: "recurrences (T1)",
    Tier.PRODUCT: "products (T2, T3)",
    Tier.FORWARD: "own forward passes (T4)",
    Tier.ELSEWHERE: "external forward passes (T4)",
    Tier.PERTURBATION: "difference quotients (P)",
}


@dataclass(frozen=True)
class Judged:
    """The verdict on one gradient of one network.

    Attributes
    ----------
    number : int
        The number of the network.
    backend, tier : str
        The backend that computed the gradient, and its tier.
    layers : int
        L, the number of layers.
    dtype : str
        The dtype of the network.
    status : Status
        The verdict.
    reason : str
        One sentence unless equal.
    """

    number: int
    backend: str
    tier: str
    layers: int
    dtype: str
    status: Status
    reason: str


@dataclass(frozen=True)
class AlarmCount:
    """The verdicts on correct gradients; true if none is "different".

    Attributes
    ----------
    networks : int
        The number of networks.
    seed : int
        The seed of their series.
    judged : tuple of Judged
        One for each gradient.
    """

    networks: int
    seed: int
    judged: tuple[Judged, ...]

    @property
    def alarms(self) -> list[Judged]:
        """The correct gradients that were called different."""
        return [each for each in self.judged if each.status is Status.DIFFERENT]

    def __bool__(self) -> bool:
        return bool(self.judged) and not self.alarms

    def inconclusive(self, tier: str, dtype: str | None = None, depth: tuple[int, int] | None = None) -> float:
        """Return the share of a tier's gradients that are inconclusive; NaN if it has no gradients."""
        chosen = [
            each.status is Status.INCONCLUSIVE
            for each in self.judged
            if each.tier == tier
            and dtype in (None, each.dtype)
            and (depth is None or depth[0] <= each.layers <= depth[1])
        ]
        return sum(chosen) / len(chosen) if chosen else float("nan")

    def _rows(self) -> list[list[str]]:
        tiers = [words for words in TIERS.values() if any(each.tier == words for each in self.judged)]
        return [
            [tier, dtype, *(_percent(self.inconclusive(tier, dtype, depth)) for depth in DEPTHS)]
            for tier in tiers
            for dtype in ("float32", "float64")
        ]

    def _sentences(self) -> str:
        found = [
            f"{self.networks:,} networks, {len(self.judged):,} gradients: {len(self.alarms)} called different, "
            f"{sum(each.status is Status.INCONCLUSIVE for each in self.judged):,} inconclusive."
        ]
        found += [
            f"{tier}: {100 * self.inconclusive(tier):.2g} % inconclusive."
            for tier in TIERS.values()
            if any(each.tier == tier for each in self.judged)
        ]
        return "\n".join([*found, *(f"Alarm: network {a.number}, {a.backend}: {a.reason}" for a in self.alarms)])

    def __str__(self) -> str:
        return f"{format_table(_header(), self._rows(), right=range(2, len(_header())))}\n\n{self._sentences()}"

    def to_markdown(self) -> str:
        """Return the table and the counts in Markdown."""
        return f"{markdown_table(_header(), self._rows())}\n\n{self._sentences()}"


def _header() -> list[str]:
    return ["inconclusive", "dtype", *(f"{lowest}–{highest} layers" for lowest, highest in DEPTHS)]


def _percent(share: float) -> str:
    return "–" if np.isnan(share) else f"{100 * share:.1f} %"


def count_false_alarms(
    count: int,
    backends: Iterable[str] | None = None,
    *,
    seed: int = 0,
    first: int = 0,
    executor: Executor | None = None,
    progress: Callable[[str], object] | None = None,
) -> AlarmCount:
    """Judge correct gradients of random networks.

    Parameters
    ----------
    count : int
        The number of networks.
    backends : iterable of str, optional
        Flags; by default all registered backends. Each is given the networks that it serves in a short time.
    seed, first : int
        The series, and the number of its first network.
    executor : concurrent.futures.Executor, optional
        Runs the networks.
    progress : callable, optional
        Called with the number of networks done, every 16 networks.

    Returns
    -------
    AlarmCount
    """
    flags = list_backends() if backends is None else list(backends)
    for flag in flags:
        get_backend(flag)
    found: list[Judged] = []
    numbers = range(first, first + count)
    work = partial(judged, flags=flags, seed=seed)
    chunk = {} if executor is None else {"chunksize": 16}
    for done, each in enumerate((map if executor is None else executor.map)(work, numbers, **chunk), start=1):
        found += each
        if progress is not None and done % 16 == 0:
            progress(f"{done} of {count} networks")
    return AlarmCount(count, seed, tuple(found))


def judged(number: int, flags: Sequence[str], seed: int = 0) -> list[Judged]:
    """Return the verdicts on one network's gradients, one for each backend that serves it."""
    problem = random_problem(number, seed)
    net, cost = problem.network, get_cost(problem.cost)
    found = []
    with np.errstate(all="ignore"):
        tape = net.forward(problem.X, problem.Y, cost=cost, sample_weight=problem.sample_weight)
        reference = reference_gradient(tape)
        for flag in flags:
            backend = get_backend(flag)
            if backend.why_not(net, cost) or seconds_for(backend.estimate(net, len(problem.X))) > SECONDS:
                continue
            given = answer(backend, problem)
            verdict = judge_backend(backend, given.plan.tape, given.gradient, reference)
            dtype = format_dtype(net.dtype)
            tier = TIERS[backend.tier]
            found.append(Judged(number, flag, tier, len(net.sizes), dtype, verdict.status, verdict.reason))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the shares of inconclusive gradients; the exit status is 1 if a correct gradient is called different."""
    command = parser(
        "false_alarms",
        "Judge correct gradients of N random networks. Exit status 1 if one is called different.",
        "2000 hadamard per_neuron --jobs 2",
    )
    command.add_argument("count", type=positive, metavar="N", help="number of networks")
    command.add_argument("backends", nargs="*", metavar="BACKEND", help="backends to judge (default: all)")
    command.add_argument("--seed", type=int, default=0, help="seed of the series (default: 0)")
    given = command.parse_args(arguments)
    with processes(given.jobs) as executor:
        table = count_false_alarms(
            given.count, given.backends or None, seed=given.seed, executor=executor, progress=show
        )
    return print_table(table, given.markdown)


if __name__ == "__main__":
    sys.exit(main())
