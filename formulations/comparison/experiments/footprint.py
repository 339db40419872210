"""The footprint: how much memory a gradient takes at most, by its allocations and by what the process holds."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

from formulations.arrays import Array
from formulations.plans import ChunkedPlan

__all__ = ["anonymous_growth", "peak_bytes"]

STATUS = Path("/proc/self/status")
"""Where Linux tells it; elsewhere it is not known."""


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the largest sum of allocations at a time during a call."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _anonymous() -> int | None:
    """Return the process's resident memory that belongs to no file, in bytes."""
    if not STATUS.exists():
        return None
    lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon:")), None)


def anonymous_growth(fresh: Callable[[], ChunkedPlan], batch: tuple[Array, Array]) -> int | None:
    """Return how far anonymous memory grows from before a plan is made, looked at between its chunks."""
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
