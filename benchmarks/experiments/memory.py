"""The peak memory of a gradient: its allocations, and the growth of the process."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

from formulations.arrays import Array
from formulations.plans import ChunkedPlan

__all__ = ["anonymous_growth", "peak_bytes"]

STATUS = Path("/proc/self/status")
"""Where Linux reports the memory of a process; other systems have no such file."""


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the peak of the allocations during a call."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _anonymous() -> int | None:
    """Return the process's resident memory that belongs to no file, in bytes; None if the system does not report it."""
    if not STATUS.exists():
        return None
    lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), None)


def anonymous_growth(fresh: Callable[[], ChunkedPlan], batch: tuple[Array, Array]) -> int | None:
    """Return how far anonymous memory grows from before a plan is made, sampled between its chunks."""
    gc.collect()
    before = _anonymous()
    if before is None:
        return None
    seen = [before]
    plan, (X, Y) = fresh(), batch

    def chunks() -> Iterator[tuple[Array, Array]]:
        for start in range(0, len(X), plan.batch_size):
            rows = slice(start, start + plan.batch_size)
            yield X[rows], Y[rows]
            seen.append(_anonymous() or 0)

    plan.over(chunks())
    return max(seen) - before
