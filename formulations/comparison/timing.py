"""Timing by interleaved rounds, medians and paired ratios.

On a noisy machine a ratio is reliable only if both sides are measured under the same conditions. So all calls run in
turn, round by round, and each is compared with the baseline of the same round.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time, sleep
from typing import Protocol, runtime_checkable

from formulations.display import Ratio, paired

__all__ = ["CpuTimed", "Stopwatch", "Timing", "interleave", "quickest", "settle", "timed", "without_collector"]

FEWEST, MOST = 3, 31
"""Rounds: enough for a median, and no more than improve it."""
SAMPLE_SECONDS = 1e-3


@dataclass(frozen=True)
class Timing:
    """The time of a call.

    Attributes
    ----------
    seconds : float
        Median over the rounds, per call.
    ratio : Ratio
        This call's time over the baseline's, in the same round.
    samples : tuple of float
        Seconds per call, round by round.
    """

    seconds: float
    ratio: Ratio
    samples: tuple[float, ...]

    @property
    def rounds(self) -> int:
        """Number of rounds measured."""
        return len(self.samples)

    def over(self, other: Timing) -> Ratio:
        """Return this call's time over another's of the same measurement."""
        return paired(self.samples, other.samples)


@runtime_checkable
class Stopwatch(Protocol):
    """A call that measures its own time, because it runs in another process, or by another clock."""

    def timed(self, repeats: int) -> float:
        """Return the seconds per call, over this many calls."""

    def settle(self, seconds: float) -> float:
        """Call for at least this many seconds, and return the seconds that it took."""


@dataclass(frozen=True)
class CpuTimed:
    """A call that is timed by the CPU time of this process, which leaves out what other programs take.

    Attributes
    ----------
    call : callable () -> object
        The call.
    """

    call: Callable[[], object]

    def __call__(self) -> object:
        """Call it once."""
        return self.call()

    def timed(self, repeats: int) -> float:
        """Return the seconds per call, over this many calls, or more if this clock is coarser than they are long."""
        start, taken, calls = process_time(), 0.0, 0
        while taken == 0:
            for _ in range(repeats):
                self.call()
            taken, calls = process_time() - start, calls + repeats
        return taken / calls

    def settle(self, seconds: float) -> float:
        """Call for at least this many seconds, and return the seconds that it took."""
        start = process_time()
        while process_time() - start < seconds:
            self.call()
        return process_time() - start


def interleave(
    calls: Mapping[str, Callable[[], object]],
    *,
    baseline: str,
    budget: float = 0.5,
    sample: float = SAMPLE_SECONDS,
    settling: float = 0.0,
    silence: float = 0.0,
    pauses: bool = False,
) -> dict[str, Timing]:
    """Time several calls in turn.

    Parameters
    ----------
    calls : mapping of str to callable
        Each is called before, to warm up and to find how many calls a sample needs.
    baseline : str
        The call that the ratios refer to.
    budget : float
        Seconds to spend on each call; a slow one gets at least three rounds, a fast one at most 31.
    sample : float
        Minimum seconds of a measurement: a fast call is repeated.
    settling : float
        Seconds of the same call, not measured, before each measurement: its data return to the cache, and idle threads
        go to sleep.
    silence : float
        Seconds to wait before and after a call that runs in another process, so that threads that spin while they wait
        go to sleep and leave the cores to the next call.
    pauses : bool
        Whether to wait before every call: in one process, too, libraries have several pools of threads.

    Returns
    -------
    dict of str to Timing
        In the order of ``calls``.
    """
    repeats, rounds = {}, {}
    with without_collector():
        for name, call in calls.items():
            call()
            repeats[name] = 1
            # The clock may be too coarse for a single call.
            while (taken := repeats[name] * timed(call, repeats[name])) < sample:
                repeats[name] *= 2
            rounds[name] = min(max(int(budget / taken), FEWEST), MOST)
        rounds[baseline] = max(rounds.values())
        samples: dict[str, list[float]] = {name: [] for name in calls}
        elsewhere = False
        for i in range(rounds[baseline]):
            for name, call in calls.items():
                if i < rounds[name]:
                    before, elsewhere = elsewhere, isinstance(call, Stopwatch)
                    if before or elsewhere or pauses:
                        sleep(silence)
                    settle(call, settling)
                    samples[name].append(timed(call, repeats[name]))
    base = samples[baseline]
    return {name: Timing(median(times), paired(times, base), tuple(times)) for name, times in samples.items()}


def settle(call: Callable[[], object], seconds: float) -> float:
    """Call for at least this many seconds, and return the seconds that it took."""
    if isinstance(call, Stopwatch):
        return call.settle(seconds)
    start = perf_counter()
    while perf_counter() - start < seconds:
        call()
    return perf_counter() - start


def timed(call: Callable[[], object], repeats: int) -> float:
    """Return the seconds per call, over this many calls."""
    if isinstance(call, Stopwatch):
        return call.timed(repeats)
    start = perf_counter()
    for _ in range(repeats):
        call()
    return (perf_counter() - start) / repeats


def quickest(call: Callable[[], object]) -> float:
    """Return the seconds of the fastest of three calls, the one least disturbed by other work."""
    return min(timed(call, 1) for _ in range(FEWEST))


@contextmanager
def without_collector() -> Iterator[None]:
    """Switch the garbage collector off during measurements."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
