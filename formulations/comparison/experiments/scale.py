"""Scale: time per example and peak memory of one gradient, over the number of examples on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from formulations.arrays import Array, as_bytes, format_dtype, random_generator
from formulations.backends import BackendLike, integers
from formulations.comparison.experiments.footprint import anonymous_growth, peak_bytes
from formulations.comparison.experiments.scale_result import Scale, ScaleRow
from formulations.comparison.timing import interleave
from formulations.network import Network
from formulations.plans import ChunkedPlan, prepare

__all__ = ["measure_scale"]

SETTLE = 2e-3
"""Seconds of the same call before each measurement, in which the rest of a batch gets its buffers."""
WRITTEN = 2**16
"""Examples that are written at once."""


def measure_scale(
    counts: Sequence[int] = (10**3, 10**4, 10**5, 10**6, 10**7),
    *,
    sizes: Sequence[int] = (8, 128, 128, 2),
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
    with TemporaryDirectory(dir=folder) as directory:
        tell(f"writing {lengths[-1]:,} examples")
        files = [
            _written(Path(directory) / "XY"[i], lengths[-1], network.sizes[-i], generator, network) for i in (0, 1)
        ]
        batches = {m: (files[0][:m], files[1][:m]) for m in lengths}
        rows = []
        tell("measuring times")
        calls = {str(m): partial(plan, *batch) for m, batch in batches.items()}
        timings = interleave(calls, baseline=str(baseline), budget=budget, settling=SETTLE)
        for m, batch in batches.items():
            tell(f"measuring the memory of {m:,} examples")
            timing = timings[str(m)]
            rows.append(
                ScaleRow(
                    examples=m,
                    data_bytes=sum(array.nbytes for array in batch),
                    one_batch_bytes=plan.backend.estimate(network, m).bytes,
                    seconds=timing.seconds / m,
                    ratio=timing.ratio * (baseline / m),
                    peak_bytes=peak_bytes(partial(once, *batch)),
                    anonymous_bytes=anonymous_growth(fresh, batch),
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
