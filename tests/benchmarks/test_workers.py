"""The measurement of workers: what is computed from it, and how it is shown. Times are measured, never asserted."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import Executor, Future
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.experiments.workers import (
    Cluster,
    TaskOverhead,
    Workers,
    WorkersRow,
    _Weighed,
    draw_workers,
    measure_workers,
)
from formulations.display import Ratio, new_figure

TASK = TaskOverhead("Dask", 2**-9, 3000, 5000)
CLUSTER = Cluster(10**9, 100, 2**-20, 40, TASK)


def rows(two=(0.6, 0.54), parent=(100, 100), worker=(90, 95)):
    """Two lengths; with two workers, times of this ratio to the time without."""
    found = []
    for i, m in enumerate((10**4, 10**7)):
        for workers, ratio in ((0, 1.0), (1, 1.05), (2, two[i])):
            largest = worker[i] * 10**6 if workers else None
            found.append(WorkersRow(m, workers, 1e-6 * ratio, Ratio.exactly(ratio), parent[i] * 10**6, largest))
    return tuple(found)


def test_a_cluster_is_computed_from_what_was_measured():
    assert CLUSTER.task_examples == 2**20
    assert (CLUSTER.tasks, CLUSTER.rounds) == (954, 10)
    assert CLUSTER.computing_seconds == 10.0 and CLUSTER.parent_seconds == 954 / 512
    assert (CLUSTER.all_sent_bytes, CLUSTER.all_returned_bytes) == (2_862_000, 4_770_000)
    assert json.loads(json.dumps(CLUSTER.to_dict()))["task"]["engine"] == "Dask"
    said = str(CLUSTER)
    assert "1,000,000,000 / 1,048,576" in said and "10 tasks × 1,048,576 × 0.954 µs" in said
    # A worker reads an example of 40 bytes in the time of one: 40·2²⁰ bytes a second.
    assert "41.9 MB a second" in said and "tasks of Dask, meanwhile" in said


def test_a_task_takes_about_a_second_however_slow_an_example_is():
    assert replace(CLUSTER, example_seconds=0.9e-6).task_examples == 2**20
    assert replace(CLUSTER, example_seconds=5.0).task_examples == 1


def test_efficiency_is_time_without_workers_over_that_of_all_workers():
    found = rows()
    assert [row.efficiency.median for row in found[3:]] == [1.0, 1 / 1.05, 1 / 1.08]
    assert Workers(found, CLUSTER).efficient_from == 10**7
    assert Workers(rows(two=(0.5, 0.54)), CLUSTER).efficient_from == 10**4
    assert Workers(rows(two=(0.5, 0.56)), CLUSTER).efficient_from is None


@pytest.mark.parametrize(
    ("grown", "flat"),
    [({}, True), ({"parent": (100, 111)}, False), ({"worker": (90, 100)}, False), ({"worker": (90, 80)}, True)],
)
def test_memory_is_flat_if_no_process_needs_more_for_more_examples(grown, flat):
    found = Workers(rows(**grown), CLUSTER)
    assert found.flat is flat
    assert f"memory is {'flat' if flat else 'not flat'}" in str(found)


class Busy(Executor):
    """Never comes to a task that may be cancelled before it begins."""

    def submit(self, function, /, *arguments):
        future = Future()
        if function is not int:
            future.set_result(function(*arguments))
        return future


def test_a_task_that_is_cancelled_returns_nothing(caplog):
    weighed = _Weighed(Busy())
    assert weighed.submit(int).cancel()
    assert weighed.submit(bytes, 1000).result() == bytes(1000)
    assert weighed.returned == [len(pickle.dumps(bytes(1000)))]
    assert weighed.sent == [len(pickle.dumps((int, (), {}))), len(pickle.dumps((bytes, (1000,), {})))]
    assert not caplog.records


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    found = measure_workers((1000, 3000), sizes=(8, 6, 2), memory="1MB", budget=1e-3, folder=str(folder))
    assert not list(folder.iterdir())
    return found


@pytest.mark.slow
def test_what_is_measured(found):
    assert [(row.examples, row.workers) for row in found.rows] == [(m, n) for m in (1000, 3000) for n in (0, 1, 2)]
    assert all(row.seconds > 0 for row in found.rows)
    assert (found.cluster.examples, found.cluster.workers, found.cluster.example_bytes) == (10**9, 100, 40)
    assert found.cluster.example_seconds == found.rows[-2].seconds
    # 68 parameters go out in float32, and their sums return in float64.
    assert found.cluster.task.sent_bytes > 68 * 4 and found.cluster.task.returned_bytes > 68 * 8
    assert "In other processes, each with one thread of BLAS" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["rows"][0]["workers"] == 0


@pytest.mark.slow
def test_the_picture(found):
    pytest.importorskip("matplotlib")
    efficiency, memory = new_figure(9, 4).subplots(1, 2)
    draw_workers(efficiency, memory, found)
    assert [list(each.lines[0].get_xdata()) for each in efficiency.containers] == [[1000, 3000]] * 2
    drawn = [line.get_ydata()[-1] for line in memory.lines]
    if found.rows[-1].worker_bytes is not None:
        assert np.array_equal(drawn[0], found.rows[-2].worker_bytes / 1e6)
