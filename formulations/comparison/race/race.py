"""The race of gradients: backends, other packages, the book's loop, and the products alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from formulations.arrays import items, positive_integer, positive_number
from formulations.backends import DEFAULT
from formulations.comparison.race.book import BOOK
from formulations.comparison.race.cells import read_cells, read_dtypes
from formulations.comparison.race.floor import FLOOR
from formulations.comparison.race.heat import Settings, run_heat
from formulations.comparison.race.machine import describe_machine
from formulations.comparison.race.ours import CONTROL, NULL, default_flags, one_call, planned
from formulations.comparison.race.peers import read_peers
from formulations.comparison.race.results import Race
from formulations.comparison.threads import limited_threads

__all__ = ["run_race"]

BASELINE = DEFAULT
LEGEND = (
    "time: the median of a call. Ratios: the median of the ratios of all rounds, and their quartiles.\n"
    "first call: includes preparation and compilation. null: the overhead of a plan's checks.\n"
    f"control: {BASELINE} again; it differs from {BASELINE} by the machine's noise."
)


def run_race(
    cells: Iterable[str] | None = None,
    dtypes: Iterable[str] | None = None,
    backends: Sequence[str] | None = None,
    against: Iterable[str] | None = None,
    *,
    threads: int | None = None,
    budget: float = 0.25,
    progress: Callable[[str], object] | None = None,
) -> Race:
    """Race backends against peers, the book's loop and the products alone.

    Peers with their own pools of threads run in separate processes, which import the calling script again: in a script,
    call this below ``if __name__ == "__main__":``, or with ``against=[]``.

    Parameters
    ----------
    cells : iterable of str, optional
        Names of :data:`~formulations.comparison.race.cells.CELLS`; all by default.
    dtypes : iterable of str, optional
        float32, float64; both by default.
    backends : sequence of str, optional
        Flags; by default every backend except the engines, Σ in three forms. ``hadamard`` always runs.
    against : iterable of str, optional
        Names of :data:`~formulations.comparison.race.peers.table.PEERS`; all by default. A row says so if its package
        is not installed.
    threads : int, optional
        Threads of BLAS, OpenMP and PyTorch; unchanged by default.
    budget : float
        Seconds of measurement for each row of each cell; warm-up, and pauses between rows, add to it.
    progress : callable, optional
        Called with each step before it begins.

    Returns
    -------
    Race
        Rows by cell and dtype, with times and paired ratios.

    Raises
    ------
    UnknownName, InvalidInput, WrongType
        If a cell, dtype, backend, peer or number cannot be used, or none is named but one is needed.
    """
    chosen, precisions = read_cells(cells), read_dtypes(dtypes)
    budget = positive_number(budget, "budget")
    threads = None if threads is None else positive_integer(threads, "threads")
    named = default_flags() if backends is None else items(backends, "backends", "['sigma']", one=str, some=False)
    flags = list(dict.fromkeys([BASELINE, *named]))
    calls = [one_call(flag) for flag in flags if flag in (BASELINE, "fused")]
    field = [FLOOR, NULL, *map(planned, flags), CONTROL, *calls, BOOK, *read_peers(against)]
    with limited_threads(threads):
        settings = Settings(BASELINE, budget, threads, progress or (lambda _: None))
        heats = [run_heat(cell, dtype, field, settings) for cell in chosen for dtype in precisions]
        # After the race, when all libraries have been loaded.
        facts = describe_machine()
    return Race(tuple(heats), {**facts, "threads": threads}, LEGEND)
