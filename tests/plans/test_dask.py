"""Gradients by Dask's workers: the same bits as in one process, whatever happens to a worker."""

from __future__ import annotations

import logging
import os
import pickle
import re
import signal
import time
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest

import formulations as fm
from formulations.exceptions import NotFinite, Refused, WorkersLost, WrongType
from formulations.plans.chunks import bytes_for

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
pytest.importorskip("threadpoolctl")
pytestmark = pytest.mark.slow

SIZES = (5, 7, 3)
ROWS, PIECE = 4096, 256
PIECES = ROWS // PIECE


@contextmanager
def two_workers():
    """Yield the client of two workers of one thread each, in processes of this machine."""
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with (
        # Dask otherwise waits without end for workers that do not come back.
        dask.config.set({"distributed.scheduler.no-workers-timeout": "60s"}),
        distributed.LocalCluster(**settings, silence_logs=logging.CRITICAL) as cluster,
        distributed.Client(cluster) as client,
    ):
        # The scheduler runs in this process; what it logs about dead workers is expected here.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        yield client


@pytest.fixture(scope="module")
def client():
    """Two workers, of which tests kill one at a time."""
    with two_workers() as client:
        yield client


@pytest.fixture
def executor(client):
    """Tasks go to two workers that are alive."""
    client.wait_for_workers(2, timeout=30)
    return client.get_executor()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """X and Y on disk."""
    folder = tmp_path_factory.mktemp("examples")
    random = np.random.default_rng(0)
    for name, width in (("X", SIZES[0]), ("Y", SIZES[-1])):
        np.save(folder / f"{name}.npy", random.random((ROWS, width)).astype(np.float32))
    return str(folder / "X.npy"), str(folder / "Y.npy")


@pytest.fixture
def plan():
    """A plan whose chunks are as long as the pieces, so that callables and rows of files have the same chunks."""
    network = fm.Network.random(SIZES, seed=0, dtype="float32")
    plan = fm.prepare(network, "auto", memory=bytes_for(fm.get_backend(), network, PIECE))
    assert plan.batch_size == PIECE
    return plan


@pytest.fixture
def alone(plan, files):
    """The gradient of all pieces in this process."""
    return plan.over(fm.sources(*files, rows=PIECE)).copy()


def equal_bits(found, expected):
    return found.vector.tobytes() == expected.vector.tobytes() and found.cost.tobytes() == expected.cost.tobytes()


def read(files, number):
    """Return the examples of a piece."""
    rows = slice(number * PIECE, (number + 1) * PIECE)
    return tuple(np.load(path, mmap_mode="r")[rows] for path in files)


def read_and_die(files, number, flag):
    """As ``read``, but end the process without a word if there is a file of this name."""
    if os.path.exists(flag):
        if flag.endswith("once"):
            os.unlink(flag)
        # What kills workers takes a moment, and Dask gives up a worker that dies before it has started.
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    return read(files, number)


def read_and_note(files, number, folder):
    """As ``read``, and leave a file behind."""
    open(os.path.join(folder, str(number)), "w").close()
    return read(files, number)


@pytest.mark.parametrize("rows", [100, PIECE, 3000])
def test_equal_bits_with_and_without_workers(plan, files, executor, rows):
    sources = fm.sources(*files, rows=rows)
    assert equal_bits(plan.over(sources, executor).copy(), plan.over(sources))


def test_callables_are_sources(plan, files, executor, alone):
    assert equal_bits(plan.over([partial(read, files, number) for number in range(PIECES)], executor), alone)


def test_a_worker_that_dies_in_the_middle_of_a_chunk_changes_no_bit(plan, files, executor, alone, tmp_path):
    flag = tmp_path / "once"
    flag.touch()
    sources = [partial(read, files, number) for number in range(PIECES)]
    sources[5] = partial(read_and_die, files, 5, str(flag))
    assert equal_bits(plan.over(sources, executor), alone)
    assert not flag.exists()


def test_a_worker_killed_from_outside_changes_no_bit(plan, files, client, executor, alone):
    victims = list(client.run(os.getpid).values())

    def kill(*_):
        if victims:
            os.kill(victims.pop(), signal.SIGKILL)
            victims.clear()

    assert equal_bits(plan.over(fm.sources(*files, rows=PIECE), executor, progress=kill), alone)
    assert not victims


def test_a_chunk_that_kills_every_worker_is_named(plan, files, tmp_path):
    flag = tmp_path / "always"
    flag.touch()
    sources = [partial(read, files, number) for number in range(PIECES)]
    sources[6] = partial(read_and_die, files, 6, str(flag))
    # Two deaths instead of four. Dask gives up a worker that dies while it starts again, so these serve no other test.
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), two_workers() as client:
        executor = client.get_executor()
        with pytest.raises(WorkersLost, match=r"chunk") as caught:
            plan.over(sources, executor)
        # The task may hold several chunks; innocent tasks that waited on the dead workers are not blamed.
        first, last = map(int, re.search(r"chunks? (\d+)(?:–| to )?(\d+)?", str(caught.value)).groups(default=6))
        assert first <= 6 <= last and last - first < PIECES / 2


def test_an_interruption_leaves_no_tasks_behind(plan, files, client, executor, alone, tmp_path):
    def interrupt(*_):
        raise KeyboardInterrupt

    sources = [partial(read_and_note, files, number, str(tmp_path)) for number in range(PIECES)] * 16
    with pytest.raises(KeyboardInterrupt):
        plan.over(sources, executor, progress=interrupt)
    assert not [future for future in client.futures.values() if future.status == "pending"]
    assert equal_bits(plan.over(fm.sources(*files, rows=PIECE), executor), alone)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_the_place_of_a_number_that_is_not_finite_is_told(plan, files, executor, tmp_path, wrong):
    X = np.load(files[0])
    X[11 * PIECE + 9, 2] = wrong
    np.save(tmp_path / "X.npy", X)
    for each in (executor, None):
        with pytest.raises(NotFinite, match=r"chunk 11\b.*\[9, 2\]"):
            plan.over(fm.sources(str(tmp_path / "X.npy"), files[1], rows=PIECE), each)


def test_dask_arrays_are_read_by_the_workers(plan, files, executor, alone):
    array = pytest.importorskip("dask.array")
    X, Y = (
        array.map_blocks(
            lambda path, block_info=None: np.load(path)[slice(*block_info[None]["array-location"][0])],
            path, chunks=((1000,) * 4 + (96,), (width,)), dtype=np.float32, meta=np.empty((0, 0), np.float32),
        )
        for path, width in zip(files, (SIZES[0], SIZES[-1]), strict=True)
    )  # fmt: skip
    assert equal_bits(plan.over(fm.sources(X, Y, rows=PIECE), executor), alone)


def test_zarr_arrays_are_read_by_the_workers(plan, files, executor, alone, tmp_path):
    zarr = pytest.importorskip("zarr")
    arrays = []
    for path in files:
        data = np.load(path)
        stored = zarr.create_array(
            store=str(tmp_path / os.path.basename(path)), data=data, chunks=(1000, data.shape[1])
        )
        arrays.append(stored)
    sources = fm.sources(*arrays, rows=PIECE)
    assert equal_bits(plan.over(sources, executor), alone)
    # What travels is where the array lies, not what it holds.
    assert all(len(pickle.dumps(source)) < arrays[0][:PIECE].nbytes for source in sources)


def test_an_executor_that_was_shut_down_is_refused(plan, files, client):
    executor = client.get_executor()
    executor.shutdown()
    with pytest.raises(Refused, match="shut down"):
        plan.over(fm.sources(*files, rows=PIECE), executor)


def test_a_function_that_cannot_be_pickled_is_refused_before_anything_is_submitted(plan, files, executor):
    lock = __import__("threading").Lock()

    def reads():
        with lock:
            return read(files, 0)

    with pytest.raises(WrongType, match="send"):
        plan.over([reads], executor)


def test_scipy_optimizes_by_the_workers(files, executor):
    from scipy.optimize import minimize

    network = fm.Network.random(SIZES, seed=0, dtype="float32")
    sources = fm.sources(*files, rows=PIECE)
    found = []
    for each in (None, executor):
        o = fm.objective(network, sources, executor=each)
        found.append(minimize(o.fun_and_jac, o.x0, jac=True, method="L-BFGS-B", options={"maxiter": 5}))
    assert found[0].x.tobytes() == found[1].x.tobytes() and found[0].fun == found[1].fun
