"""Targets: what is met, what is missed, and what was never measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
from races import made_race

from benchmarks.experiments.targets import (
    CEILINGS,
    Targets,
    measure_allocation,
    step_over_gradient,
    targets_of_race,
)
from formulations.comparison.race.cells import CELLS
from formulations.comparison.race.contestant import Kind
from formulations.comparison.race.plot import draw_race
from formulations.comparison.timing import Timing
from formulations.display import Ratio

TIMES = {
    "floor": 1.0, "hadamard": 1.5, "sigma": 1.5, "fused": 1.0, "gradient(hadamard)": 3.0, "torch": 4.0, "jax": 3.0,
    "book's loop": 60.0,
}  # fmt: skip
KINDS = {"torch": Kind.PEER, "jax": Kind.PEER, "floor": Kind.FLOOR, "book's loop": Kind.LOOP}


def race(**changed):
    return made_race({**TIMES, **changed}, KINDS, CELLS.values())


def found(what, cell, dtype="float32", **changed):
    matching = [t for t in targets_of_race(race(**changed)) if (t.what, t.cell, t.dtype) == (what, cell, dtype)]
    # fused has one target for each cell and one for the mean, so what, cell and dtype identify a target.
    assert len(matching) == 1
    return matching[0]


def test_a_ceiling_over_the_floor():
    assert found("hadamard over floor", "book").met
    assert found("hadamard over floor", "book").measured == Ratio(1.5, 1.5, 1.5)
    assert not found("hadamard over floor", "book", hadamard=1.71).met
    assert not found("fused over floor", "book", fused=1.01).met


def test_the_best_peer_is_the_fastest():
    target = found("hadamard over the best peer", "wide")
    assert (target.over, target.limit, target.met) == ("jax", 1.0, True)
    assert not found("hadamard over the best peer", "wide", hadamard=3.1).met


def test_there_is_no_target_if_the_products_alone_are_slower():
    slower = race(floor=3.2, hadamard=3.3)
    targets = targets_of_race(slower)
    assert not [t for t in targets if t.what == "hadamard over the best peer" and t.cell == "wide"]
    assert "wide float32: the products alone are slower than jax, 1.07" in str(Targets(tuple(targets), slower))


def test_geometric_means_and_loops():
    assert found("fused over the best peer", "geometric mean").measured.median == pytest.approx(1 / 3)
    assert found("hadamard over the best peer", "geometric mean", hadamard=2.1).met is False
    assert found("hadamard over book's loop", "book").met
    assert not found("fused over book's loop", "book", fused=1.6).met


def test_what_was_not_measured_is_not_met():
    target = found("fused over floor", "deep", fused=None)
    assert (target.measured, target.met) == (None, False)
    assert found("hadamard over the best peer", "book", torch=None, jax=None).measured is None


def test_every_target_has_a_line_and_the_sum_is_said():
    raced = race()
    found = Targets(tuple(targets_of_race(raced)), raced)
    ceilings = sum(len(limits) for _, _, limits in CEILINGS)
    assert len(found.targets) == 2 * (len(CELLS) + 2 + ceilings) + 4
    lines = str(found).splitlines()
    assert len(lines) == len(found.targets) + 6
    met = sum(target.met for target in found.targets)
    assert lines[-1] == f"{met} of {len(found.targets)} targets are met."
    assert bool(found) is (met == len(found.targets))
    assert [t["met"] for t in found.to_dict()["targets"]] == [t.met for t in found.targets]


def test_a_plan_allocates_nothing_that_it_keeps():
    cell = CELLS["digits"]
    allocation = measure_allocation("hadamard", cell, "float64")
    assert 0 <= allocation.peak < 64 * 1024
    assert allocation.growth < 1024
    assert allocation.products == 0
    assert measure_allocation("sigma", cell, "float64").products == 10 * 40 * 8
    assert measure_allocation("linear", cell, "float64") is None


def test_a_step_is_measured_over_its_gradient():
    ratio = step_over_gradient(CELLS["digits"], "float64", budget=0.05)
    assert ratio.lower <= ratio.median <= ratio.upper


def test_the_picture_has_a_panel_a_heat_and_a_bar_a_row():
    pytest.importorskip("matplotlib")
    figure = draw_race(race())
    assert len(figure.axes) == 10
    assert len(figure.axes[0].patches) == len(TIMES)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels[:2] == ["floor", "fused"]
    assert labels[-1] == "book's loop"


@pytest.mark.slow
def test_everything_is_within_the_picture_of_one_cell_on_a_busy_machine():
    pytest.importorskip("matplotlib")
    whole = race()
    heat = whole.heats[0]
    busy = replace(heat.rows[-1], timing=Timing(4.0, Ratio.exactly(4.0), (4.0, 4.0, 4000.0, 4000.0, 4.0)))
    cell = replace(heat.cell, name="a cell with a long name, " * 4)
    figure = draw_race(replace(whole, heats=(replace(heat, cell=cell, rows=(*heat.rows[:-1], busy)),)))
    figure.draw_without_rendering()
    axes, legend = figure.axes[0], figure.legends[0]
    assert len(legend.get_texts()) == 4
    boxes = [text.get_window_extent() for text in (*axes.texts, axes.title, axes._left_title)]
    for box in (*boxes, legend.get_window_extent()):
        assert 0 <= box.x0 <= box.x1 <= figure.bbox.x1
    assert max(text.get_window_extent().x1 for text in axes.texts) <= axes.bbox.x1
