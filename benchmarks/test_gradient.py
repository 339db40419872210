"""One gradient by a prepared plan, for every backend that can serve the network: ``pytest benchmarks``."""

from __future__ import annotations

import numpy as np
import pytest

import formulations as fm

CELLS = {
    "book": ([784, 30, 10], 10),
    "digits": ([64, 30, 10], 10),
    "medium": ([784, 100, 10], 100),
}
# A gradient by perturbation takes thousands of forward passes; its time is the forward pass's, times their number.
BACKENDS = [name for name in fm.list_backends() if fm.get_backend(name).tier is not fm.Tier.PERTURBATION]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_gradient(benchmark, backend, cell, dtype):
    sizes, m = CELLS[cell]
    net = fm.Network.random(sizes, seed=0, dtype=dtype)
    if reason := fm.which(net)[backend]:
        pytest.skip(reason)
    random = np.random.default_rng(0)
    X, Y = random.random((m, sizes[0])).astype(dtype), random.random((m, sizes[-1])).astype(dtype)
    benchmark.group = f"{cell} {dtype}"
    gradient = benchmark(fm.prepare(net, m, backend=backend), X, Y)
    assert np.isfinite(gradient.vector).all()
