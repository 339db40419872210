"""The cost over sources as SciPy's optimizers take it, gradients in one call, and what resumes a search."""

from __future__ import annotations

import copy
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context

import bounds
import makers
import numpy as np
import pytest
from scipy.optimize import minimize

import formulations as fm
from formulations.exceptions import GradientNotFinite, InvalidInput, NotFinite, Refused, WrongShape, WrongType

pytest.importorskip("threadpoolctl")

EXAMPLES = 60


class Case:
    """A network, its examples in memory, and sources of them: files, arrays and a callable, of unequal lengths."""

    def __init__(self, folder, dtype="float64"):
        self.net = makers.network(dtype=dtype)
        self.X, self.Y = makers.data(self.net, EXAMPLES)
        self.weights = np.random.default_rng(4).random(EXAMPLES) * 5
        np.save(folder / "X.npy", self.X)
        np.save(folder / "Y.npy", self.Y)
        np.save(folder / "weights.npy", self.weights)
        self.paths = [folder / f"{name}.npy" for name in ("X", "Y", "weights")]
        self.files = fm.sources(*self.paths, rows=7)
        self.mixed = [
            (self.X[:20], self.Y[:20], self.weights[:20]),
            lambda: (self.X[20:33], self.Y[20:33], self.weights[20:33]),
            *fm.sources(*(np.load(path, mmap_mode="r")[33:] for path in self.paths)),
        ]

    def bound(self, net):
        """What the gradients in memory and over sources, and their costs, may differ by."""
        # T4 counts m + 3 roundings of u in a sum over m examples. One by chunks meets fewer, and that of all chunks a
        # last one.
        own = bounds.propagated(net, self.X, self.Y, sample_weight=self.weights)
        last = 2 * bounds.unit(net.dtype)
        found = fm.gradient(net, self.X, self.Y, sample_weight=self.weights)
        return 2 * own.vector + last * np.abs(found.vector), 2 * own.cost + last * found.cost


@pytest.fixture
def case(tmp_path):
    return Case(tmp_path, "float32")


def elsewhere(net, seed=5):
    return net.vector + np.random.default_rng(seed).normal(scale=0.1, size=net.vector.size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["files", "mixed"])
def test_it_is_the_objective_in_memory_within_rounding(tmp_path, kind, dtype):
    case = Case(tmp_path, dtype)
    here = fm.objective(case.net, case.X, case.Y, l2=0.25, sample_weight=case.weights)
    over = fm.objective(case.net, getattr(case, kind), l2=0.25)
    assert np.array_equal(over.x0, here.x0)
    for v in (over.x0, elsewhere(case.net).astype(float)):
        vector, cost = case.bound(here.network(v))
        assert bounds.within(over.jac(v) - here.jac(v), vector)
        assert abs(over.fun(v) - here.fun(v)) <= cost
        assert type(over.fun(v)) is float and over.jac(v).dtype == float
        found = over.fun_and_jac(v)
        assert found[0] == over.fun(v) and np.array_equal(found[1], over.jac(v))
    assert np.array_equal(over.network(over.x0).vector, case.net.vector)


def test_one_pass_serves_cost_and_gradient_at_the_last_two_vectors(case):
    reads = []

    def read():
        reads.append(1)
        return case.X, case.Y

    o = fm.objective(case.net, [read])
    one, other = o.x0, elsewhere(case.net)
    values = o.fun(one), o.jac(one).copy(), *o.fun_and_jac(one)
    assert len(reads) == 1 and o.work.forward_passes == o.work.backward_passes == 1
    o.fun(other)
    assert o.fun(one) == values[0] and np.array_equal(o.jac(one), values[1])
    assert len(reads) == 2


@pytest.mark.parametrize("over", [False, True])
def test_an_optimizer_may_change_its_vector_in_place(case, over):
    data = (case.files,) if over else (case.X, case.Y)
    o = fm.objective(case.net, *data)
    v = o.x0
    for _ in range(3):
        cost, gradient = fm.objective(case.net, *data).fun_and_jac(v.copy())
        assert o.fun(v) == cost and np.array_equal(o.jac(v), gradient)
        v += 0.125


@pytest.mark.slow
def test_work_is_counted_in_passes_over_all_examples_as_in_memory(tmp_path, backend):
    check_work(Case(tmp_path), backend)


def test_work_is_that_of_one_pass_however_many_chunks_there_are(tmp_path):
    assert check_work(Case(tmp_path), "hadamard").forward_passes == 2
    assert check_work(Case(tmp_path), "hadamard:batch=example").forward_passes == 2 * EXAMPLES


def check_work(case, backend):
    """Return the work of two evaluations over sources, which must be that in memory."""
    net = makers.network(backend)
    here = fm.objective(net, case.X, case.Y, backend=backend)
    # Nine chunks, since each source begins a new one.
    over = fm.objective(net, fm.sources(*case.paths[:2], rows=7), backend=backend)
    for v in (here.x0, 1.1 * here.x0):
        here.fun_and_jac(v)
        over.fun_and_jac(v)
    assert over.work == here.work and over.work.backward_passes == 2
    return over.work


SPAWNING = partial(ProcessPoolExecutor, mp_context=get_context("spawn"))


@pytest.mark.parametrize(
    "pool", [ThreadPoolExecutor, pytest.param(SPAWNING, marks=pytest.mark.slow)], ids=["threads", "processes"]
)
def test_any_executor_gives_the_same_bits_and_the_same_search(tmp_path, pool):
    case = Case(tmp_path)

    def search(executor):
        o = fm.objective(case.net, case.files, l2=1e-3, executor=executor)
        found = minimize(o.fun_and_jac, o.x0, jac=True, method="L-BFGS-B", options={"maxiter": 5})
        return o.fun_and_jac(elsewhere(case.net)), found.x, found.fun, found.nfev

    (cost, gradient), *alone = search(None)
    with pool(2) as executor:
        (again, same), *found = search(executor)
        assert np.array_equal(fm.gradient(case.net, case.files, executor=executor).vector,
                              fm.gradient(case.net, case.files).vector)  # fmt: skip
    assert again == cost and np.array_equal(same, gradient)
    assert np.array_equal(found[0], alone[0]) and found[1:] == alone[1:]


def test_the_executor_computes(case):
    seen = set()

    def source():
        seen.add(threading.current_thread())
        return case.X, case.Y

    with ThreadPoolExecutor(1) as executor:
        o = fm.objective(case.net, [source], executor=executor)
        o.fun_and_jac(o.x0)
    assert seen and threading.current_thread() not in seen


def test_the_gradient_over_sources_is_that_of_a_plan(case):
    found = fm.gradient(case.net, case.files, cost="quadratic", backend="sigma")
    assert np.array_equal(found.vector, fm.prepare(case.net, "auto", backend="sigma").over(case.files).vector)
    assert found.backend == "sigma" and found.errors is None
    # A generator is read once, which is enough.
    assert np.array_equal(fm.gradient(case.net, iter(case.files), backend="sigma").vector, found.vector)


def test_progress_is_that_of_each_pass(case):
    told = []
    o = fm.objective(case.net, case.files, progress=told.append)
    o.fun(o.x0)
    assert [(done.chunks, done.examples) for done in told][-1] == (9, EXAMPLES)
    o.jac(elsewhere(case.net))
    assert len(told) == 18
    fm.gradient(case.net, case.files, progress=told.append)
    assert len(told) == 27


def test_files_are_described_once(case):
    o = fm.objective(case.net, [tuple(case.paths)])
    o.fun(o.x0)
    np.save(case.paths[0], np.zeros((EXAMPLES + 1, case.X.shape[1])))
    with pytest.raises(Refused, match="must not change"):
        o.fun(elsewhere(case.net))


def test_a_step_that_overshoots_is_infinite_and_faulty_data_are_an_exception():
    net = fm.Network([[[1.0]]], [[0.0]], "square")
    for dtype, far in (("float64", 1e200), ("float32", 1e60)):
        o = fm.objective(net.astype(dtype), [([[1.0]], [[1.0]]), ([[2.0]], [[2.0]])])
        v = np.array([far, 0.0])
        assert o.fun(v) == np.inf and np.isnan(o.jac(v)).all()
        assert o.work.forward_passes == o.work.backward_passes == 0
        # As in memory.
        assert not np.isfinite(fm.objective(net.astype(dtype), [[1.0], [2.0]], [[1.0], [2.0]]).fun(v))
        assert np.isfinite(o.fun(o.x0))
    with pytest.raises(GradientNotFinite):
        fm.gradient(net, [([[1e200]], [[1.0]])])
    o = fm.objective(net, [([[1.0]], [[1.0]]), lambda: ([[np.nan]], [[1.0]])])
    with pytest.raises(NotFinite, match=r"^in source 1") as caught:
        o.fun(o.x0)
    assert not isinstance(caught.value, GradientNotFinite)


def test_threads_take_turns_and_each_gets_its_result(case):
    o = fm.objective(case.net, case.files)
    vectors = [elsewhere(case.net, seed) for seed in range(4)]
    expected = [fm.objective(case.net, case.files).fun_and_jac(v) for v in vectors]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(o.fun_and_jac, vectors))
    for (cost, gradient), (right, vector) in zip(found, expected, strict=True):
        assert cost == right and np.array_equal(gradient, vector)


def test_what_needs_all_examples_in_memory_is_refused(case):
    o = fm.objective(case.net, case.files)
    calls = (lambda: o.hessp(o.x0, o.x0), lambda: o.hess(o.x0), lambda: o.residuals(o.x0),
             lambda: o.residual_jacobian(o.x0))  # fmt: skip
    for call in calls:
        with pytest.raises(Refused, match=r"needs all examples in memory, got sources, .*L-BFGS-B"):
            call()


def test_sources_and_arguments_that_cannot_be_used(case):
    X, Y, files = case.X, case.Y, case.files
    for function in (fm.gradient, fm.objective):
        for given, exception, message in [
            ({"X": files, "sample_weight": [1.0]}, InvalidInput, "sample_weight must be part of the sources"),
            ({"X": X}, WrongType, "Y must hold real numbers .* got None"),
            ({"X": X.tolist()}, WrongType, "Y must hold real numbers .* got None"),
            ({"X": X, "Y": Y, "progress": True}, InvalidInput, "progress must be left out with X and Y in memory"),
            ({"X": files, "Y": Y}, WrongType, "X and Y must be arrays, got .*; pass sources alone, without Y"),
            ({"X": "X.npy", "Y": "Y.npy"}, WrongType, "describe files by formulations.sources"),
            ({"X": [(X, Y), (X[:, :1], Y)]}, WrongShape, "^in source 1, X must have"),
            ({"X": [(X, Y), 3]}, WrongType, "^in source 1, there must be"),
            ({"X": files, "executor": 3}, WrongType, "executor must be None or an executor"),
        ]:
            with pytest.raises(exception, match=message):
                function(case.net, **given)
        with ThreadPoolExecutor(1) as threads, pytest.raises(InvalidInput, match="executor must be left out with X"):
            function(case.net, X, Y, executor=threads)
    with pytest.raises(WrongType, match="sources must be a list, since they are read again"):
        fm.objective(case.net, iter(files))
    with pytest.raises(WrongType, match="sources must be a list, got <Source"):
        fm.objective(case.net, files[0])
    ended = ThreadPoolExecutor(1)
    ended.shutdown()
    with pytest.raises(Refused, match="shut down"):
        fm.objective(case.net, files, executor=ended)
    with pytest.raises(Refused, match="backends that can"):
        fm.objective(case.net, files, backend="linear")


def test_it_is_copied_and_pickled_as_its_sources(case):
    o = fm.objective(case.net, case.files, l2=0.5)
    for other in (copy.copy(o), pickle.loads(pickle.dumps(o))):
        assert other.fun(o.x0) == o.fun(o.x0)
    assert repr(o) == f"<Objective of {case.net!r}, quadratic cost, l2=0.5, 9 sources, by hadamard>"
    before = o.fun(o.x0)
    case.net.vector[...] = 0
    assert fm.objective(case.net, case.files, l2=0.5).fun(o.x0) == before == o.fun(o.x0)


class Stop(Exception):
    """What interrupts a search."""


@pytest.mark.parametrize("over", [False, True])
def test_an_interrupted_search_goes_on_from_its_checkpoint(case, tmp_path, over):
    data = (case.files,) if over else (case.X, case.Y)
    path = tmp_path / "search.npz"
    make = partial(fm.objective, case.net, *data, l2=1e-3, checkpoint=path)
    o, seen = make(), []
    assert np.array_equal(o.x0, case.net.vector)

    def interrupted(v):
        if len(seen) == 6:
            raise Stop
        found = o.fun_and_jac(v)
        seen.append((found[0], np.array(v)))
        return found

    with pytest.raises(Stop):
        minimize(interrupted, o.x0, jac=True, method="L-BFGS-B")
    lowest, best = min(seen, key=lambda each: each[0])
    assert np.array_equal(fm.load(path).vector, best.astype(case.net.dtype))
    again = make()
    assert np.array_equal(again.x0, best.astype(case.net.dtype))
    # The file keeps the parameters in the network's dtype, so the penalty may be rounded otherwise.
    penalty = 1e-3 * float(np.dot(best, best)) * 2 * bounds.unit(case.net.dtype)
    assert abs(again.fun(again.x0) - lowest) <= penalty + 4 * bounds.unit("float64") * lowest
    found = minimize(again.fun_and_jac, again.x0, jac=True, method="L-BFGS-B", options={"maxiter": 5})
    assert found.fun < lowest
    # What is no lower is not written.
    before = path.read_bytes()
    again.fun(case.net.vector)
    assert path.read_bytes() == before


def test_a_checkpoint_that_cannot_be_used(case, tmp_path):
    X, Y = case.X, case.Y
    fm.save(fm.Network.random([2, 3, 1], seed=0), tmp_path / "other.npz")
    with pytest.raises(Refused, match=r"checkpoint must hold parameters of <Network .* got <Network 2-3-1"):
        fm.objective(case.net, X, Y, checkpoint=tmp_path / "other.npz")
    for other in (fm.Network.random(case.net.sizes, "tanh", dtype="float32", seed=0), case.net.astype("float64")):
        fm.save(other, tmp_path / "alike.npz")
        with pytest.raises(Refused, match=r"checkpoint must hold parameters of <Network .* got <Network .*alike\.npz'"):
            fm.objective(case.net, X, Y, checkpoint=tmp_path / "alike.npz")
    with pytest.raises(InvalidInput, match="nowhere"):
        fm.objective(case.net, X, Y, checkpoint=tmp_path / "nowhere" / "search.npz")
    (tmp_path / "text.npz").write_text("text")
    np.savez(tmp_path / "data.npz", X=X)
    fm.sgd(case.net.copy(), X, Y, epochs=1, checkpoint=tmp_path / "run.npz")
    for name in ("text", "data", "run"):
        path = tmp_path / f"{name}.npz"
        before = path.read_bytes()
        with pytest.raises(InvalidInput, match=rf"that an objective wrote, got '.*{name}\.npz', .*; pass another path"):
            fm.objective(case.net, X, Y, checkpoint=str(path))
        assert path.read_bytes() == before
    with pytest.raises(InvalidInput, match="expected a file that can be written, got int; name a file"):
        fm.objective(case.net, X, Y, checkpoint=3)
    own = fm.activation(lambda z: z, lambda z: np.ones_like(z), name="own")
    with pytest.raises(Refused, match="own"):
        fm.objective(fm.Network.random([3, 2], own, seed=0), [[1.0] * 3], [[1.0] * 2], checkpoint=tmp_path / "own.npz")
    assert not (tmp_path / "own.npz").exists()


def test_residuals_keep_a_checkpoint_too(case, tmp_path):
    o = fm.objective(case.net, case.X, case.Y, checkpoint=tmp_path / "search.npz")
    o.residuals(elsewhere(case.net))
    assert np.array_equal(fm.load(tmp_path / "search.npz").vector, elsewhere(case.net).astype(case.net.dtype))


def test_a_progress_that_cannot_be_called_is_told_before_the_first_evaluation(case):
    with pytest.raises(WrongType, match="progress must be True or a function of chunks done, got 3; pass True"):
        fm.objective(case.net, case.files, progress=3)
