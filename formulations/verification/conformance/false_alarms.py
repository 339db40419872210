"""False alarms: how often a right gradient is called different, or cannot be told from a wrong one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from formulations.arrays import format_dtype
from formulations.backends import Tier, get_backend, list_backends
from formulations.display import format_table
from formulations.functions import get_cost
from formulations.plans import foreseen_seconds
from formulations.verification.conformance.law import answer
from formulations.verification.conformance.random_networks import DEPTHS, random_problem
from formulations.verification.oracles import reference_gradient
from formulations.verification.tolerances import Status, judge_backend

__all__ = ["AlarmCount", "Judged", "count_false_alarms", "judged"]

SECONDS = 0.02
"""A backend is given the networks of which a gradient takes no longer, by its own estimate."""

TIERS = {
    Tier.RECURRENCE: "recurrences (T1)",
    Tier.PRODUCT: "products (T2, T3)",
    Tier.FORWARD: "forward passes of their own (T4)",
    Tier.ELSEWHERE: "forward passes from elsewhere (T4)",
    Tier.PERTURBATION: "difference quotients (P)",
}


@dataclass(frozen=True)
class Judged:
    """One gradient of one network.

    Attributes
    ----------
    number : int
        The network's.
    backend, tier : str
        Who computed it.
    layers : int
        L.
    dtype : str
        The network's.
    status : Status
        What the certificate says.
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
    """What became of right gradients; true where none was called different.

    Attributes
    ----------
    networks : int
        How many were drawn.
    seed : int
        Of their series.
    judged : tuple of Judged
        One for each gradient.
    """

    networks: int
    seed: int
    judged: tuple[Judged, ...]

    @property
    def alarms(self) -> list[Judged]:
        """The right gradients that were called different."""
        return [each for each in self.judged if each.status is Status.DIFFERENT]

    def __bool__(self) -> bool:
        return bool(self.judged) and not self.alarms

    def inconclusive(self, tier: str, dtype: str | None = None, depth: tuple[int, int] | None = None) -> float:
        """Return the share of a tier's gradients that could not be told; NaN where there was none."""
        chosen = [
            each.status is Status.INCONCLUSIVE
            for each in self.judged
            if each.tier == tier
            and dtype in (None, each.dtype)
            and (depth is None or depth[0] <= each.layers <= depth[1])
        ]
        return sum(chosen) / len(chosen) if chosen else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return the counts and the alarms as plain Python values."""
        counts = Counter((each.backend, str(each.status)) for each in self.judged)
        return {
            "networks": self.networks,
            "gradients": len(self.judged),
            "different": len(self.alarms),
            "counts": [{"backend": name, "status": status, "count": n} for (name, status), n in counts.items()],
            "inconclusive": [dict(zip(("tier", "dtype", *_bands()), row, strict=True)) for row in self._rows(str)],
            "alarms": [{"number": a.number, "backend": a.backend, "reason": a.reason} for a in self.alarms],
        }

    def _rows(self, written: Callable[[float], str]) -> list[list[str]]:
        tiers = [words for words in TIERS.values() if any(each.tier == words for each in self.judged)]
        return [
            [tier, dtype, *(written(self.inconclusive(tier, dtype, depth)) for depth in DEPTHS)]
            for tier in tiers
            for dtype in ("float32", "float64")
        ]

    def _sentences(self) -> list[str]:
        found = [
            f"{self.networks:,} networks, {len(self.judged):,} gradients: {len(self.alarms)} called different, "
            f"{sum(each.status is Status.INCONCLUSIVE for each in self.judged):,} inconclusive."
        ]
        found += [
            f"{tier}: {100 * self.inconclusive(tier):.2g} % inconclusive."
            for tier in TIERS.values()
            if any(each.tier == tier for each in self.judged)
        ]
        return found + [f"Alarm: network {a.number}, {a.backend}: {a.reason}" for a in self.alarms]

    def __str__(self) -> str:
        header = ["inconclusive", "dtype", *_bands()]
        table = format_table(header, self._rows(_percent), right=range(2, len(header)))
        return "\n\n".join([table, "\n".join(self._sentences())])

    def to_markdown(self) -> str:
        """Return the table as a page has it."""
        header = ["inconclusive", "dtype", *_bands()]
        lines = [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *self._rows(_percent))]
        return "\n".join([*lines, "", *self._sentences()])


def _bands() -> list[str]:
    return [f"{lowest}–{highest} layers" for lowest, highest in DEPTHS]


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
    """Judge right gradients of random networks.

    Parameters
    ----------
    count : int
        Networks.
    backends : iterable of str, optional
        Flags; by default all that are registered. Each is given the networks that it serves in a short time.
    seed, first : int
        Which series, and where in it to begin.
    executor : concurrent.futures.Executor, optional
        Where to run, network by network.
    progress : callable, optional
        Called now and then with how far it is.

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
    """Return what becomes of one network's gradients; one for each backend that serves it."""
    problem = random_problem(number, seed)
    net, cost = problem.network, get_cost(problem.cost)
    found = []
    with np.errstate(all="ignore"):
        tape = net.forward(problem.X, problem.Y, cost=cost, sample_weight=problem.sample_weight)
        reference = reference_gradient(tape)
        for flag in flags:
            backend = get_backend(flag)
            if backend.why_not(net, cost) or foreseen_seconds(backend.estimate(net, len(problem.X))) > SECONDS:
                continue
            given = answer(backend, problem)
            verdict = judge_backend(backend, given.plan.tape, given.gradient, reference)
            dtype = format_dtype(net.dtype)
            tier = TIERS[backend.tier]
            found.append(Judged(number, flag, tier, len(net.sizes), dtype, verdict.status, verdict.reason))
    return found
