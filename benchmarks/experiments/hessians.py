"""A Hessian product at a kept point, beside a gradient, JAX's and PyTorch's.

All rows multiply the same Hessian by the same vector, for sigmoid neurons and the quadratic cost, and the product is
judged first. Ours are timed as a user calls them, ``H @ v``, with all checks. A rival gets the same numbers in its own
kind of arrays, made beforehand:

- ``jax.linearize`` of the gradient, compiled, which keeps what it needs of the point, as ours do;
- ``jax.jvp`` of ``jax.grad``, compiled, which passes over the point again;
- PyTorch's gradient of its gradient, whose recording is kept.

Every library has one thread, on one core where the system can say so, and a time is CPU time, not
elapsed time. So no pool of threads waits for another, and other work on the machine is not counted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.experiments.measuring import prepare_rows
from benchmarks.experiments.pattern import PLACE, Column, Rows, budget_option, draw_ratios, experiment, plain, table
from formulations.arrays import Array, by_name, positive_number
from formulations.backends import DEFAULT, Tier
from formulations.comparison import limited_threads
from formulations.comparison.race.cells import Cell, read_dtypes
from formulations.comparison.race.contestant import Ready
from formulations.comparison.race.heat import SAMPLE, SETTLE
from formulations.comparison.race.ours import planned
from formulations.comparison.race.peers.problem import checked, parameters_of, quadratic
from formulations.comparison.timing import CpuTimed, interleave
from formulations.data import Problem
from formulations.display import Ratio, format_ratio, format_seconds
from formulations.exceptions import CandidateFailed, needs
from formulations.network import Point
from formulations.operators import hessian
from formulations.verification import OperatorReference, Status, Verdict, judge_operator

__all__ = ["CELLS", "RIVALS", "Hessians", "Product", "draw_hessians", "measure_hessians"]

CELLS = tuple(
    Cell(name, sizes, m)
    for name, sizes, m in (
        ("digits", (64, 30, 10), 10),
        ("digits", (64, 30, 10), 200),
        ("medium", (784, 100, 10), 100),
        ("deep", (64, *[30] * 8, 10), 100),
    )
)
GRADIENT = f"gradient, {DEFAULT}"
OURS = (DEFAULT, "fused")
IN_GRADIENTS = 2.0
"""The largest number of gradients that a product may take."""
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
"""For ``XLA_FLAGS``, which XLA reads when JAX is first used."""


@dataclass(frozen=True)
class Product:
    """A row: one way to compute the product, at one size.

    Attributes
    ----------
    cell, dtype : str
        Where it was measured.
    name : str
        A backend, or a rival.
    seconds : float
        The median.
    gradients : Ratio
        This time over that of a gradient, round by round.
    hadamard, fused : Ratio or None
        The time of that backend over this one, round by round; None if it was not timed, or is this one.
    """

    cell: str
    dtype: str
    name: str
    seconds: float
    gradients: Ratio
    hadamard: Ratio | None
    fused: Ratio | None

    @property
    def best(self) -> float:
        """The median of the faster one of our backends over this row."""
        return min(ratio.median for ratio in (self.hadamard, self.fused, Ratio.exactly(np.inf)) if ratio is not None)


COLUMNS = (
    *PLACE,
    Column[Product]("a product by", lambda row: row.name, left=True),
    Column[Product]("time", lambda row: format_seconds(row.seconds)),
    Column[Product]("in gradients", lambda row: format_ratio(row.gradients)),
    Column[Product]("hadamard over it", lambda row: format_ratio(row.hadamard)),
    Column[Product]("fused over it", lambda row: format_ratio(row.fused)),
)


@dataclass(frozen=True)
class Hessians(Rows[Product]):
    """The result of :func:`measure_hessians`."""

    @property
    def missed(self) -> list[str]:
        """The targets that are missed, in words."""
        said = []
        for row in self.rows:
            where = f"{row.cell}, {row.dtype}"
            if row.name == DEFAULT and row.gradients.median > IN_GRADIENTS:
                said.append(f"{where}: {row.name} takes more than {IN_GRADIENTS:g} gradients")
            if row.name in RIVALS and row.best > 1:
                said.append(f"{where}: {row.name} is faster than {' and '.join(OURS)}")
        return said

    def __bool__(self) -> bool:
        return not self.missed and not self.refused

    def __str__(self) -> str:
        missed = "".join(f"\nMissed: {each}." for each in self.missed)
        return (
            f"{table(self.rows, COLUMNS)}\n\n"
            f"Targets: {DEFAULT} within {IN_GRADIENTS:g} gradients, and the best of {', '.join(OURS)} not slower than "
            f"any rival: {'met' if self else 'missed'}.{missed}{self.not_measured}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python values."""
        return {
            "rows": [_plain(row) for row in self.rows],
            "missed": self.missed,
            "refused": list(self.refused),
        }


@contextmanager
def one_thread() -> Iterator[None]:
    """Give the libraries one thread, and the process one core, inside a ``with`` block."""
    with limited_threads(1):
        if not hasattr(os, "sched_setaffinity"):
            yield
            return
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(before)})
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)


def _plain(row: Product) -> dict[str, Any]:
    ratios = {name: getattr(row, name) for name in ("gradients", "hadamard", "fused")}
    return {**plain(row), **{name: ratio and ratio.to_dict() for name, ratio in ratios.items()}}


def direction(problem: Problem) -> Array:
    """Return the direction, the same in every process."""
    drawn: Array = np.random.default_rng(0).standard_normal(problem.network.layout.count)
    return drawn.astype(problem.network.dtype)


def judged(problem: Problem, tier: Tier, product: Any) -> Verdict:
    """Return the verdict on a product, or on the parts of one in the order w², b², w³, b³, …."""
    if isinstance(product, (list, tuple)):
        product = np.concatenate([np.asarray(part).ravel() for part in product])
    net = problem.network
    batch = net.check_examples(problem.X, problem.Y, cost=problem.cost)
    reference = OperatorReference("hessian", Point(net, batch), direction(problem))
    candidate: Any = SimpleNamespace(backend=SimpleNamespace(tier=tier), point=reference.point)
    return judge_operator(candidate, product, reference)


def _agreeing(problem: Problem, call: Callable[[], Any], tier: Tier = Tier.ELSEWHERE) -> Ready:
    """Return a call whose product has been judged.

    Raises
    ------
    CandidateFailed
        If it is different from the reference.
    """
    verdict = judged(problem, tier, call())
    if verdict.status is Status.DIFFERENT:
        raise CandidateFailed(f"its product is different from the reference: {verdict.reason}")
    return Ready(call, None)


def enter_operator(backend: str, problem: Problem) -> Ready:
    """Prepare the operator of a backend."""
    H, v = hessian(problem.network, problem.X, problem.Y, problem.cost, backend), direction(problem)
    return _agreeing(problem, lambda: H @ v, H.backend.tier)


def enter_jax(kept: bool, problem: Problem) -> Ready:
    """Prepare ``jax.linearize`` of the gradient if the point is to be kept, else ``jax.jvp`` of it."""
    jax = needs("peers", "jax", "this row")
    problem = checked(problem)

    def value(parameters: Any, X: Any, Y: Any) -> Any:
        return quadratic(jax.nn.sigmoid, parameters, X, Y)

    def product(w: Any, moved: Any, X: Any, Y: Any) -> Any:
        return jax.jvp(lambda w: jax.grad(value)(w, X, Y), (w,), (moved,))[1]

    with jax.enable_x64(True):
        cpu = jax.local_devices(backend="cpu")[0]
        w, moved, X, Y = jax.device_put((parameters_of(problem), moved_of(problem), problem.X, problem.Y), cpu)
        linear = jax.linearize(lambda w: jax.grad(value)(w, X, Y), w)[1] if kept else product
        given = (moved,) if kept else (w, moved, X, Y)
        program = jax.jit(linear).lower(*given).compile()
    return _agreeing(problem, lambda: jax.block_until_ready(program(*given)))


def enter_torch(problem: Problem) -> Ready:
    """Prepare PyTorch's gradient, with its recording."""
    torch = needs("peers", "torch", "this row")
    problem = checked(problem)
    w = [torch.from_numpy(part).requires_grad_() for part in parameters_of(problem)]
    moved = [torch.from_numpy(part) for part in moved_of(problem)]
    C = quadratic(torch.sigmoid, w, torch.from_numpy(problem.X.copy()), torch.from_numpy(problem.Y.copy()))
    gradient = torch.autograd.grad(C, w, create_graph=True)
    return _agreeing(problem, lambda: torch.autograd.grad(gradient, w, moved, retain_graph=True))


def moved_of(problem: Problem) -> list[Array]:
    """Return the direction as ẇ², ḃ², ẇ³, ḃ³ and so on."""
    net = problem.network
    return parameters_of(replace(problem, network=net.with_vector(direction(problem))))


LINEARIZE = "jax.linearize(grad)"
RIVALS: dict[str, Callable[[Problem], Ready]] = {
    LINEARIZE: partial(enter_jax, True),
    "jax.jvp(grad)": partial(enter_jax, False),
    "torch, twice backward": enter_torch,
}
"""The rivals, and what prepares each."""


def measure_hessians(
    cells: Iterable[Cell] = CELLS,
    dtypes: Iterable[str] | None = None,
    *,
    rivals: Iterable[str] | None = None,
    budget: float = 0.5,
    progress: Callable[[str], object] = str,
) -> Hessians:
    """Time the products of each cell in interleaved rounds, beside a gradient.

    Parameters
    ----------
    cells : iterable of Cell
        Sizes and batches.
    dtypes : iterable of str, optional
        float32, float64; both by default.
    rivals : iterable of str, optional
        Names of :data:`RIVALS`; all by default.
    budget : float
        Seconds of measurement for each row.
    progress : callable
        Called with each step before it begins.

    Returns
    -------
    Hessians
        True if the targets are met.
    """
    budget, chosen = positive_number(budget, "budget"), by_name(RIVALS, rivals, "rival", "rivals", some=False)
    entered: dict[str, Callable[[Problem], Ready]] = {name: partial(enter_operator, name) for name in OURS}
    entered |= chosen
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {ONE_THREAD}"
    rows: list[Product] = []
    refused: list[str] = []
    # Also while the rows are prepared: threads that a library starts then inherit the core.
    with one_thread():
        for cell in cells:
            for dtype in read_dtypes(dtypes):
                found, reasons = _measured(cell, dtype, entered, budget, progress)
                rows += found
                refused += reasons
    return Hessians(tuple(rows), tuple(refused))


def _measured(
    cell: Cell,
    dtype: str,
    entered: Mapping[str, Callable[[Problem], Ready]],
    budget: float,
    progress: Callable[[str], object],
) -> tuple[list[Product], list[str]]:
    """Return the rows of a cell, and the reasons why others are missing."""
    where, problem = f"{cell.title}, {dtype}", cell.problem(dtype)
    calls, refused = prepare_rows({name: partial(enter, problem) for name, enter in entered.items()}, where, progress)
    calls = {GRADIENT: planned(DEFAULT).enter(problem).call, **calls}
    progress(f"{where}: timing {len(calls)} rows")
    timed = {name: CpuTimed(call) for name, call in calls.items()}
    timings = interleave(timed, baseline=GRADIENT, budget=budget, sample=SAMPLE, settling=SETTLE)
    ours = [timings.get(name) for name in OURS]
    rows = []
    for name, each in timings.items():
        over = (None if mine is None or mine is each else mine.over(each) for mine in ours)
        rows.append(Product(cell.title, dtype, name, each.seconds, each.ratio, *over))
    return rows, refused


def draw_hessians(found: Hessians) -> Any:
    """Return the figure: the products in gradients, by size.

    Raises
    ------
    MissingExtra
        If matplotlib is not installed.
    """
    return draw_ratios(
        [row for row in found.rows if row.name != GRADIENT],
        lambda row: row.gradients,
        ours=OURS,
        label=f"time over that of a gradient by {DEFAULT}",
        title="A Hessian product at a kept point",
    )


@experiment(
    draw_hessians,
    budget_option(0.5),
)
def main(budget: float, progress: Callable[[str], object]) -> Hessians:
    """Time a Hessian product beside a gradient, JAX's and PyTorch's.

    \b
    Examples:
      python -m benchmarks.experiments.hessians
      python -m benchmarks.experiments.hessians --save hessians.json

    Exit status 0 if every target is met, else 1.
    """
    return measure_hessians(budget=budget, progress=progress)


if __name__ == "__main__":
    main()
