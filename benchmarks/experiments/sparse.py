"""Sparse weights: where they overtake dense ones, and what a layer of 100,000 neurons takes.

A sparse product makes fewer multiplications than a dense one, each of them slower. Here a gradient is timed with sparse
and with dense weights, by density, width and batch; and a wide network, whose dense weights would not fit the memory,
is trained. The times are CPU time, of all threads together: SciPy's sparse products use one thread, so
one thread for the dense ones makes them comparable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from time import process_time
from typing import Any

import click
import numpy as np
from scipy.sparse import csr_array, random_array

from benchmarks.experiments.admission import Jury
from benchmarks.experiments.memory import peak_bytes
from benchmarks.experiments.pattern import Column, experiment, plain, table
from formulations.arrays import as_dtype, format_dtype, integers, positive_number
from formulations.comparison.race.ours import prepared
from formulations.comparison.timing import CpuTimed, interleave
from formulations.data import Problem, make_problem
from formulations.display import (
    Colour,
    Ratio,
    counted,
    format_quotient,
    format_seconds,
    new_figure,
    tidy,
    titled,
)
from formulations.exceptions import InvalidInput
from formulations.network import Network
from formulations.training import sgd

__all__ = ["DENSITIES", "WIDE", "Cell", "Sparse", "Wide", "draw_sparse", "measure_sparse"]

DENSITIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
"""Shares of the weights that are stored."""

WIDE = (10_000, 100_000, 10)
"""The sizes of the network that is trained."""

WIDE_DENSITY = 0.001
WIDE_BATCH = 8
STEPS = 8
"""Mini-batches of the training that is measured."""

JUDGED = 2
"""Examples whose gradient is judged; the reference has no BLAS."""

SETTLING = 1e-3
"""Seconds of unmeasured calls before each measurement."""

COLOURS = (Colour.BLUE, Colour.RUST, Colour.GREEN, Colour.PURPLE, Colour.OCHRE, Colour.SLATE)


@dataclass(frozen=True)
class Cell:
    """A network of two square layers with sparse weights, beside one with dense weights.

    Attributes
    ----------
    width : int
        Neurons of each of the three layers.
    batch_size : int
        Examples.
    density : float
        The share of the weights that is stored.
    entries : int
        Stored weights.
    seconds, dense_seconds : float
        Processor time of one gradient by a prepared plan: medians of interleaved rounds.
    speedup : Ratio
        The dense network's time over the sparse one's, in the same round.
    """

    width: int
    batch_size: int
    density: float
    entries: int
    seconds: float
    dense_seconds: float
    speedup: Ratio


@dataclass(frozen=True)
class Wide:
    """A wide network in training.

    Attributes
    ----------
    layers : str
        The sizes.
    density : float
        The share of the weights that is stored.
    batch_size : int
        Examples of a step.
    entries : int
        Stored weights.
    seconds : float
        Processor time of one step: the average over an epoch, the fastest of three.
    peak : int
        Bytes allocated at most, from making the network to the end of its training.
    bytes_per_entry : float
        The growth of the peak over that of the entries, from half the density to this one.
    dense : int
        Bytes of the weights alone, if they were dense.
    """

    layers: str
    density: float
    batch_size: int
    entries: int
    seconds: float
    peak: int
    bytes_per_entry: float
    dense: int

    def __str__(self) -> str:
        return (
            f"Training {self.layers} with {self.density:.1%} of the weights, {counted(self.batch_size, 'example')} a "
            f"step\n{self.entries:,} stored weights: {format_seconds(self.seconds)} a step, {self.peak / 1e6:.0f} MB "
            f"in all, {self.bytes_per_entry:.0f} bytes for each more weight\n"
            f"Dense weights alone would take {self.dense / 1e9:.0f} GB."
        )


@dataclass(frozen=True)
class Sparse:
    """The result of :func:`measure_sparse`.

    Attributes
    ----------
    dtype : str
        Of all networks.
    cells : tuple of Cell
        By width, batch and density.
    wide : Wide
        The wide network.
    different : tuple of str
        The cells that were not timed, because the gradient is different from the reference.
    """

    dtype: str
    cells: tuple[Cell, ...]
    wide: Wide
    different: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.different

    def rows(self) -> dict[tuple[int, int], list[Cell]]:
        """Return the cells of each width and batch, by density."""
        found: dict[tuple[int, int], list[Cell]] = {}
        for cell in self.cells:
            found.setdefault((cell.width, cell.batch_size), []).append(cell)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        overtaking = [
            {"width": width, "batch_size": m, "density": overtaken(cells)} for (width, m), cells in self.rows().items()
        ]
        cells = [plain(cell) for cell in self.cells]
        return {**asdict(self), "cells": cells, "overtaking": overtaking, "wide": plain(self.wide)}

    def __str__(self) -> str:
        rows, densities = self.rows(), sorted({cell.density for cell in self.cells})

        def of_density(density: float) -> Column[tuple[int, int]]:
            shown = {
                key: format_quotient(cell.speedup.median)
                for key, cells in rows.items()
                for cell in cells
                if cell.density == density
            }
            return Column(_percent(density), lambda row: shown.get(row, "–"))

        columns = [
            Column[tuple[int, int]]("width", lambda row: str(row[0])),
            Column[tuple[int, int]]("examples", lambda row: str(row[1])),
            Column[tuple[int, int]]("dense", lambda row: format_seconds(rows[row][0].dense_seconds)),
            *map(of_density, densities),
            Column[tuple[int, int]]("equal at", lambda row: _written(overtaken(rows[row]), rows[row])),
        ]
        wrong = [f"Different from the reference, and not timed: {', '.join(self.different)}."] if self.different else []
        return "\n".join(
            [
                f"Processor time of a gradient with dense weights over that with sparse ones: {self.dtype}",
                table(rows, columns),
                "",
                "Networks n–n–n of tanh neurons with the quadratic cost; n is the width, and the columns are the share",
                "of the weights that is stored. Above 1 sparse weights are faster.",
                "equal at: the share at which both take the same time, between two that were measured.",
                *wrong,
                "",
                str(self.wide),
            ]
        )


def overtaken(cells: Iterable[Cell]) -> float | None:
    """Return the density at which both take the same time, by a straight line between logarithms.

    None if one of them is faster at every density.
    """
    for sparser, denser in pairwise(sorted(cells, key=lambda cell: cell.density)):
        above, below = sparser.speedup.median, denser.speedup.median
        if above >= 1 > below:
            share = math.log(above) / math.log(above / below)
            return sparser.density * math.pow(denser.density / sparser.density, share)
    return None


def _percent(density: float) -> str:
    return f"{100 * density:.2g} %"


def _written(density: float | None, cells: list[Cell]) -> str:
    if density is not None:
        return _percent(density)
    ends = sorted(cells, key=lambda cell: cell.density)
    return f"> {_percent(ends[-1].density)}" if ends[-1].speedup.median >= 1 else f"< {_percent(ends[0].density)}"


def measure_sparse(
    widths: Iterable[int] = (100, 300, 1000, 3000),
    batches: Iterable[int] = (1, 10, 100),
    densities: Iterable[float] = DENSITIES,
    *,
    dtype: Any = "float64",
    budget: float = 0.3,
    progress: Callable[[str], object] = lambda _: None,
) -> Sparse:
    """Measure a gradient with sparse and with dense weights, and the training of a wide sparse network.

    Parameters
    ----------
    widths : iterable of int
        Neurons of each layer of the networks n–n–n.
    batches : iterable of int
        Examples.
    densities : iterable of float
        Shares of the weights that are stored, above 0 and at most 1.
    dtype : dtype
        Of all networks.
    budget : float
        Seconds to spend on timing each call; a slow one still gets three rounds.
    progress : callable, optional
        Called with each step's description before it is measured.

    Returns
    -------
    Sparse

    Raises
    ------
    InvalidInput
        If a width, a batch, the budget or a density is out of its range, or there is none.
    WrongType
        If one is not a number.
    """
    dtype = as_dtype(dtype)
    wide_enough, sizes = integers(widths, "widths"), integers(batches, "batches")
    shares, budget = sorted(set(densities)), positive_number(budget, "budget")
    if not shares or not all(0 < share <= 1 for share in shares):
        raise InvalidInput(f"densities must be numbers above 0 and at most 1, got {shares}; pass for instance [0.01].")
    cells, different = list[Cell](), list[str]()
    for width in wide_enough:
        for m in sizes:
            progress(f"width {width}, {counted(m, 'example')}")
            _row(make_problem([width] * 3, "tanh", dtype=dtype, count=m), shares, budget, cells, different)
    progress(f"training {_sizes(WIDE)}")
    return Sparse(format_dtype(dtype), tuple(cells), _wide(dtype), tuple(different))


def _row(whole: Problem, densities: Iterable[float], budget: float, cells: list[Cell], different: list[str]) -> None:
    """Add a cell for each density, or how its gradient differs from the reference."""
    width, m = whole.network.sizes[0], len(whole.X)
    plans = {"dense": prepared(whole)}
    for density in densities:
        thin = _thinned(whole, density)
        first = thin.first(min(JUDGED, m))
        if difference := Jury(first).difference(prepared(first)):
            different.append(f"width {width}, {counted(m, 'example')}, {_percent(density)} ({difference})")
        else:
            plans[_percent(density)] = prepared(thin)
    calls = {name: CpuTimed(partial(plan, whole.X, whole.Y)) for name, plan in plans.items()}
    # All densities share the rounds and their baseline: dense products take as long with zeros.
    timings = interleave(calls, baseline="dense", budget=budget, settling=SETTLING)
    dense = timings["dense"]
    for density in densities:
        if timing := timings.get(_percent(density)):
            entries = plans[_percent(density)].network.layout.weight_count
            cells.append(Cell(width, m, density, entries, timing.seconds, dense.seconds, dense.over(timing)))


def _thinned(whole: Problem, density: float) -> Problem:
    """Return the problem with only a share of its weights."""
    net, random = whole.network, np.random.default_rng(0)
    kept = [csr_array(np.where(random.random(w.shape) < density, w, 0)) for w in net.weights]
    return replace(whole, network=Network(kept, net.biases, net.activations))


def _wide(dtype: np.dtype[Any]) -> Wide:
    """Measure the training of the wide network: time first, then memory, whose measurement is slow."""
    seconds: list[float] = []
    peaks, entries = [], []
    for density in (WIDE_DENSITY / 2, WIDE_DENSITY):
        train, count = _training(density, dtype)
        seconds.append(min(train() for _ in range(3)))
        peaks.append(peak_bytes(train))
        entries.append(count)
    return Wide(
        layers=_sizes(WIDE),
        density=WIDE_DENSITY,
        batch_size=WIDE_BATCH,
        entries=entries[-1],
        seconds=seconds[-1],
        peak=peaks[-1],
        bytes_per_entry=(peaks[-1] - peaks[0]) / (entries[-1] - entries[0]),
        dense=sum(before * after for before, after in pairwise(WIDE)) * dtype.itemsize,
    )


def _training(density: float, dtype: np.dtype[Any]) -> tuple[Callable[[], float], int]:
    """Return a function that makes the wide network, trains it and returns the seconds of a step; and its entries."""
    random, m = np.random.default_rng(0), STEPS * WIDE_BATCH
    weights = [
        random_array((after, before), density=density, format="csr", rng=random, dtype=dtype)
        for before, after in pairwise(WIDE)
    ]
    X, Y = random.normal(size=(m, WIDE[0])).astype(dtype), np.full((m, WIDE[-1]), 0.5, dtype)

    def train() -> float:
        net = Network(weights, [np.zeros(n, dtype) for n in WIDE[1:]], ["tanh", "sigmoid"])
        start = process_time()
        sgd(net, X, Y, epochs=1, batch_size=WIDE_BATCH, learning_rate=0.1, seed=0)
        return (process_time() - start) / STEPS

    return train, sum(w.nnz for w in weights)


def _sizes(sizes: Iterable[int]) -> str:
    return "-".join(map(str, sizes))


def draw_sparse(sparse: Sparse) -> Any:
    """Return the figure: the speedup over the density, on logarithmic axes, a line for each width and batch.

    Raises
    ------
    InvalidInput
        If nothing was timed.
    MissingExtra
        If matplotlib is not installed.
    """
    if not sparse.cells:
        raise InvalidInput("a plot needs times, and no cell was timed; measure others.")
    batches = sorted({cell.batch_size for cell in sparse.cells})
    figure = new_figure(4.2 * len(batches), 3.8)
    for axes, m in zip(figure.subplots(1, len(batches), squeeze=False, sharey=True)[0], batches, strict=True):
        rows = [(width, cells) for (width, batch), cells in sparse.rows().items() if batch == m]
        for (width, cells), colour in zip(rows, COLOURS, strict=False):
            shares, medians = [cell.density for cell in cells], [cell.speedup.median for cell in cells]
            axes.plot(shares, medians, "o-", markersize=4, color=colour, label=f"width {width}")
        axes.axhline(1, color=Colour.INK, linestyle=":", linewidth=1)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("share of the weights that is stored")
        titled(axes, f"{counted(m, 'example')}, {sparse.dtype}")
        tidy(axes, "both")
    figure.axes[0].set_ylabel("time of dense over time of sparse")
    figure.axes[0].legend(frameon=False, fontsize=8)
    return figure


@experiment(
    draw_sparse, click.option("--dtype", default="float64", show_default=True, help="Of networks and examples.")
)
def main(dtype: str, progress: Callable[[str], object]) -> Sparse:
    """Measure where sparse weights overtake dense ones, and the training of a layer of 100,000 neurons.

    \b
    Examples:
      python -m benchmarks.experiments.sparse
      python -m benchmarks.experiments.sparse --threads 1 --dtype float32 --plot sparse.png

    Exit status 0 if no gradient is different, else 1.
    """
    return measure_sparse(dtype=dtype, progress=progress)


if __name__ == "__main__":
    main()
