"""Sums over sources by executors: the same bits everywhere, and one clear exception for what goes wrong."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import makers
import numpy as np
import pytest

import formulations as fm
from formulations.arrays import one_blas_thread
from formulations.arrays.blas import threads as threads_of_blas
from formulations.arrays.dtypes import higher
from formulations.exceptions import (
    InvalidInput,
    MissingExtra,
    NotFinite,
    OtherKernels,
    Refused,
    WorkersLost,
    WrongShape,
    WrongType,
)
from formulations.plans import checked_executor
from formulations.plans.chunks import bytes_for
from formulations.plans.executors import checks, dispatch
from formulations.plans.executors.checks import probe
from formulations.plans.executors.dispatch import Dispatch
from formulations.plans.executors.tasks import KEPT, Task, _Evaluators, run
from formulations.plans.executors.workers import Worker, this_worker
from formulations.plans.progress import Meter

pytest.importorskip("threadpoolctl")
ROWS, SIZE = 1000, 16


class Case:
    """A plan of 63 chunks and its examples, in memory and in files."""

    def __init__(self, folder) -> None:
        self.net = makers.network(dtype="float32")
        self.X, self.Y = (each.astype("float32") for each in makers.data(self.net, ROWS))
        self.weights = np.random.default_rng(0).random(ROWS) * 2.0 ** np.random.default_rng(1).integers(-30, 30, ROWS)
        self.paths = [folder / f"{name}.npy" for name in ("x", "y", "w")]
        for path, array in zip(self.paths, (self.X, self.Y, self.weights), strict=True):
            np.save(path, array)

    def plan(self):
        memory = bytes_for(fm.get_backend("hadamard"), self.net, SIZE)
        plan = fm.prepare(self.net, "auto", backend="hadamard", memory=memory)
        assert plan.batch_size == SIZE
        return plan

    def over(self, executor=None, rows=None, **more):
        """Return the gradient over the files."""
        return self.plan().over(fm.sources(*self.paths, rows=rows), executor, **more)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return Case(tmp_path_factory.mktemp("over"))


@pytest.fixture(scope="module")
def expected(case):
    return case.over().copy()


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def same(found, expected) -> bool:
    return (found.vector.tobytes(), found.cost, found.forward_passes, found.summation) == (
        expected.vector.tobytes(), expected.cost, expected.forward_passes, expected.summation,
    )  # fmt: skip


class Inline(Executor):
    """Runs each task at once, or when so many have been submitted, in another order."""

    def __init__(self, held=1, order=list):
        self.held, self.order, self.pending, self.futures = held, order, [], []

    def submit(self, function, /, *arguments):
        future = Future()
        self.futures.append(future)
        self.pending.append((future, function, arguments))
        if len(self.pending) >= self.held or function in (int, probe):
            for waiting, call, given in self.order(self.pending):
                if waiting.set_running_or_notify_cancel():
                    try:
                        waiting.set_result(call(*given))
                    except BaseException as caught:
                        waiting.set_exception(caught)
            self.pending = []
        return future


def shuffled(pending):
    return [pending[i] for i in np.random.default_rng(0).permutation(len(pending))]


@pytest.mark.parametrize("levels", [0, 3, 9])
@pytest.mark.parametrize("rows", [None, 4 * SIZE])
def test_the_bits_do_not_depend_on_tasks_orders_or_aligned_sources(case, expected, monkeypatch, levels, rows):
    monkeypatch.setattr(dispatch, "levels_of_a_task", lambda *_: levels)
    monkeypatch.setattr(dispatch, "UNTIMED", 63)
    tasks = -(-63 // 2**levels)
    for order in (list, reversed, shuffled):
        assert same(case.over(Inline(tasks, order), rows), expected)
    assert same(case.over(rows=rows), expected)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_threads_give_the_same_bits(case, expected, count):
    with ThreadPoolExecutor(count) as pool:
        assert same(case.over(pool), expected)
        assert same(case.plan().over([(case.X, case.Y, case.weights)], pool), expected)
        assert same(case.plan().over([partial(tuple, (case.X, case.Y))], pool), case.plan()(case.X, case.Y))


def test_the_call_with_arrays_uses_the_same_tree(case, expected):
    with one_blas_thread:
        assert same(case.plan()(case.X, case.Y, case.weights), expected)
    assert expected.summation.examples == SIZE and expected.summation.roundings == 2 * 6 + SIZE
    assert expected.summation.wide == higher(case.net.dtype)


def halves(case):
    """Return callables for the two halves of the examples."""
    half = slice(0, 500), slice(500, ROWS)
    return [partial(tuple, (case.X[rows], case.Y[rows])) for rows in half]


def small(case):
    """Return two callables for few examples each."""
    return [partial(tuple, (case.X[rows], case.Y[rows])) for rows in (slice(0, 20), slice(20, 30))]


def test_a_callable_is_one_leaf_with_a_tree_of_its_own(case, threads):
    found = case.plan().over(halves(case)).copy()
    parts = [case.plan()(case.X[rows], case.Y[rows]) for rows in (slice(0, 500), slice(500, ROWS))]
    wide = higher(case.net.dtype)
    for total, mine in [(found.vector, [part.vector for part in parts]), (found.cost, [part.cost for part in parts])]:
        # Each half is rounded once here, and not there.
        assert np.abs(total - (np.asarray(mine, wide).sum(axis=0) / 2)).max() <= 2e-7 * np.abs(mine).max()
    assert same(case.plan().over(halves(case), threads), found)
    assert found.summation.roundings == 2 * (5 + 1) + SIZE


def test_weights_of_zero_everywhere_but_in_one_task_leave_no_trace(case, threads):
    weights = np.zeros(ROWS)
    weights[700:705] = 1
    given = [(case.X, case.Y, weights)]
    assert same(case.plan().over(given, threads), case.plan().over(given))
    with pytest.raises(InvalidInput, match=r"^sample_weight must not be zero everywhere"):
        case.plan().over([(case.X, case.Y, 0 * weights)], threads)


def test_workers_follow_the_parameters_and_keep_a_plan(case, threads, monkeypatch):
    made = []
    monkeypatch.setattr("formulations.plans.executors.tasks.Evaluator", lambda *given: made.append(1) or real(*given))
    from formulations.plans.evaluator import Evaluator as real

    net = case.net.copy()
    plan = fm.prepare(net, "auto", backend="hadamard", memory=bytes_for(fm.get_backend("hadamard"), net, SIZE))
    for _ in range(3):
        net.vector[...] *= np.float32(0.5)
        assert same(plan.over(fm.sources(*case.paths), threads).copy(), plan.over(fm.sources(*case.paths)))
    assert len(made) <= 2


def test_a_worker_keeps_the_plans_that_it_used_last(case, monkeypatch):
    evaluators = _Evaluators()
    monkeypatch.setattr("formulations.plans.executors.tasks._EVALUATORS", evaluators)
    *plans, last = [case.plan() for _ in range(KEPT + 1)]
    for plan in (*plans, plans[0], last):
        plan.over([(case.X, case.Y)], Inline())
    assert list(evaluators.kept) == [plan._token for plan in (*plans[2:], plans[0], last)]


def test_a_network_that_cannot_be_written_to_is_read(case, threads, monkeypatch):
    monkeypatch.setattr(dispatch, "levels_of_a_task", lambda *_: 0)
    net = case.net.copy()
    plan = fm.prepare(net, "auto", backend="hadamard", memory=bytes_for(fm.get_backend("hadamard"), net, SIZE))
    net.vector.flags.writeable = False
    assert same(plan.over([(case.X, case.Y)], threads).copy(), case.plan().over([(case.X, case.Y)]))


def test_arrays_in_memory_are_refused_elsewhere(case, monkeypatch):
    monkeypatch.setattr(checks, "probe", lambda *_: elsewhere(this_worker().kernels))
    for given in ((case.X, case.Y), (case.paths[0], case.Y), (case.paths[0], case.paths[1], case.weights)):
        with pytest.raises(Refused, match=r"process 1 on other computes, got arrays in memory in source 1; write them"):
            case.plan().over([(case.paths[0], case.paths[1]), given], Inline())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.parametrize("count", [1, 2])
def test_processes_give_the_same_bits(case, expected, method, count):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    if method == "fork" and "jax" in sys.modules:
        pytest.skip("JAX has threads in this process, which a forked one would wait for")
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context(method)) as pool:
        assert same(case.over(pool), expected)
        assert same(case.over(pool, 5 * SIZE * 2), case.over(rows=5 * SIZE * 2))


def blas_threads():
    import threadpoolctl

    found = threadpoolctl.threadpool_info()
    return max((each["num_threads"] for each in found if each["user_api"] == "blas"), default=1)


def note_blas_threads(path):
    """Return examples, and write how many threads BLAS has when they are read."""
    path.write_text(str(blas_threads()))
    return np.ones((1, 4)), np.ones((1, 2))


@pytest.mark.slow
def test_processes_use_one_thread_of_blas_where_more_are_allowed(monkeypatch, tmp_path):
    # A forked process would inherit this one's limit.
    for name in threads_of_blas.VARIABLES:
        monkeypatch.setenv(name, "2")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        if pool.submit(blas_threads).result() == 1:
            pytest.skip("BLAS has one thread here anyhow")
        plan = fm.prepare(fm.Network.random([4, 2], seed=0), "auto")
        plan.over([partial(note_blas_threads, tmp_path / "threads")], pool)
    assert (tmp_path / "threads").read_text() == "1"


@pytest.mark.slow
def test_loky_gives_the_same_bits_and_its_lost_workers_are_told(case, expected):
    loky = pytest.importorskip("loky")
    pool = loky.get_reusable_executor(2)
    assert same(case.over(pool), expected)
    # It pickles functions that the standard library does not.
    X, Y = case.X[:20], case.Y[:20]
    assert same(case.plan().over([lambda: (X, Y)], pool).copy(), case.plan().over([lambda: (X, Y)]))
    with pytest.raises(WorkersLost, match=r"it broke \(TerminatedWorkerError.*with chunk 0 of 1 unfinished"):
        case.plan().over([lambda: os.kill(os.getpid(), signal.SIGKILL)], pool)
    with pytest.raises(Refused, match="is broken"):
        case.over(pool)


def die():
    os._exit(1)


def wait_and_die():
    time.sleep(0.2)
    os._exit(1)


@pytest.mark.slow
def test_a_process_that_dies_is_told_with_the_unfinished_chunks(case):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(
            WorkersLost, match=r"it broke \(BrokenProcessPool: .*; make a new one and call again"
        ) as caught:
            case.plan().over([(case.paths[0], case.paths[1]), die, die], pool)
        unfinished = caught.value.unfinished
        assert unfinished[-1].stop == 65 and 63 in unfinished[-1]
        with pytest.raises(Refused, match="got one that is broken"):
            case.over(pool)


def test_every_exception_comes_back_from_a_process():
    for made in (
        MissingExtra("this", "package", "extra"), WorkersLost("lost", [range(3)]),
        fm.exceptions.UnknownName("a", 1, "b"),
        NotFinite("no"), Refused("no"), WrongShape("no"),
    ):  # fmt: skip
        made.add_note("in source 0")
        found = pickle.loads(pickle.dumps(made))
        assert type(found) is type(made) and found.args == made.args and found.__dict__ == made.__dict__


@pytest.mark.parametrize("rows", [None, 500])
def test_an_entry_at_fault_is_named_by_its_row_in_the_file(case, tmp_path, threads, rows):
    net = fm.Network.random([case.net.sizes[0], case.net.sizes[-1]], "softmax", seed=0)
    memory = bytes_for(fm.get_backend("hadamard"), net, SIZE)
    for name, entry, wrong in (("X", (734, 1), np.nan), ("Y", (734, 0), -1), ("sample_weight", 734, -1)):
        arrays = {"X": case.X.copy(), "Y": np.abs(case.Y), "sample_weight": case.weights.copy()}
        arrays[name][entry] = wrong
        for each, array in arrays.items():
            np.save(tmp_path / f"{each}.npy", array)
        given = fm.sources(*(tmp_path / f"{each}.npy" for each in arrays), rows=rows)
        for executor in (None, threads):
            plan = fm.prepare(net, "auto", "log_likelihood", "hadamard", memory=memory)
            with pytest.raises(InvalidInput, match=rf"{name}\[.* Among all rows it is row 734, counted from 0\.$"):
                plan.over(given, executor)
    # In the first chunk of all, the message itself has the row.
    with pytest.raises(NotFinite, match=r"X\[1, 0\]; remove or replace it \(numpy.isfinite\(X\) finds them all\)\.$"):
        case.plan()(np.where([[False], [True]], np.nan, case.X[:2]), case.Y[:2])


def explode():
    raise ZeroDivisionError("on purpose")


class Picky(Exception):
    """An exception that cannot be made again from its message."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


@pytest.mark.slow
def test_what_fails_in_another_process_is_told_here(case, tmp_path):
    X = case.X.copy()
    X[734, 1] = np.nan
    np.save(tmp_path / "x.npy", X)
    spoilt = fm.sources(tmp_path / "x.npy", case.paths[1], rows=500)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        where = (
            r"^in source 1 \(rows 500 to 1000 of .*x\.npy and .*y\.npy\), chunk 46, counting rows from 724 on, X must"
        )
        with pytest.raises(NotFinite, match=where + r" be finite, got nan at X\[10, 1\]"):
            case.plan().over(spoilt, pool)
        with pytest.raises(ZeroDivisionError) as caught:
            case.plan().over([explode], pool)
        assert caught.value.__notes__ == ["in source 0"]
        with pytest.raises(
            Refused, match=r"described by where their examples are, since process .* in memory in source 1;"
        ):
            case.plan().over([spoilt[0], (case.X, case.Y)], pool)
        # Nothing of it has run.
        with pytest.raises(
            WrongType, match=r"source 1 \(<function .*<lambda>.*\) must be something that the executor can send"
        ):
            case.plan().over([explode, lambda: None], pool)
        mine = fm.activation(lambda z: z**3, lambda z: 3 * z**2, name="mine")
        plan = fm.prepare(fm.Network.random([4, 3], mine, seed=0), "auto")
        with pytest.raises(
            WrongType, match="the plan's network, cost and backend must be something that the executor can"
        ):
            plan.over(fm.sources(*case.paths), pool)


def test_a_task_that_fails_names_its_place_and_the_rest_is_cancelled(case, threads, monkeypatch):
    monkeypatch.setattr(dispatch, "UNTIMED", 100)
    X = case.X.copy()
    X[734, 1] = np.nan
    for executor in (None, threads):
        where = r"^in source 1, chunk 46, counting rows from 720 on, X must be finite, got nan at X\[14, 1\]"
        with pytest.raises(NotFinite, match=where):
            case.plan().over([(X[:16], case.Y[:16]), (X, case.Y)], executor)
        with pytest.raises(ZeroDivisionError) as caught:
            case.plan().over([lambda: (case.X, case.Y), explode], executor)
        assert caught.value.__notes__ == ["in source 1"]
    lazy = Inline(held=30, order=lambda pending: pending[:5])
    with pytest.raises(ZeroDivisionError):
        case.plan().over([explode] * 30, lazy)
    assert cancelled(lazy) == 25


def cancelled(executor):
    return sum(future.cancelled() for future in executor.futures)


def test_an_interruption_cancels_what_is_left(case, monkeypatch):
    monkeypatch.setattr(dispatch, "UNTIMED", 100)
    lazy = Inline(held=60)

    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        case.plan().over(small(case) * 50, lazy, progress=interrupt)
    assert cancelled(lazy) == 40
    assert not any(future.running() for future in lazy.futures)


def test_a_bounded_number_of_tasks_is_outstanding(case, expected, monkeypatch):
    monkeypatch.setattr(dispatch, "OUTSTANDING", (4, 4))
    monkeypatch.setattr(dispatch, "levels_of_a_task", lambda *_: 0)
    seen = []

    class Watched(Inline):
        def submit(self, function, /, *arguments):
            seen.append(sum(not future.done() for future in self.futures))
            return super().submit(function, *arguments)

    with ThreadPoolExecutor(2) as pool:
        pool.futures = []

        def submit(function, /, *arguments, submit=pool.submit):
            pool.futures = [future for future in pool.futures if not future.done()]
            seen.append(len(pool.futures))
            pool.futures.append(submit(function, *arguments))
            return pool.futures[-1]

        pool.submit = submit
        assert same(case.over(pool), expected)
    assert max(seen) <= 4


def test_few_outstanding_tasks_of_large_networks():
    net = makers.network()
    made = [
        Dispatch(fm_recipe(net), [die], 1, 1.0, None, Inline(), memory, None)._most  # type: ignore[arg-type]
        for memory in (float("inf"), 30 * 3 * net.vector.nbytes, 0)
    ]
    assert made == [256, 30, 8]


def fm_recipe(net):
    from formulations.plans.executors.tasks import Recipe

    return Recipe("token", net, None, None, 1, ("", 0))  # type: ignore[arg-type]


def test_an_executor_is_checked():
    with pytest.raises(
        WrongType, match=r"executor must be None or an executor of concurrent\.futures, got int; pass for instance"
    ):
        checked_executor(3)
    client = type("Client", (), {"get_executor": None})()
    with pytest.raises(WrongType, match=r"got Client; pass client\.get_executor\(\)"):
        checked_executor(client)
    pool = ThreadPoolExecutor(1)
    assert checked_executor(pool) is pool
    pool.shutdown()
    with pytest.raises(Refused, match=r"got one that has been shut down .*; make a new one"):
        checked_executor(pool)
    with pytest.raises(Refused, match=r"got one that is broken \(a process ended before shutdown\); make a new one"):
        checked_executor(Odd(BrokenExecutor("a process ended before shutdown")))


class Odd(Executor):
    """Does what a user's executor might: its submit raises an exception, or returns something that is no future."""

    def __init__(self, failure=None) -> None:
        self.failure = failure

    def submit(self, *_, **__):
        if self.failure is not None:
            raise self.failure

    def __repr__(self) -> str:
        return "Odd()"


@pytest.mark.parametrize("failure", [ValueError("no queue"), TypeError("no queue\nwas found")])
def test_an_executor_that_refuses_tasks_is_told_with_its_reason(case, failure):
    for call in (
        lambda: case.over(Odd(failure)),
        lambda: fm.objective(case.net, fm.sources(*case.paths), executor=Odd(failure)),
        lambda: fm.check_backend("hadamard", executor=Odd(failure)),
    ):
        with pytest.raises(Refused, match=rf"submit of Odd\(\) raised {type(failure).__name__}: no queue; make a new"):
            call()


def test_an_executor_without_futures_is_told(case):
    for call in (lambda: case.over(Odd()), lambda: fm.check_backend("hadamard", executor=Odd())):
        with pytest.raises(WrongType, match=r"must return a future of concurrent\.futures, got None from Odd\(\)"):
            call()


@pytest.mark.parametrize("kind", [RuntimeError, ValueError])
def test_an_executor_that_is_shut_down_in_the_middle_is_told(case, kind):
    class Ending(Inline):
        def submit(self, function, /, *arguments):
            if len(self.futures) > 6:
                raise kind("cannot schedule new futures after shutdown")
            return super().submit(function, *arguments)

    with pytest.raises(
        WorkersLost, match=r"cannot schedule new futures after shutdown.* chunks 0 to 99 of 100 unfinished"
    ):
        case.plan().over(small(case) * 50, Ending(held=100))


@pytest.mark.parametrize("failure", [BrokenExecutor("a process died"), None])
def test_futures_that_break_or_are_cancelled_name_the_unfinished_chunks(case, failure):
    class Breaking(Inline):
        def submit(self, function, /, *arguments):
            if len(self.futures) in (7, 8):
                future = Future()
                self.futures.append(future)
                if failure is None:
                    future.cancel()
                    future.set_running_or_notify_cancel()
                else:
                    future.set_exception(failure)
                return future
            return super().submit(function, *arguments)

    with pytest.raises(
        WorkersLost, match=r"it broke \((BrokenExecutor: a process died|CancelledError: a task was)"
    ) as caught:
        case.plan().over(small(case) * 5, Breaking())
    # An integer and the probe come first.
    assert {5, 6} <= {chunk for chunks in caught.value.unfinished for chunk in chunks} <= set(range(10))


def test_what_is_wrong_with_sources_is_said(case, tmp_path, threads):
    np.save(tmp_path / "narrow.npy", case.X[:, :2])
    np.save(tmp_path / "wide.npy", case.X.astype(float))
    np.save(tmp_path / "swapped.npy", case.X.astype(">f4"))
    first, y = fm.sources(*case.paths[:2])[0], case.paths[1]
    negative, missing = np.ones(ROWS), np.ones(ROWS)
    negative[20], missing[21] = -1, np.nan
    for given, exception, message in [
        ([], InvalidInput, "sources must hold at least one"),
        (3, WrongType, "sources must be an iterable of .*, got int"),
        ([first, (tmp_path / "narrow.npy", y)], WrongShape, "^in source 1, X must have 4 columns"),
        ([first, (case.X[:, :2], case.Y)], WrongShape, "^in source 1, X must have 4 columns"),
        ([first, (tmp_path / "wide.npy", y)], WrongType, r"^in source 1, X must have the dtype .* got float64"),
        ([first, (case.X[:0], case.Y[:0])], WrongShape, "^in source 1, X must hold at least one example"),
        ([first, 7], WrongType, "^in source 1, there must be .* or a callable that returns one, got int"),
        ([first, lambda: 7], WrongType, "^in source 1, there must be .*, got int"),
        ([first, lambda: explode], WrongType, r"^in source 1, a callable must return .*, got <function explode"),
        ([first, ("nowhere.npy", y)], InvalidInput, "^in source 1, a source must be a file .* there is no file"),
        ([(case.X, case.Y, negative)], InvalidInput, r"^in source 0, chunk 1, counting rows from 16 on, .*ve.*\[4\]"),
        ([(case.X, case.Y, missing)], NotFinite, r"^in source 0, chunk 1, .*, sample_weight must be finite.*\[5\]"),
    ]:  # fmt: skip
        for executor in (None, threads):
            with pytest.raises(exception, match=message):
                case.plan().over(given, executor)
    with pytest.raises(WrongType, match=r"with an executor, sources must be a list or .*, got generator; pass list\("):
        case.plan().over((each for each in [first]), threads)
    # Another order of bytes is the same dtype; arrays in memory are converted, as everywhere.
    case.plan().over([first, (tmp_path / "swapped.npy", y), (case.X.astype(int), case.Y)], threads)
    with pytest.raises(WrongType, match="progress must be True or a function of chunks done, got 3"):
        case.over(progress=3)


def test_a_file_that_changes_between_evaluations_is_refused(case, tmp_path, threads):
    np.save(tmp_path / "x.npy", case.X)
    given = fm.sources(tmp_path / "x.npy", case.paths[1])
    plan = case.plan()
    plan.over(given)
    np.save(tmp_path / "x.npy", case.X[:999])
    for executor in (None, threads):
        with pytest.raises(Refused, match=r"^in source 0, .*x\.npy must not change .*; describe it again"):
            plan.over(given, executor)
    (tmp_path / "x.npy").unlink()
    for executor in (None, threads):
        with pytest.raises(InvalidInput, match=r"^in source 0, .*there is no file .*x\.npy"):
            plan.over(given, executor)


def test_tasks_grow_once_one_has_been_timed(case, expected, monkeypatch):
    sizes = []

    class Timed(Inline):
        def submit(self, function, /, *arguments):
            future = super().submit(function, *arguments)
            if function is run:
                sizes.append(arguments[0].stop - arguments[0].first)
                sums, worker, seconds = future.result()
                assert seconds == 1 / sizes[-1]
                future = Future()
                # The fastest counts; the others may have waited.
                future.set_result((sums, worker, -1.0 if len(sizes) == 1 else 1.0))
            return future

    # Each task takes a second.
    monkeypatch.setattr("formulations.plans.executors.tasks.perf_counter", partial(next, iter(range(1000))))
    monkeypatch.setattr(dispatch, "levels_of_a_task", lambda _, seconds: 9 if seconds < 0 else 0)
    assert same(case.over(Timed()), expected)
    # Each is as large as its first leaf allows.
    assert sizes == [1] * dispatch.UNTIMED + [8, 16, 31]


def test_a_task_that_only_waited_beside_a_deadly_one_is_not_blamed(case, monkeypatch):
    monkeypatch.setattr(dispatch, "levels_of_a_task", lambda *_: 0)
    monkeypatch.setattr(dispatch, "OUTSTANDING", (4, 4))

    class KilledWorker(Exception):
        """As Dask's."""

    class Dask(Inline):
        """Gives up the third task and the fourth, which waits beside it, until the fourth is alone."""

        def __init__(self, deadly):
            super().__init__()
            self.names, self.firsts, self.deadly = [], [], deadly

        def submit(self, function, /, *arguments):
            task = arguments[0] if arguments and isinstance(arguments[0], Task) else None
            if task is None:
                return super().submit(function, *arguments)
            again = task.first in self.firsts
            self.names.append(task.name)
            self.firsts.append(task.first)
            if (task.first == 2 and (self.deadly or not again)) or (task.first == 3 and not again):
                future = Future()
                future.set_exception(KilledWorker())
                return future
            return super().submit(function, *arguments)

    leaves = [partial(tuple, (case.X[i : i + 16], case.Y[i : i + 16])) for i in range(0, 96, 16)]
    alone = case.plan().over(leaves).copy()
    executor = Dask(deadly=False)
    assert same(case.plan().over(leaves, executor), alone)
    # Dask computes tasks of equal arguments once, so none has the name of another.
    assert len(set(executor.names)) == len(executor.names) == 8
    # Nothing more is computed until it is known who is deadly.
    assert executor.firsts[:4] == [0, 1, 2, 3] and executor.firsts[6:] == [4, 5]
    with pytest.raises(WorkersLost, match="chunk 2 of source 2 died") as caught:
        case.plan().over(leaves, Dask(deadly=True))
    assert caught.value.unfinished[0][0] == 2


@pytest.mark.parametrize("function", [probe, run])
def test_an_executor_without_workers_is_told(case, function):
    absent = type("NoValidWorkerError", (Exception,), {})

    class Dask(Inline):
        def submit(self, called, /, *arguments):
            future = super().submit(called, *arguments)
            if called is function:
                future = Future()
                future.set_exception(absent("no worker for 60 s"))
            return future

    with pytest.raises(WorkersLost, match=r"it broke .*no worker for 60 s"):
        case.over(Dask())


def test_progress_is_told_by_a_function_or_on_standard_error(case, threads, capsys, monkeypatch):
    for executor in (None, threads):
        told = []
        case.over(executor, progress=told.append)
        chunks, of, examples, seconds = zip(*told, strict=True)
        assert (chunks[-1], of[-1], examples[-1]) == (63, 63, ROWS)
        assert list(chunks) == sorted(set(chunks)) and list(seconds) == sorted(seconds)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(dispatch, "levels_of_a_task", lambda *_: 0)
    case.over(threads, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("chunk 63/63, 1000 examples, ") and 1 < len(lines) <= 11
    case.plan().over(iter(fm.sources(*case.paths)), progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("1 chunk, 16 examples, ") and lines[-1].startswith("63 chunks, 1000 examples, ")


def test_the_time_that_is_left_is_that_of_the_chunks_that_are_left(capsys, monkeypatch):
    times = iter([10.0, 12.0, 18.0])
    monkeypatch.setattr("formulations.plans.progress.perf_counter", lambda: next(times))
    meter = Meter(True)
    meter.of = 4
    meter.add(1, 16)
    meter.add(3, 48)
    meter.close()
    left, done = capsys.readouterr().err.splitlines()
    assert (left, done) == ("chunk 1/4, 16 examples, 6 s left", "chunk 4/4, 64 examples, 8 s")


def test_blas_has_one_thread_inside_and_its_own_outside(case):
    import threadpoolctl

    def limits():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]

    with threadpoolctl.threadpool_limits(2, "blas"):
        before: list[int] = limits()
        seen: list[list[int]] = []
        case.over(progress=lambda _: seen.append(limits()))
        with ThreadPoolExecutor(2) as pool:
            case.plan().over([lambda: seen.append(limits()) or (case.X, case.Y)], pool)
        assert limits() == before and {count for each in seen for count in each} == {1}
        # Blocks that overlap: the first to end must not give its threads back to the other.
        inside, ended = threading.Event(), threading.Event()

        def other():
            with one_blas_thread:
                inside.set()
                ended.wait()
                seen.append(limits())

        seen.clear()
        thread = threading.Thread(target=other)
        with one_blas_thread:
            thread.start()
            inside.wait()
        ended.set()
        thread.join()
        assert {count for each in seen for count in each} == {1} and limits() == before


def test_a_limit_of_another_thread_is_neither_changed_nor_ignored(case):
    import threadpoolctl

    if not hasattr(threadpoolctl.OpenBLASController, "clear_controlling_thread"):
        pytest.skip("in this version of threadpoolctl every thread changes the limit")
    with threadpoolctl.threadpool_limits(2, "blas"), ThreadPoolExecutor(1) as pool:
        if all(each["num_threads"] == 1 for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas"):
            pytest.skip("this BLAS has no more than one thread")
        with pytest.raises(Refused, match="another thread of this process limits it to 2"):
            pool.submit(case.over).result()


def test_without_threadpoolctl_it_is_refused_unless_the_environment_limits_the_threads(case, monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    monkeypatch.setattr(threads_of_blas, "why_absent", lambda _: "absent")
    for name in threads_of_blas.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(MissingExtra, match="needs threadpoolctl, which is not installed"):
        case.over()
    # What failed has not begun.
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    with pytest.raises(MissingExtra, match=r"unless OPENBLAS_NUM_THREADS=1 or its like is set .*, needs threadpoolctl"):
        case.over()
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    case.over()


def elsewhere(kernels, wide=None):
    here = this_worker()
    return Worker(("elsewhere", 1), "process 1 on other", kernels, here.wide if wide is None else wide)


def test_a_worker_with_other_kernels_is_reported(case, expected, monkeypatch):
    kernels = dict(this_worker().kernels)
    name = next(name for name in kernels if name != "NumPy")

    def answering(worker):
        def answer(task):
            return real(task)[0], worker, 1.0

        real = dispatch.run
        return answer

    other = elsewhere({**kernels, name: "0.0.1 Prescott", "a BLAS that is not loaded here": "1"})
    monkeypatch.setattr(dispatch, "levels_of_a_task", lambda *_: 0)
    with monkeypatch.context() as patched:
        patched.setattr(dispatch, "run", answering(other))
        with pytest.warns(
            OtherKernels, match="got process 1 on other with .* 0.0.1 Prescott instead of .*; start"
        ) as heard:
            assert same(case.over(Inline()), expected)
        assert len(heard) == 1 and heard[0].filename == __file__
        # It computes 63 tasks, and is one worker.
        assert "more worker" not in str(heard[0].message)
    with monkeypatch.context() as patched:
        patched.setattr(dispatch, "run", answering(elsewhere(kernels, wide=112)))
        with pytest.raises(Refused, match=r"workers must have the longdouble of this process, .* other with 112"):
            case.over(Inline())


@pytest.mark.slow
def test_another_kernel_in_a_process_is_reported(case, monkeypatch):
    here = this_worker().kernels
    blas = [kernel for name, kernel in here.items() if name.startswith("openblas")]
    if not blas:
        pytest.skip("NumPy has another BLAS")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem" if "Nehalem" not in blas[0] else "Haswell")
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
        pytest.warns(OtherKernels, match=r"got process \d+ on .* with openblas of .* instead of .*"),
    ):
        case.over(pool)


@pytest.mark.slow
def test_a_script_without_a_guard_is_told(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "import formulations as fm\n"
        "net = fm.Network.random([4, 2], seed=0)\n"
        "pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('spawn'))\n"
        "fm.prepare(net, 'auto').over([dict], pool)\n"
    )
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert found.returncode and "WorkersLost" in found.stderr and 'if __name__ == "__main__"' in found.stderr


@pytest.mark.parametrize("rows", [None, 5 * SIZE])
def test_a_row_of_a_dask_array_is_named_by_its_place_in_the_whole_array(case, monkeypatch, rows):
    array = pytest.importorskip("dask.array")
    monkeypatch.setattr(dispatch, "levels_of_a_task", lambda *_: 0)
    X = case.X[: 10 * SIZE].copy()
    X[7 * SIZE + 3, 1] = np.nan
    given = fm.sources(array.from_array(X), array.from_array(case.Y[: 10 * SIZE]), rows=rows)
    place = rf"in source {1 if rows else 0} \(rows 112 to 128 of .*, counting rows from 112 on, X"
    with pytest.raises(NotFinite, match=place + r" must be finite, got nan at X\[3, 1\]"):
        case.plan().over(given, Inline())


def test_a_dask_array_is_computed_by_the_thread_that_needs_it(case):
    array = pytest.importorskip("dask.array")
    seen = set()

    def watched(part):
        seen.add(threading.current_thread())
        return part

    X = array.from_array(case.X, chunks=100).map_blocks(watched, dtype=case.X.dtype, meta=case.X[:0])
    case.plan().over(fm.sources(X, array.from_array(case.Y)))
    assert seen == {threading.current_thread()}


@pytest.mark.slow
def test_zarr_and_dask_arrays_are_sources(case, expected, tmp_path, threads):
    pytest.importorskip("dask")
    import dask.array

    made = [dask.array.from_array(each, chunks=100) for each in (case.X, case.Y, case.weights)]
    given = fm.sources(*made, rows=4 * SIZE)
    for executor in (None, threads):
        assert same(case.plan().over(given, executor), expected)
    X = case.X.copy()
    X[734, 1] = np.nan
    spoilt = [dask.array.from_array(each, chunks=100) for each in (X, case.Y)]
    with pytest.raises(
        NotFinite, match=r"^in source 0 \(rows .*, chunk 45, counting rows from 720 on, X .* X\[14, 1\]"
    ):
        case.plan().over(fm.sources(*spoilt), threads)
    zarr = pytest.importorskip("zarr")
    stored = []
    for name, each in (("x", case.X), ("y", case.Y), ("w", case.weights)):
        stored.append(
            zarr.create_array(store=str(tmp_path / name), shape=each.shape, chunks=each.shape, dtype=each.dtype)
        )
        stored[-1][...] = each
    assert same(case.plan().over(fm.sources(*stored), threads), expected)
