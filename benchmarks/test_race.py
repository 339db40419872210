"""The race's cells one by one: ``pytest benchmarks``. A gradient that is different fails before it is timed."""

from __future__ import annotations

import numpy as np
import pytest

from formulations.arrays import use_budget
from formulations.backends import DEFAULT
from formulations.comparison.race.book import BOOK
from formulations.comparison.race.cells import CELLS, RACE_DTYPES
from formulations.comparison.race.floor import FLOOR
from formulations.comparison.race.ours import NULL, default_flags, one_call, planned
from formulations.comparison.race.peers.table import PEERS
from formulations.exceptions import FormulationsException

FIELD = [FLOOR, NULL, *map(planned, default_flags()), one_call(DEFAULT), BOOK, *PEERS.values()]
# Seconds; longer calls are those of perturbation, whose time is that of their forward passes.
LONGEST = 0.05


@pytest.mark.parametrize("dtype", RACE_DTYPES)
@pytest.mark.parametrize("cell", CELLS.values(), ids=lambda cell: cell.name)
@pytest.mark.parametrize("contestant", FIELD, ids=lambda contestant: contestant.name)
def test_gradient(benchmark, contestant, cell, dtype):
    if contestant.name == "torch.compile" and benchmark.disabled:
        pytest.skip("it compiles for half a minute in each cell, and there is nothing to time")
    problem = cell.problem(dtype)
    if contestant.why_not is not None and (reason := contestant.why_not(problem)):
        pytest.skip(reason)
    try:
        with use_budget(seconds=LONGEST):
            ready = contestant.enter(problem)
    except FormulationsException as refusal:
        pytest.skip(str(refusal))
    benchmark.group = f"{cell.name} {dtype}"
    with np.errstate(all="ignore"):
        result = ready.call()
        if ready.judge is not None and cell.name in ("book", "digits"):
            assert ready.judge(result).status != "different"
        benchmark(ready.call)
