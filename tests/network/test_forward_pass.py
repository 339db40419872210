"""The forward pass: a function of a network and a tape, which only reads its network."""

from __future__ import annotations

from types import SimpleNamespace

import makers
import numpy as np
import pytest

import formulations as fm


@pytest.mark.parametrize("backend", fm.list_backends())
def test_a_tape_reads_its_network_and_never_calls_it(backend):
    net = makers.network(activations=("identity", "identity")) if "linear" in backend else makers.network()
    if fm.which(net)[backend]:
        pytest.skip(fm.which(net)[backend])
    X, Y = makers.data(net)
    plan = fm.prepare(net, len(X), backend=backend)
    plan(X, Y)
    data = ("activations", "biases", "dtype", "layout", "vector", "weights")
    plan.tape.network = SimpleNamespace(**{name: getattr(net, name) for name in data})
    assert np.array_equal(plan(X, Y).vector, fm.gradient(net, X, Y, backend=backend).vector)
