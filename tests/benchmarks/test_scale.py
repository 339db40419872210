"""The measurement of scale: what it counts exactly, and how it is shown. Times are measured, never asserted."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.experiments.memory import peak_bytes
from benchmarks.experiments.scale import draw_scale, measure_scale
from formulations.display import Ratio, save_figure
from formulations.exceptions import InvalidInput, WrongType
from formulations.network import Network
from formulations.plans import Tree, prepare

# Two whole chunks or more, and the same rest.
COUNTS = (2124, 3148, 9292)
KEYS = (
    "examples", "data_bytes", "one_batch_bytes", "seconds", "ratio", "spread", "peak_bytes", "tree_bytes",
    "anonymous_bytes",
)  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scale")
    said = []
    scale = measure_scale(
        COUNTS[::-1], sizes=(8, 6, 2), memory="1MB", budget=1e-3, folder=str(folder), progress=said.append
    )
    assert not list(folder.iterdir())
    assert len(said) == 2 + len(COUNTS)
    return scale


@pytest.mark.slow
def test_what_is_counted(found):
    assert [row.examples for row in found.rows] == list(COUNTS)
    assert [row.data_bytes for row in found.rows] == [count * (8 + 2) * 4 for count in COUNTS]
    assert [row.one_batch_bytes for row in found.rows] == [count * (6 + 2) * 4 * 4 for count in COUNTS]
    assert (found.network, found.dtype, found.backend, found.baseline) == ("8-6-2", "float32", "hadamard", 3148)
    assert found.memory == 1e6 and found.batch_size == 1024
    assert all(row.seconds > 0 and row.ratio.median > 0 for row in found.rows)


@pytest.mark.slow
def test_allocations_are_flat_and_within_what_was_allowed(found):
    peaks = [row.other_bytes for row in found.rows]
    # More than one chunk's tape, and the same but for a few objects.
    assert min(peaks) > 1024 * 8 * 4 * 4 and max(row.peak_bytes for row in found.rows) <= 1e6
    assert max(peaks) - min(peaks) <= 4096 and found.flat


@pytest.mark.slow
def test_the_tree_has_one_vector_more_for_each_doubling_of_the_number_of_chunks(found):
    # 3, 4 and 10 chunks; 68 parameters, in float64.
    assert [row.tree_bytes for row in found.rows] == [vectors * 68 * 8 for vectors in (2, 3, 4)]


def test_what_the_tree_takes_is_what_allocations_grow_by():
    network = Network.random((8, 128, 128, 2), seed=0, dtype="float32")
    X, Y = np.ones((512 * 20, 8), np.float32), np.ones((512 * 20, 2), np.float32)

    def once(m):
        plan = prepare(network, "auto")
        assert plan.batch_size == 512
        plan(X[:m], Y[:m])

    once(512)
    before, after = (peak_bytes(partial(once, m)) for m in (512 * 2, 512 * 20))
    grown = Tree.bytes(17_922, network.dtype, 20) - Tree.bytes(17_922, network.dtype, 2)
    assert grown == 3 * 17_922 * 8 and round((after - before) / grown, 1) == 1


@pytest.mark.slow
def test_it_is_said_honestly(found):
    rows = [replace(row, ratio=Ratio.exactly(ratio)) for row, ratio in zip(found.rows, (1.3, 1.0, 0.95), strict=True)]
    some = replace(found, rows=tuple(rows))
    assert (some.constant, some.constant_from) == (False, 3148)
    assert "constant from 3,148 examples on, not below" in str(some)
    never = replace(found, rows=(*rows[:2], replace(rows[2], ratio=Ratio.exactly(1.2))))
    assert never.constant_from is None and "time per example not constant:" in str(never)
    always = replace(found, rows=(replace(rows[0], ratio=Ratio.exactly(1.1 - 1e-9)), *rows[1:]))
    assert always.constant and "constant for every length" in str(always)
    grown = replace(found, rows=(*rows[:2], replace(rows[2], peak_bytes=2 * rows[2].peak_bytes)))
    assert not grown.flat and "memory without the tree of sums is not flat" in str(grown)
    vectors = replace(rows[2], peak_bytes=rows[2].peak_bytes + 10**6, tree_bytes=rows[2].tree_bytes + 10**6)
    assert replace(found, rows=(*rows[:2], vectors)).flat


def test_the_table_and_plain_values(found):
    lines = str(found).splitlines()
    assert lines[0] == "8-6-2, float32, backend hadamard, 1,024 examples at once within 1 MB"
    assert lines[2].split("  ")[0].strip() == "examples" and len(lines[4:]) >= len(COUNTS)
    plain = json.loads(json.dumps(found.to_dict()))
    assert [tuple(row) for row in plain["rows"]] == [KEYS] * len(COUNTS)
    assert [row["spread"] for row in plain["rows"]] == [[row.ratio.lower, row.ratio.upper] for row in found.rows]
    assert plain["flat"] is True


def test_a_platform_that_does_not_report_its_memory(monkeypatch, tmp_path):
    monkeypatch.setattr("benchmarks.experiments.memory.STATUS", tmp_path / "none")
    scale = measure_scale([10], budget=1e-3)
    assert scale.rows[0].anonymous_bytes is None and "unknown" in str(scale)


@pytest.mark.parametrize(
    ("counts", "exception", "message"),
    [
        ([0], InvalidInput, "counts must be at least 1"),
        ((), InvalidInput, r"counts must not be empty; pass a list such as \[10, 100\]"),
        (5, WrongType, "counts must be a list, got 5; pass one such as"),
        ("10", WrongType, "counts must be a list"),
    ],
)
def test_counts_that_are_none(counts, exception, message):
    with pytest.raises(exception, match=message):
        measure_scale(counts)


def test_the_files_hold_different_numbers(monkeypatch):
    seen = {}

    def spy(calls, **_):
        calls["20"]()
        seen.update(calls)
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmarks.experiments.scale.interleave", spy)
    with pytest.raises(KeyboardInterrupt):
        measure_scale([20])
    X, Y = seen["20"].args
    assert X.shape == (20, 8) and Y.shape == (20, 2) and len(np.unique(X)) == 160 and not np.isin(Y, X).any()


@pytest.mark.slow
def test_the_picture(found, tmp_path):
    pytest.importorskip("matplotlib")
    figure = draw_scale(found)
    left, right = figure.axes
    assert {axes.get_xscale() for axes in figure.axes} == {axes.get_yscale() for axes in figure.axes} == {"log"}
    drawn = [line.get_ydata()[-1] * 1e6 for line in right.lines]
    assert drawn[2:] == pytest.approx([found.rows[-1].peak_bytes, found.rows[-1].other_bytes])
    assert list(left.containers[0].lines[0].get_xdata()) == list(COUNTS)
    save_figure(figure, str(tmp_path / "scale.png"))
    assert (tmp_path / "scale.png").stat().st_size > 5000
