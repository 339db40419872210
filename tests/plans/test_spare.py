"""What a gradient in one call leaves with its network, for the next call like it; and when it does not."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import makers
import numpy as np
import pytest
from scipy.sparse import csr_array

import formulations as fm
from formulations.exceptions import InvalidInput, NotFinite, Refused
from formulations.functions.costs.base import Cost
from formulations.network import forward
from formulations.plans import spare


def plan_of(net):
    return vars(net)[spare.SPARE][1]


def test_the_next_call_like_it_takes_the_same_plan():
    net = makers.network()
    X, Y = makers.data(net)
    fm.gradient(net, X, Y)
    first = plan_of(net)
    fm.gradient(net, 1 - X, Y, sample_weight=np.arange(8.0))
    assert plan_of(net) is first


@pytest.mark.parametrize(
    "changed",
    [
        {"backend": "sigma"},
        {"backend": "hadamard:batch=example"},
        {"cost": fm.cost(lambda A, Y: (A * Y).sum(axis=1), lambda A, Y: Y + 0 * A, name="overlap")},
        {"X": slice(0, 3), "Y": slice(0, 3)},
    ],
    ids=["backend", "option", "cost", "examples"],
)
def test_another_call_gets_what_it_asks_for(changed):
    net = makers.network()
    X, Y = makers.data(net)
    fm.gradient(net, X, Y)
    first = plan_of(net)
    given = {"X": X, "Y": Y} | {
        key: {"X": X, "Y": Y}[key][part] if isinstance(part, slice) else part for key, part in changed.items()
    }
    found = fm.gradient(net, **given)
    assert plan_of(net) is not first
    fresh = fm.gradient(net.copy(), **given)
    assert (found.vector.tobytes(), found.cost, found.backend) == (fresh.vector.tobytes(), fresh.cost, fresh.backend)


def test_a_block_or_the_variable_is_read_at_every_call(monkeypatch):
    net = makers.network()
    X, Y = makers.data(net)
    assert fm.gradient(net, X, Y).backend == "hadamard"
    with fm.use_backend("sigma"):
        assert fm.gradient(net, X, Y).backend == "sigma"
    monkeypatch.setenv("FORMULATIONS_BACKEND", "per_neuron")
    assert fm.gradient(net, X, Y).backend == "per_neuron"


def test_results_have_memory_of_their_own():
    net = makers.network()
    X, Y = makers.data(net)
    first = fm.gradient(net, X, Y)
    kept = first.copy()
    second = fm.gradient(net, 1 - X, Y)
    assert np.array_equal(first.vector, kept.vector)
    assert all(np.array_equal(a, b) for a, b in zip(first.errors, kept.errors, strict=True))
    assert not any(np.shares_memory(a, b) for a, b in zip(first.errors, second.errors, strict=True))


def test_a_plan_in_use_is_not_shared():
    seen = []

    class Looking(makers.HadamardWrapper):
        name = "looking"

        def gradient(self, network, tape, gradient):
            seen.append(spare.SPARE in vars(net))
            super().gradient(network, tape, gradient)

    net, backend = makers.network(), Looking()
    X, Y = makers.data(net)
    for _ in range(2):
        fm.gradient(net, X, Y, backend=backend)
    assert seen == [False, False]


def test_threads_share_a_network():
    net = makers.network(sizes=(20, 30, 10))
    batches = [makers.data(net, seed=seed) for seed in range(8)]
    alone = [fm.gradient(net.copy(), *batch).vector for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: fm.gradient(net, *batches[x % 8]).vector, range(400)))
    assert all(np.array_equal(vector, alone[x % 8]) for x, vector in enumerate(found))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["hadamard", "sigma", "fused"])
def test_eight_threads_get_the_bits_of_one_in_a_thousand_gradients_each(backend):
    makers.skip_absent(backend)
    # OpenBLAS takes products of up to 2¹⁸ multiplications in one thread; split among several, sums round differently.
    net = makers.network(sizes=(20, 30, 10))
    assert 16 * max(w.size for w in net.weights) <= 2**18
    # Calls of two sizes compete for the network's spare plan, each thread with examples of its own.
    calls = [[makers.data(net, m, seed=seed) for m in (3, 16)] for seed in range(8)]
    alone = [[fm.gradient(net.copy(), *call, backend=backend) for call in mine] for mine in calls]
    started, shared = threading.Barrier(8), net.vector.copy()
    interval = sys.getswitchinterval()

    def work(thread):
        started.wait()
        for x in range(1000):
            m = x // 50 % 2
            found, expected = fm.gradient(net, *calls[thread][m], backend=backend), alone[thread][m]
            assert np.array_equal(found.vector, expected.vector)
            assert found.cost == expected.cost
            assert all(map(np.array_equal, found.errors, expected.errors))

    try:
        sys.setswitchinterval(1e-5)  # so that threads interrupt each other within a gradient
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
    finally:
        sys.setswitchinterval(interval)
    assert np.array_equal(net.vector, shared)


def test_parameters_are_read_at_each_call():
    net = makers.network()
    X, Y = makers.data(net)
    fm.gradient(net, X, Y)
    net.vector *= 0.5
    assert np.array_equal(fm.gradient(net, X, Y).vector, fm.gradient(net.copy(), X, Y).vector)


def test_a_smaller_budget_is_kept():
    net = makers.network()
    X, Y = makers.data(net)
    fm.gradient(net, X, Y)
    with fm.use_budget(memory=1), pytest.raises(Refused):
        fm.gradient(net, X, Y)


def test_what_is_large_is_not_kept(monkeypatch):
    monkeypatch.setattr(spare, "SPARED", 0)
    net = makers.network()
    fm.gradient(net, *makers.data(net))
    assert spare.SPARE not in vars(net)


def test_copies_have_none_and_a_failure_leaves_none():
    net = makers.network()
    X, Y = makers.data(net)
    fm.gradient(net, X, Y)
    for other in (net.copy(), copy.deepcopy(net), pickle.loads(pickle.dumps(net)), net.astype("float32")):
        assert spare.SPARE not in vars(other)
    net.vector[...] = np.nan
    with pytest.raises(NotFinite):
        fm.gradient(net, X, Y)
    assert spare.SPARE not in vars(net)


@pytest.mark.parametrize("flag", ["hadamard", "hadamard:batch=example"])
def test_the_examples_are_let_go(flag):
    net = makers.network()
    X, Y = makers.data(net)
    kept = weakref.ref(X), weakref.ref(Y)
    fm.gradient(net, X, Y, backend=flag)
    assert spare.SPARE in vars(net)
    del X, Y
    gc.collect()
    assert [reference() for reference in kept] == [None, None]


def test_the_gradient_counts_for_what_is_large(monkeypatch):
    net = makers.network()
    X, Y = makers.data(net)
    monkeypatch.setattr(spare, "SPARED", fm.get_backend("hadamard").estimate(net, len(X)).bytes)
    fm.gradient(net, X, Y)
    assert spare.SPARE not in vars(net)


def test_network_and_plan_go_with_the_last_name_and_not_by_the_collector():
    net = makers.network()
    fm.gradient(net, *makers.data(net))
    held = weakref.ref(net), weakref.ref(plan_of(net))
    gc.disable()
    try:
        del net
        assert [reference() for reference in held] == [None, None]
    finally:
        gc.enable()


def test_entries_that_are_no_longer_the_vectors_are_refused_by_a_kept_plan():
    net = fm.Network([csr_array(np.eye(3))], [np.zeros(3)])
    X = np.ones((2, 3))
    fm.gradient(net, X, X)
    net.weights[0].data = np.ones(3)
    with pytest.raises(InvalidInput, match=r"weights\[0\]\.data is a view into the flat vector"):
        fm.gradient(net, X, X)


def test_costs_are_distinguished_by_identity():
    @dataclass(frozen=True)
    class Weighted(Cost):
        w: np.ndarray
        name = "weighted"

        def evaluate(self, A, Y, gradient=None):
            d = A - Y
            if gradient is not None:
                gradient[...] = d * self.w
            return 0.5 * (self.w * d * d).sum(axis=1)

    net = makers.network()
    X, Y = makers.data(net)
    one, two = (fm.gradient(net, X, Y, cost=Weighted(np.full(3, w))).vector for w in (1.0, 2.0))
    assert np.array_equal(2 * one, two)


def test_a_copied_tape_has_its_own_buffers():
    net = makers.network()
    X, Y = makers.data(net)
    other = copy.deepcopy(net.forward(X, Y))
    other.network.vector[...] *= 2
    forward(other.network, other)
    assert np.array_equal(other.output, other.network(X))


def test_a_finite_cost_with_an_infinite_gradient_is_refused():
    net = fm.Network([[[1e-170]]], [[0.0]], "identity")
    with pytest.raises(NotFinite, match="∂C/∂weights"):
        fm.gradient(net, [[1e308]], [[0.0]])


@pytest.mark.skipif(np.finfo(np.longdouble).max <= np.finfo(float).max, reason="longdouble is no longer than float64")
def test_a_cost_beyond_float64_is_finite_in_longdouble():
    net = fm.Network([[[1]]], [[0]], "identity", dtype="longdouble")
    x = np.longdouble("1e2000")
    assert fm.gradient(net, [[x]], [[0]]).cost == x * x / 2
