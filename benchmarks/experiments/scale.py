"""Scale: time per example and peak memory of one gradient, by the number of examples on disk and by processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import ceil
from typing import Any

from benchmarks.experiments.measuring import mapped_examples
from benchmarks.experiments.memory import anonymous_growth, peak_bytes
from benchmarks.experiments.pattern import Column, experiment, plain, table
from benchmarks.experiments.workers import Workers, draw_workers, measure_workers
from formulations.arrays import Array, as_bytes, format_bytes, format_dtype, integers, random_generator
from formulations.backends import BackendLike
from formulations.comparison.timing import interleave
from formulations.display import Colour, Ratio, arms, format_seconds, new_figure, tidy, titled
from formulations.network import Network
from formulations.plans import ChunkedPlan, Tree, prepare

__all__ = ["Scale", "ScaleRow", "Scaling", "draw_scale", "draw_scaling", "measure_scale"]

TOLERANCE = 0.1
"""The relative change that still counts as constant."""
SETTLE = 2e-3
"""Seconds of the same call before each measurement, during which the last, smaller chunk gets its buffers."""
BAND = "#c9dcf2"


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
        The backend's estimate for all examples at once.
    seconds : float
        Time per example, of the median round.
    ratio : Ratio
        Time per example over that of the baseline, in the rounds that measured both.
    peak_bytes : int
        Peak of the allocations of Python and NumPy, the plan's included.
    tree_bytes : int
        The vectors among them that the tree of sums needs: one, and one for each doubling of the number of chunks.
    anonymous_bytes : int or None
        Largest growth, between two chunks, of the process's memory that belongs to no file; 0 if the process held
        enough before, None if the system does not report it.
    """

    examples: int
    data_bytes: int
    one_batch_bytes: int
    seconds: float
    ratio: Ratio
    peak_bytes: int
    tree_bytes: int
    anonymous_bytes: int | None

    @property
    def other_bytes(self) -> int:
        """The peak without the tree's vectors."""
        return self.peak_bytes - self.tree_bytes


COLUMNS = (
    Column[ScaleRow]("examples", lambda row: f"{row.examples:,}"),
    Column[ScaleRow]("on disk", lambda row: format_bytes(row.data_bytes)),
    Column[ScaleRow]("per example", lambda row: format_seconds(row.seconds)),
    Column[ScaleRow]("ratio", lambda row: f"{row.ratio.median:.3f}"),
    Column[ScaleRow]("quartiles", lambda row: f"{row.ratio.lower:.3f}–{row.ratio.upper:.3f}"),
    Column[ScaleRow]("peak", lambda row: format_bytes(row.peak_bytes)),
    Column[ScaleRow]("of the tree", lambda row: format_bytes(row.tree_bytes)),
    Column[ScaleRow]("without it", lambda row: format_bytes(row.other_bytes)),
    Column[ScaleRow](
        "anonymous", lambda row: "unknown" if row.anonymous_bytes is None else format_bytes(row.anonymous_bytes)
    ),
    Column[ScaleRow]("in one batch", lambda row: format_bytes(row.one_batch_bytes)),
)


@dataclass(frozen=True)
class Scale:
    """The result of :func:`measure_scale`.

    Attributes
    ----------
    network, dtype, backend : str
        The layers, the precision and the formulation of the gradient.
    memory : float
        Bytes that were allowed.
    batch_size : int
        Examples in a chunk.
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
        """Whether no batch, however long, allocates more than the baseline beside the tree, within a tenth."""
        base = next(row.other_bytes for row in self.rows if row.examples == self.baseline)
        return all(row.other_bytes <= (1 + TOLERANCE) * base for row in self.rows)

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
        """Whether time per example is constant over all lengths."""
        return self.constant_from == self.rows[0].examples

    def __bool__(self) -> bool:
        return self.flat

    @property
    def title(self) -> str:
        """Network, dtype, backend, chunk and memory."""
        return (
            f"{self.network}, {self.dtype}, backend {self.backend}, {self.batch_size:,} examples at once "
            f"within {format_bytes(self.memory)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        found = asdict(self) | {"rows": [plain(row) for row in self.rows]}
        return found | {"flat": self.flat, "constant": self.constant, "constant_from": self.constant_from}

    def __str__(self) -> str:
        return f"{self.title}\n\n{table(self.rows, COLUMNS)}\n\n{self._conclusion()}"

    def _conclusion(self) -> str:
        flat = "flat" if self.flat else "not flat"
        if self.constant_from is None:
            constant = "not constant"
        else:
            where = "for every length" if self.constant else f"from {self.constant_from:,} examples on, not below"
            constant = f"constant {where}"
        return (
            f"Peak memory without the tree of sums is {flat}, and time per example {constant}: within {TOLERANCE:.0%} "
            f"of what {self.baseline:,} examples take, in time of the same round. The tree needs one vector more for "
            "each doubling of the number of chunks. In one batch: what the backend is predicted to take for all at "
            "once."
        )


@dataclass(frozen=True)
class Scaling:
    """What the command measures.

    Attributes
    ----------
    scale : Scale
        One gradient in this process.
    workers : Workers
        The same in other processes.
    """

    scale: Scale
    workers: Workers

    def __bool__(self) -> bool:
        return self.scale.flat and self.workers.flat

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return self.scale.to_dict() | {"in_processes": self.workers.to_dict()}

    def __str__(self) -> str:
        return f"{self.scale}\n\n{self.workers}"


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
    progress: Callable[[str], object] = lambda _: None,
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
        As in :func:`formulations.prepare`.
    seed : int
        Of the weights and examples.
    budget : float
        Seconds to spend on the times of each length; the longest still gets three rounds.
    folder : str, optional
        Where to make the temporary folder; by default the system's.
    progress : callable, optional
        Called with each step before it begins.

    Returns
    -------
    Scale

    Raises
    ------
    InvalidInput, WrongType
        If counts are empty or not a list, one is not a positive integer, or the network or the memory cannot be used.
    """
    lengths = integers(counts, "counts")
    generator = random_generator(seed)
    network = Network.random(sizes, seed=generator, dtype=dtype)
    baseline = lengths[len(lengths) // 2]

    def fresh() -> ChunkedPlan:
        return prepare(network, "auto", backend=backend, memory=memory)

    def once(X: Array, Y: Array) -> None:
        fresh()(X, Y)

    plan = fresh()
    progress(f"writing {lengths[-1]:,} examples")
    with mapped_examples(lengths[-1], network, generator, folder) as (X, Y):
        batches = {m: (X[:m], Y[:m]) for m in lengths}
        rows = []
        progress("measuring times")
        calls = {str(m): partial(plan, *batch) for m, batch in batches.items()}
        timings = interleave(calls, baseline=str(baseline), budget=budget, settling=SETTLE)
        for m, batch in batches.items():
            progress(f"measuring the memory of {m:,} examples")
            timing = timings[str(m)]
            rows.append(
                ScaleRow(
                    examples=m,
                    data_bytes=sum(array.nbytes for array in batch),
                    one_batch_bytes=plan.backend.estimate(network, m).bytes,
                    seconds=timing.seconds / m,
                    ratio=timing.ratio * (baseline / m),
                    peak_bytes=peak_bytes(partial(once, *batch)),
                    tree_bytes=Tree.bytes(network.layout.count, network.dtype, ceil(m / plan.batch_size)),
                    anonymous_bytes=anonymous_growth(fresh, batch),
                )
            )
        # Windows cannot remove a file while it is mapped.
        del X, Y, batches, batch, calls
    return Scale(
        str(network.layout), format_dtype(dtype), plan.backend.label, as_bytes(memory, "memory"), plan.batch_size,
        baseline, tuple(rows),
    )  # fmt: skip


def draw_scale(scale: Scale) -> Any:
    """Return the figure: time per example and memory, all axes logarithmic.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    figure = new_figure(9.5, 3.9)
    figure.suptitle(scale.title, fontsize=10, x=0.01, ha="left")
    left, right = figure.subplots(1, 2)
    _draw_scale(left, right, scale)
    return figure


def draw_scaling(scaling: Scaling) -> Any:
    """Return the figure of both parts: one process above, workers below.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    figure = new_figure(9.5, 7.5)
    figure.suptitle(scaling.scale.title, fontsize=10, x=0.01, ha="left")
    (time, memory), (efficiency, resident) = figure.subplots(2, 2)
    _draw_scale(time, memory, scaling.scale)
    draw_workers(efficiency, resident, scaling.workers)
    return figure


def _draw_scale(left: Any, right: Any, scale: Scale) -> None:
    examples = [row.examples for row in scale.rows]
    whole = [row.one_batch_bytes / 1e6 for row in scale.rows]
    right.plot(examples, whole, "--", color=Colour.RUST, label="in one batch, predicted")
    right.plot(examples, [row.data_bytes / 1e6 for row in scale.rows], ":", color=Colour.INK, label="X and Y on disk")
    peaks = [row.peak_bytes / 1e6 for row in scale.rows]
    right.plot(examples, peaks, "o-", color=Colour.BLUE, label="allocated at most")
    others = [row.other_bytes / 1e6 for row in scale.rows]
    right.plot(examples, others, "o:", color=Colour.BLUE, markersize=3, label="without the tree of sums")
    right.set_yscale("log")
    titled(right, "memory, MB")
    _draw_times(left, scale, examples)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        axes.set_xlabel("examples")
        tidy(axes, "both")
        axes.legend(frameon=False, fontsize=8, loc="best")


def _draw_times(axes: Any, scale: Scale, examples: list[int]) -> None:
    axes.set_yscale("log")
    base = next(row.seconds for row in scale.rows if row.examples == scale.baseline) * 1e9
    # A ratio is taken within a round, and so is more certain than a median of times.
    per_example = [row.ratio * base for row in scale.rows]
    times = [time.median for time in per_example]
    axes.axhspan(
        base * (1 - TOLERANCE), base * (1 + TOLERANCE), color=BAND, linewidth=0,
        label=f"within {TOLERANCE:.0%} of {scale.baseline:,} examples",
    )  # fmt: skip
    axes.errorbar(examples, times, arms(per_example), fmt="o-", color=Colour.BLUE, capsize=3, label="median, quartiles")
    axes.set_yticks([power * digit for power in (1, 10, 100, 1000, 10000) for digit in (1, 2, 5)])
    axes.set_ylim(min(times) / 3, max(times) * 3)
    titled(axes, "time per example, ns")


@experiment(draw_scaling)
def main(progress: Callable[[str], object]) -> Scaling:
    """Measure time per example and memory of one gradient, for up to 10 million examples on disk.

    First in this process, then in one and two others, each with one thread of BLAS; and compute from the time of an
    example and the overhead of a task what a billion examples take on a hundred workers.

    \b
    Examples:
      python -m benchmarks.experiments.scale
      python -m benchmarks.experiments.scale --save scale.json --plot scale.png

    Exit status 0 if memory is flat, but for the vectors of the tree of sums, else 1.
    """
    return Scaling(measure_scale(progress=progress), measure_workers(progress=progress))


if __name__ == "__main__":
    main()
