"""The experiment with sparse weights: cells, densities of equal time, the wide network, and what is refused."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("click")

from benchmarks.experiments import sparse as module
from benchmarks.experiments.sparse import Cell, Sparse, Wide, draw_sparse, measure_sparse, overtaken
from formulations.display import Ratio
from formulations.exceptions import InvalidInput, WrongType


@pytest.fixture
def small(monkeypatch):
    """A wide network that is not wide."""
    monkeypatch.setattr(module, "WIDE", (40, 200, 3))
    monkeypatch.setattr(module, "WIDE_DENSITY", 0.1)


def cell(density, speedup, width=10, m=1):
    return Cell(width, m, density, 100, 1e-3, speedup * 1e-3, Ratio.exactly(speedup))


def result(*cells, different=()):
    wide = Wide("1-2-3", 0.001, 8, 1000, 0.01, 5_000_000, 40.0, 8_000_000_000)
    return Sparse("float64", cells, wide, different)


@pytest.mark.usefixtures("small")
def test_it_measures_every_cell_and_the_wide_network():
    seen = []
    found = measure_sparse([5], [1], [0.5, 0.2], budget=1e-4, progress=seen.append)
    assert [(c.width, c.batch_size, c.density) for c in found.cells] == [(5, 1, 0.2), (5, 1, 0.5)]
    assert all(0 < c.entries < 2 * c.width**2 and c.seconds > 0 and c.dense_seconds > 0 for c in found.cells)
    assert found and seen[0] == "width 5, 1 example" and seen[-1] == "training 40-200-3"
    assert found.wide.layers == "40-200-3" and found.wide.entries == 860 and found.wide.dense == 8 * 8600
    assert found.wide.peak > 0
    assert json.loads(json.dumps(found.to_dict()))["cells"][0]["width"] == 5


def test_the_density_of_equal_time_lies_between_those_that_were_measured():
    assert overtaken([cell(0.01, 4.0), cell(0.1, 0.25)]) == pytest.approx(0.01 * 10**0.5)
    assert overtaken([cell(0.1, 0.5), cell(0.01, 1.0)]) == pytest.approx(0.01)
    assert overtaken([cell(0.01, 4.0), cell(0.1, 2.0)]) is None
    assert overtaken([cell(0.01, 0.4), cell(0.1, 0.2)]) is None


def test_the_table_has_a_row_for_each_width_and_batch():
    text = str(result(cell(0.01, 4.0), cell(0.1, 0.25), cell(0.01, 2.0, m=10), cell(0.1, 1.5, m=10)))
    lines = [line.split() for line in text.splitlines()]
    assert ["10", "1", "4", "ms", "4.00", "0.25", "3.2", "%"] in lines
    assert ["10", "10", "2", "ms", "2.00", "1.50", ">", "10", "%"] in lines
    assert "1,000 stored weights: 10 ms a step, 5 MB in all, 40 bytes for each more weight" in text
    assert "< 1 %" in str(result(cell(0.01, 0.5)))


def test_a_wrong_gradient_is_named_and_not_timed(small, monkeypatch):  # noqa: ARG001
    monkeypatch.setattr(module.Jury, "difference", lambda *_: "layer 3 is different")
    found = measure_sparse([4], [2], [0.5], budget=1e-4)
    assert not found and not found.cells
    assert "not timed: width 4, 2 examples, 50 % (layer 3 is different)." in str(found)
    with pytest.raises(InvalidInput, match="no cell was timed"):
        draw_sparse(found)


def test_the_figure_has_an_axis_for_each_batch():
    pytest.importorskip("matplotlib")
    figure = draw_sparse(
        result(cell(0.01, 4.0), cell(0.1, 0.25), cell(0.01, 2.0, m=10), cell(0.01, 2.0, width=30, m=10))
    )
    assert [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes] == [
        "1 example, float64", "10 examples, float64",
    ]  # fmt: skip
    assert len(figure.axes[1].lines) == 3


@pytest.mark.parametrize(
    ("arguments", "exception"),
    [
        (([0], [1], [0.1]), InvalidInput),
        (([4], [], [0.1]), InvalidInput),
        (([4], [1], []), InvalidInput),
        (([4], [1], [0.0]), InvalidInput),
        (([4], [1], [1.5]), InvalidInput),
        ((["4"], [1], [0.1]), WrongType),
    ],
)
def test_what_is_out_of_range_is_refused(arguments, exception):
    with pytest.raises(exception):
        measure_sparse(*arguments)
