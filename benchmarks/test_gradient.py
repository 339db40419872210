"""One gradient by a prepared plan, for every backend that can serve the network: ``pytest benchmarks``."""

from __future__ import annotations

import numpy as np
import pytest

import formulations as fm
from formulations.problem import make_problem
from formulations.scenarios import SCENARIOS

CELLS = {
    "book": lambda dtype: make_problem([784, 30, 10], dtype=dtype, count=10),
    "digits": SCENARIOS["digits"],
    "medium": lambda dtype: make_problem([784, 100, 10], dtype=dtype, count=100),
}
# What takes longer than this is a number of forward passes, and takes as much longer as they are many.
LONGEST = 0.05


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("backend", fm.list_backends())
def test_gradient(benchmark, backend, cell, dtype):
    problem = CELLS[cell](dtype)
    with fm.use_budget(seconds=LONGEST):
        reason = fm.which(problem.network, problem.cost, len(problem.X))[backend]
    if reason:
        pytest.skip(reason)
    benchmark.group = f"{cell} {dtype}"
    plan = fm.prepare(problem.network, len(problem.X), problem.cost, backend)
    gradient = benchmark(plan, problem.X, problem.Y)
    assert np.isfinite(gradient.vector).all()
