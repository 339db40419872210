"""Scale: time per example and peak memory of one gradient, over the number of examples on disk."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from formulations.api import prepare
from formulations.bench.choices import integers
from formulations.chunks import ChunkedPlan
from formulations.dtypes import Array, format_dtype
from formulations.inputs import random_generator
from formulations.memory import as_bytes, format_bytes
from formulations.network import Network
from formulations.ratio import Ratio
from formulations.registry import BackendLike
from formulations.tables import format_seconds, format_table
from formulations.timing import interleave

__all__ = ["TOLERANCE", "Scale", "ScaleRow", "measure_scale"]

TOLERANCE = 0.1
"""What may be called constant, as a share."""
STATUS = Path("/proc/self/status")
WRITTEN = 2**16
"""Examples that are written at once."""


@dataclass(frozen=True)
class ScaleRow:
    """A batch of one length.

    Attributes
    ----------
    examples : int
        Its length.
    data_bytes : int
        X and Y on disk.
    one_batch_bytes : int
        What the backend is predicted to take for all examples at once.
    seconds : float
        Time per example, of the median round.
    ratio : Ratio
        Time per example over that of the baseline, in the rounds in which both were measured.
    peak_bytes : int
        Largest sum of Python's and NumPy's allocations at a time, the plan's included.
    anonymous_bytes : int or None
        Growth of the process's memory that is no file's, largest of those between two chunks: 0 where it had enough
        from before. None where the platform does not tell it.
    """

    examples: int
    data_bytes: int
    one_batch_bytes: int
    seconds: float
    ratio: Ratio
    peak_bytes: int
    anonymous_bytes: int | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {
            "examples": self.examples,
            "data_bytes": self.data_bytes,
            "one_batch_bytes": self.one_batch_bytes,
            "seconds": self.seconds,
            **self.ratio.to_dict(),
            "peak_bytes": self.peak_bytes,
            "anonymous_bytes": self.anonymous_bytes,
        }


@dataclass(frozen=True)
class Scale:
    """What :func:`measure_scale` found; printed, a table and what follows from it.

    Attributes
    ----------
    network, dtype, backend : str
        Whose gradient, in which precision, computed how.
    memory : float
        Bytes that were allowed.
    batch_size : int
        Examples taken at once.
    baseline : int
        Examples of the batch that the others are compared with.
    rows : tuple of ScaleRow
        From the fewest examples to the most.
    """

    network: str
    dtype: str
    backend: str
    memory: float
    batch_size: int
    baseline: int
    rows: tuple[ScaleRow, ...]

    @property
    def flat(self) -> bool:
        """Whether no batch, however long, allocates more than the baseline does, within a tenth."""
        base = next(row.peak_bytes for row in self.rows if row.examples == self.baseline)
        return all(row.peak_bytes <= (1 + TOLERANCE) * base for row in self.rows)

    @property
    def constant_from(self) -> int | None:
        """Examples from which on time per example is that of the baseline within a tenth; None if it never is."""
        first = None
        for row in reversed(self.rows):
            if abs(row.ratio.median - 1) > TOLERANCE:
                break
            first = row.examples
        return first

    @property
    def constant(self) -> bool:
        """Whether that is so for every batch that was measured."""
        return self.constant_from == self.rows[0].examples

    def __bool__(self) -> bool:
        return self.flat

    @property
    def title(self) -> str:
        """Network, backend, dtype and what is taken at once."""
        return (
            f"{self.network}, {self.dtype}, backend {self.backend}, {self.batch_size:,} examples at once "
            f"within {format_bytes(self.memory)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        found = asdict(self) | {"rows": [row.to_dict() for row in self.rows]}
        return found | {"flat": self.flat, "constant": self.constant, "constant_from": self.constant_from}

    def __str__(self) -> str:
        header = ["examples", "on disk", "per example", "ratio", "quartiles", "peak", "anonymous", "in one batch"]
        lines = [
            [
                f"{row.examples:,}",
                format_bytes(row.data_bytes),
                format_seconds(row.seconds),
                f"{row.ratio.median:.3f}",
                f"{row.ratio.lower:.3f}–{row.ratio.upper:.3f}",
                format_bytes(row.peak_bytes),
                "unknown" if row.anonymous_bytes is None else format_bytes(row.anonymous_bytes),
                format_bytes(row.one_batch_bytes),
            ]
            for row in self.rows
        ]
        return f"{self.title}\n\n{format_table(header, lines, right=range(len(header)))}\n\n{self._sentence()}"

    def _sentence(self) -> str:
        flat = "flat" if self.flat else "not flat"
        if self.constant_from is None:
            constant = "not constant"
        else:
            reach = "for every length" if self.constant else f"from {self.constant_from:,} examples on, not below"
            constant = f"constant {reach}"
        return (
            f"Peak memory is {flat}, and time per example {constant}: within {TOLERANCE:.0%} of what "
            f"{self.baseline:,} examples take, in time of the same round. In one batch: what the backend is "
            "predicted to take for all at once."
        )


def measure_scale(
    counts: Sequence[int] = (10**3, 10**4, 10**5, 10**6, 10**7),
    *,
    sizes: Sequence[int] = (8, 6, 2),
    dtype: Any = "float32",
    backend: BackendLike = None,
    memory: float | str = "64MB",
    seed: int = 0,
    budget: float = 5.0,
    folder: str | None = None,
    progress: Callable[[str], object] | None = None,
) -> Scale:
    """Measure one gradient over batches of growing length that are mapped from files.

    The batches are the first examples of the longest one, which is written to a temporary folder and removed.

    Parameters
    ----------
    counts : sequence of int
        Lengths of the batches.
    sizes : sequence of int
        n₁, …, n_L of a network of sigmoid neurons.
    dtype : dtype
        Its precision, and that of the files.
    backend : str, Backend or None
        The formulation that computes the gradients; see :func:`formulations.get_backend`.
    memory : int, float or str
        As :func:`formulations.prepare` takes it.
    seed : int
        Of the weights and examples.
    budget : float
        Seconds to spend on the times of each length; the longest still gets three rounds.
    folder : str, optional
        Where to make the temporary folder; by default where the system has them.
    progress : callable, optional
        Called with what is being done.

    Returns
    -------
    Scale

    Raises
    ------
    InvalidInput, WrongType
        Where counts are empty or no list, one is no positive integer, or the network or the memory cannot be used.
    """
    lengths = integers(counts, "counts")
    generator = random_generator(seed)
    network = Network.random(sizes, seed=generator, dtype=dtype)
    baseline = lengths[len(lengths) // 2]

    def tell(what: str) -> None:
        if progress is not None:
            progress(what)

    def fresh() -> ChunkedPlan:
        return prepare(network, "auto", backend=backend, memory=memory)

    def once(X: Array, Y: Array) -> None:
        fresh()(X, Y)

    plan = fresh()
    with TemporaryDirectory(dir=folder) as room:
        tell(f"writing {lengths[-1]:,} examples")
        files = [_written(Path(room) / "XY"[i], lengths[-1], network.sizes[-i], generator, network) for i in (0, 1)]
        batches = {m: (files[0][:m], files[1][:m]) for m in lengths}
        rows = []
        tell("measuring times")
        calls = {str(m): partial(plan, *batch) for m, batch in batches.items()}
        timings = interleave(calls, baseline=str(baseline), budget=budget)
        for m, batch in batches.items():
            tell(f"measuring the memory of {m:,} examples")
            timing = timings[str(m)]
            rows.append(
                ScaleRow(
                    examples=m,
                    data_bytes=sum(array.nbytes for array in batch),
                    one_batch_bytes=plan.backend.predict(network, m).bytes,
                    seconds=timing.seconds / m,
                    ratio=timing.ratio * (baseline / m),
                    peak_bytes=_peak(partial(once, *batch)),
                    anonymous_bytes=_anonymous_growth(fresh, batch),
                )
            )
        # A mapped file cannot be removed everywhere.
        del files, batches, batch, calls
    return Scale(
        str(network.layout), format_dtype(dtype), plan.backend.label, as_bytes(memory, "memory"), plan.batch_size,
        baseline, tuple(rows),
    )  # fmt: skip


def _written(path: Path, m: int, width: int, generator: np.random.Generator, network: Network) -> Array:
    """Write m random examples, so many at a time, and return them mapped from their file."""
    with path.open("wb") as file:
        for start in range(0, m, WRITTEN):
            generator.random((min(WRITTEN, m - start), width)).astype(network.dtype).tofile(file)
    return np.memmap(path, network.dtype, "r", shape=(m, width))


def _peak(call: Callable[[], object]) -> int:
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


def _anonymous_growth(fresh: Callable[[], ChunkedPlan], batch: tuple[Array, Array]) -> int | None:
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
