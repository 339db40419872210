"""The Jacobians of a batch: the orders of multiplication beside one another, and beside JAX and PyTorch.

Every row is the same array, ∂a^L/∂x of every example, with its forward pass, for sigmoid neurons. Ours are plans,
called as a user calls them, and ``jacobian`` in one call, with its checks and a newly allocated result. A rival gets
the same numbers in its own kind of arrays, made beforehand, and is compiled beforehand:

- ``jax.jacrev`` and ``jax.jacfwd`` of one example's outputs, under ``jax.vmap`` and ``jax.jit``;
- ``torch.func.jacrev`` under ``torch.func.vmap``.

Each rival runs in its own process, in turn with the others, and measures its own time. A row whose Jacobian of the
first example is different from the reference is not timed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.experiments.measuring import prepare_rows
from benchmarks.experiments.pattern import PLACE, Column, Rows, budget_option, draw_ratios, experiment, plain, table
from formulations.arrays import Array, positive_number
from formulations.backends import DEFAULT
from formulations.comparison.race.cells import Cell, read_dtypes
from formulations.comparison.race.contestant import Contestant, Kind, Ready
from formulations.comparison.race.heat import SAMPLE, SETTLE, SILENCE
from formulations.comparison.race.isolated import isolate
from formulations.comparison.race.peers.problem import checked, parameters_of
from formulations.comparison.timing import interleave
from formulations.data import Problem
from formulations.display import Ratio, format_ratio, format_seconds
from formulations.exceptions import CandidateFailed, needs
from formulations.functions import get_cost
from formulations.network import Batch, Point
from formulations.operators import jacobian, prepare_jacobian
from formulations.verification import OperatorReference
from formulations.verification.tolerances import Formulas

__all__ = ["CELLS", "RIVALS", "Jacobians", "Row", "draw_jacobians", "measure_jacobians"]

CELLS = tuple(
    Cell(name, sizes, m)
    for name, sizes, m in (
        ("digits", (64, 30, 10), 10),
        ("medium", (784, 100, 10), 100),
        ("deep", (64, *[30] * 8, 10), 32),
        ("autoencoder", (784, 256, 64, 16, 64, 256, 784), 10),
    )
)
ORDERS = ("optimal", "reverse", "forward")
OURS = "optimal"
CALL = f"jacobian({DEFAULT})"
LIMITS = {"digits": 1.0, "medium": 1.0, "deep": 1.25}
"""The largest ratio of the optimal plan's time to that of the best rival, by cell."""
SPREAD = 5.0
"""The smallest ratio of the worst order's time to the optimal one's, in the autoencoder."""


@dataclass(frozen=True)
class Row:
    """One way to compute the Jacobians, at one size.

    Attributes
    ----------
    cell, dtype : str
        Where it was measured.
    name : str
        An order, ``jacobian`` in one call, or a rival.
    brackets : str
        The product of the factors J^l = Σ′(z^l) w^l, for an order.
    multiplications : int or None
        For one example, for an order.
    seconds : float
        The median.
    over : Ratio
        This time over that of the optimal order, round by round.
    """

    cell: str
    dtype: str
    name: str
    brackets: str
    multiplications: int | None
    seconds: float
    over: Ratio


COLUMNS = (
    *PLACE,
    Column[Row]("Jacobians by", lambda row: row.name, left=True),
    Column[Row]("multiplications", lambda row: "" if row.multiplications is None else f"{row.multiplications:,}"),
    Column[Row]("time", lambda row: format_seconds(row.seconds)),
    Column[Row](f"over {OURS}", lambda row: format_ratio(row.over)),
)


@dataclass(frozen=True)
class Jacobians(Rows[Row]):
    """The result of :func:`measure_jacobians`."""

    @property
    def targets(self) -> list[tuple[str, bool]]:
        """What was aimed at, in words with what was measured, and whether it is met."""
        said = []
        for cell, dtype in dict.fromkeys((row.cell, row.dtype) for row in self.rows):
            rows = {row.name: row for row in self.rows if (row.cell, row.dtype) == (cell, dtype)}
            name = cell.split(":")[0]
            rivals = [row for row in rows.values() if row.name in RIVALS]
            if name in LIMITS and rivals:
                best = min(rivals, key=lambda row: row.over.median)
                found = best.over.inverse
                what = f"{cell}, {dtype}: over {best.name} at most {LIMITS[name]:g}, measured {format_ratio(found)}"
                said.append((what, found.median <= LIMITS[name]))
            elif name not in LIMITS:
                worst = max((rows[order] for order in ORDERS), key=lambda row: row.over.median)
                what = f"{cell}, {dtype}: the order {worst.name} at least {SPREAD:g} times as long, measured "
                said.append((what + format_ratio(worst.over), worst.over.median >= SPREAD))
        return said

    def __bool__(self) -> bool:
        return all(met for _, met in self.targets) and not self.refused

    def __str__(self) -> str:
        targets = "\n".join(f"{'met' if met else 'missed'}: {what}" for what, met in self.targets)
        return f"{table(self.rows, COLUMNS)}\n\n{targets}{self.not_measured}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {
            "rows": [plain(row) for row in self.rows],
            "targets": [{"what": what, "met": met} for what, met in self.targets],
            "refused": list(self.refused),
        }


def enter_order(order: Any, problem: Problem) -> Ready:
    """Prepare the plan of an order."""
    plan, X = prepare_jacobian(problem.network, len(problem.X), order=order), problem.X
    return _agreeing(problem, lambda: plan(X))


def enter_call(problem: Problem) -> Ready:
    """Prepare nothing: every call does."""
    return _agreeing(problem, partial(jacobian, problem.network, problem.X))


def enter_jax(transform: str, problem: Problem) -> Ready:
    """Prepare ``jax.jacrev`` or ``jax.jacfwd`` for a batch, compiled."""
    jax = needs("peers", "jax", "this row")
    problem = checked(problem)
    jax.config.update("jax_enable_x64", True)

    def outputs(x: Any, parameters: Any) -> Any:
        for w, b in zip(parameters[::2], parameters[1::2], strict=True):
            x = jax.nn.sigmoid(w @ x + b)
        return x

    parameters, X = jax.device_put((parameters_of(problem), problem.X))
    jacobians = jax.vmap(getattr(jax, transform)(outputs), in_axes=(0, None))
    program = jax.jit(jacobians).lower(X, parameters).compile()
    return _agreeing(problem, lambda: jax.block_until_ready(program(X, parameters)))


def enter_torch(problem: Problem) -> Ready:
    """Prepare ``torch.func.jacrev`` for a batch."""
    torch = needs("peers", "torch", "this row")
    problem = checked(problem)
    parameters, X = [torch.from_numpy(part) for part in parameters_of(problem)], torch.from_numpy(problem.X.copy())

    def outputs(x: Any) -> Any:
        for w, b in zip(parameters[::2], parameters[1::2], strict=True):
            x = torch.sigmoid(w @ x + b)
        return x

    jacobians = torch.func.vmap(torch.func.jacrev(outputs))
    return _agreeing(problem, lambda: jacobians(X))


RIVALS: dict[str, Callable[[Problem], Ready]] = {
    "jax.jacrev": partial(enter_jax, "jacrev"),
    "jax.jacfwd": partial(enter_jax, "jacfwd"),
    "torch.func.jacrev": enter_torch,
}
"""The rivals, and what prepares each."""


def _agreeing(problem: Problem, call: Callable[[], Any]) -> Ready:
    """Return a call whose Jacobian of the first example has been judged by T4.

    Raises
    ------
    CandidateFailed
        If it is different from the reference.
    """
    found: Array = np.asarray(call())[:1]
    first = Batch(problem.X[:1], problem.Y[:1], None, get_cost(problem.cost))
    ((value, bound),) = OperatorReference("jacobian", Point(problem.network, first)).granting(Formulas.CUSTOMARY)
    ratio = float(np.max(np.abs(found - value) / bound))
    if not (found.shape == value.shape and ratio <= 1):
        raise CandidateFailed(f"its Jacobian is different from the reference, by {ratio:.3g} times the bound.")
    return Ready(call, None)


def measure_jacobians(
    cells: Iterable[Cell] = CELLS,
    dtypes: Iterable[str] | None = None,
    *,
    rivals: Iterable[str] = tuple(RIVALS),
    threads: int | None = None,
    budget: float = 0.25,
    progress: Callable[[str], object] = str,
) -> Jacobians:
    """Time the Jacobians of each cell in interleaved rounds.

    Parameters
    ----------
    cells : iterable of Cell
        Sizes and batches.
    dtypes : iterable of str, optional
        float32, float64; both by default.
    rivals : iterable of str
        Names of :data:`RIVALS`.
    threads : int, optional
        Threads of BLAS, OpenMP and PyTorch; unchanged by default.
    budget : float
        Seconds of measurement for each row.
    progress : callable
        Called with each step before it begins.

    Returns
    -------
    Jacobians
        True if the targets are met.
    """
    budget, names = positive_number(budget, "budget"), list(rivals)
    rows: list[Row] = []
    refused: list[str] = []
    ours: dict[str, Callable[[Problem], Ready]] = {order: partial(enter_order, order) for order in ORDERS}
    ours[CALL] = enter_call
    for cell in cells:
        for dtype in read_dtypes(dtypes):
            where = f"{cell.title}, {dtype}"
            problem = cell.problem(dtype)
            entered = {name: partial(enter, problem) for name, enter in ours.items()}
            with ExitStack() as processes:
                for name in names:
                    alone = isolate(Contestant(name, Kind.PEER, RIVALS[name]), cell, dtype, threads)
                    entered[name] = partial(processes.enter_context, alone)
                calls, reasons = prepare_rows(entered, where, progress)
                refused += reasons
                progress(f"{where}: timing {len(calls)} rows")
                timings = interleave(
                    calls, baseline=OURS, budget=budget, sample=SAMPLE, settling=SETTLE, silence=SILENCE
                )
            for name, each in timings.items():
                brackets, count = "", None
                if name in ORDERS:
                    order: Any = name
                    plan = prepare_jacobian(problem.network, len(problem.X), order=order)
                    brackets, count = plan.brackets or "", plan.multiplications
                rows.append(Row(cell.title, dtype, name, brackets, count, each.seconds, each.ratio))
    return Jacobians(tuple(rows), tuple(dict.fromkeys(refused)))


def draw_jacobians(found: Jacobians) -> Any:
    """Return the figure: times over that of the optimal order, by size.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    return draw_ratios(
        found.rows,
        lambda row: row.over,
        ours=(OURS,),
        label=f"time over that of the order {OURS}",
        title="The Jacobians of a batch",
    )


@experiment(
    draw_jacobians,
    budget_option(0.25),
)
def main(budget: float, threads: int | None, progress: Callable[[str], object]) -> Jacobians:
    """Time the Jacobians of a batch, by order and beside JAX and PyTorch.

    \b
    Examples:
      python -m benchmarks.experiments.jacobians
      python -m benchmarks.experiments.jacobians --save jacobians.json --plot jacobians.png

    Exit status 0 if every target is met, else 1.
    """
    return measure_jacobians(threads=threads, budget=budget, progress=progress)


if __name__ == "__main__":
    main()
