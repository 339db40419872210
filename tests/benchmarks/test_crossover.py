"""The crossover: grids, ties, and who takes part in a cell. No duration is asserted."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

import formulations as fm
from benchmarks.experiments import admission
from benchmarks.experiments import crossover as module
from benchmarks.experiments.crossover import (
    Crossover,
    Grid,
    GridPoint,
    Standings,
    Timed,
    draw_crossover,
    measure_crossover,
)
from formulations.comparison.timing import Timing
from formulations.display import Ratio
from formulations.exceptions import InvalidInput, UnknownName, WrongType

TINY = {"widths": (3, 2), "depths": (1, 2), "batches": (2, 1), "dtypes": ("float32",), "budget": 1e-6}
POINT = GridPoint("float64", 10, 4, 2)


@pytest.fixture(autouse=True)
def _no_backend_is_slow(monkeypatch):
    """Make every call as quick as the baseline's, whatever the load of the machine."""
    monkeypatch.setattr(module._Trial, "_warm_seconds", lambda *_: 1.0)


def cell(*rows, point=POINT):
    """Return a cell of backends with their ratio and quartiles."""
    return Standings(
        point, tuple(Timed(name, 1e-5 * ratio, Ratio(ratio, *quartiles), 3) for name, ratio, quartiles in rows)
    )


def test_every_cell_of_the_grid_is_measured_once():
    progress = []
    found = measure_crossover(**TINY, backends=["hadamard", "sigma"], progress=progress.append)
    points = [c.point for c in found.cells]
    assert points == [GridPoint("float32", m, width, depth) for width in (2, 3) for depth in (1, 2) for m in (1, 2)]
    assert progress == [str(point) for point in points]
    assert progress[0] == "1 layer of 2 × 2 weights, 1 example, float32"
    for c in found.cells:
        assert {row.backend for row in c.timed} == {"hadamard", "sigma"}
        assert [row.ratio.median for row in c.timed] == sorted(row.ratio.median for row in c.timed)
        assert next(row for row in c.timed if row.backend == "hadamard").ratio.median == 1


def test_axes_ascend_and_name_each_number_once():
    grid = Grid.of((1000, 8, 8), [2], iter([10, 1]), "float32")
    assert grid == Grid((8, 1000), (2,), (1, 10), ("float32",))


def test_a_place_counts_its_network():
    problem = POINT.problem()
    assert problem.network.sizes == (4, 4, 4)
    assert (problem.X.shape, problem.Y.shape) == ((10, 4), (10, 4))
    assert POINT.parameters == problem.network.layout.count
    assert POINT.forward_multiplications == 10 * problem.network.layout.weight_count


def test_two_within_their_spread_are_a_tie():
    apart = cell(("fused", 0.5, (0.4, 0.6)), ("hadamard", 1.0, (1.0, 1.0)), ("sigma", 1.2, (0.6001, 1.3)))
    assert apart.winner == "fused" and apart.tied == ("fused",)
    assert str(apart) == "fused 0.50× 5 µs"
    touching = cell(("fused", 0.9, (0.8, 1.0)), ("hadamard", 1.0, (1.0, 1.0)), ("sigma", 1.2, (1.1, 1.3)))
    assert touching.winner is None and touching.tied == ("fused", "hadamard")
    assert str(touching) == "≈ fused 0.90× 9 µs"
    # The runner-up by its median is clear of the fastest, and a noisier third is not.
    noisy = cell(("fused", 0.5, (0.4, 0.6)), ("sigma", 0.7, (0.65, 0.8)), ("product", 0.8, (0.5, 1.2)))
    assert noisy.tied == ("fused", "product")


def test_an_empty_cell_has_no_winner():
    empty = cell()
    assert empty.fastest is None and empty.winner is None and str(empty) == "–"
    assert Crossover((empty,)), "nothing is different if nothing was timed"
    with pytest.raises(InvalidInput, match="no backend was timed"):
        draw_crossover(Crossover((empty,)))


def test_ratios_are_the_stopwatch_s(monkeypatch):
    times = {
        "hadamard": Timing(2.0, Ratio.exactly(1.0), (1.0,) * 9),
        "product": Timing(1.4, Ratio(0.7, 0.6, 0.8), (1.0,) * 8),
        "sigma": Timing(1.0, Ratio(0.5, 0.4, 0.6), (1.0,) * 7),
    }
    timed = []

    def interleave(calls, **options):
        timed.append((list(calls), options))
        return times

    monkeypatch.setattr(admission, "interleave", interleave)
    found = measure_crossover((2,), (1,), (1,), ("float64",), ["product", "sigma"], budget=0.5).cells[0]
    # The baseline is timed too, but does not compete.
    assert timed == [(["product", "sigma", "hadamard"], {"baseline": "hadamard", "budget": 0.5})]
    assert found.timed == (Timed("sigma", 1.0, Ratio(0.5, 0.4, 0.6), 7), Timed("product", 1.4, Ratio(0.7, 0.6, 0.8), 8))


def test_a_backend_left_out_has_a_reason():
    names = ["hadamard", "linear", "finite_difference"]
    found = measure_crossover((8,), (2,), (10,), ("float64",), names, budget=1e-6).cells[0]
    assert [row.backend for row in found.timed] == ["hadamard"]
    assert list(found.left_out) == ["linear", "finite_difference"]
    assert "it needs the activation identity" in found.left_out["linear"]
    assert "times as long as hadamard" in found.left_out["finite_difference"]
    assert found.different == ()


@dataclass(frozen=True, repr=False)
class Faulty(fm.Backend):
    factor: float = 2.0

    name, summary, equations, tier = "faulty", "a multiple of the gradient", (), fm.Tier.RECURRENCE

    def errors(self, network, tape):
        if self.factor == 0:
            raise ZeroDivisionError("nothing left")
        return [self.factor * delta for delta in fm.get_backend("hadamard").errors(network, tape)]


@pytest.mark.parametrize("m", [1, 3])
def test_what_is_different_is_not_timed(m, monkeypatch):
    # Two examples' multiplications: with three, the first two are judged.
    monkeypatch.setattr(module, "JUDGED", 2 * 4)
    found = measure_crossover((2,), (1,), (m,), ("float64",), [Faulty(), Faulty(1.0)], budget=1e-6)
    assert found.cells[0].different == ("faulty",)
    assert "further apart than roundoff explains" in found.cells[0].left_out["faulty"]
    assert [row.backend for row in found.cells[0].timed] == ["faulty:factor=1.0"]
    assert "Different from the reference somewhere, and not timed there: faulty." in str(found)


def test_what_fails_does_not_cost_the_others_their_rows():
    found = measure_crossover((2,), (1,), (1,), ("float64",), [Faulty(0.0), "sigma"], budget=1e-6).cells[0]
    assert found.left_out == {"faulty:factor=0.0": "ZeroDivisionError: nothing left"}
    assert [row.backend for row in found.timed] == ["sigma"]


def test_a_slow_backend_is_not_timed_and_a_hopeless_one_not_tried_again(monkeypatch):
    seconds = {"hadamard": 1.0, "sigma": 5.5, "product": 21.0}
    timed = []

    def warm_seconds(_, plan):
        timed.append((plan.backend.label, plan.batch_size))
        return seconds[plan.backend.label]

    monkeypatch.setattr(module._Trial, "_warm_seconds", warm_seconds)
    found = measure_crossover((2,), (1,), (1, 2), ("float64",), list(seconds), budget=1e-6)
    assert [name for name, m in timed if m == 2 and name != "hadamard"] == ["sigma"]
    assert found.cells[0].left_out == {
        "sigma": "it takes 5.5 times as long as hadamard",
        "product": "it takes 21 times as long as hadamard",
    }
    assert found.cells[1].left_out["product"] == "with a batch of 1 it takes 21 times as long as hadamard"


def test_cells_too_large_are_skipped_and_counted(monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 4 * 9)
    found = measure_crossover((2, 3), (1,), (4, 5), ("float64",), ["hadamard"], budget=1e-6)
    assert [(c.point.width, c.point.batch_size) for c in found.cells] == [(2, 4), (2, 5), (3, 4)]
    assert found.too_large == 1
    assert "too large (1)" in str(found)
    with pytest.raises(InvalidInput, match="every cell takes more than 36 multiplications"):
        measure_crossover((4,), (1,), (4,), ("float64",), ["hadamard"])


def table():
    """Return two winners and a tie over two widths, of which one cell is missing."""
    wide = replace(POINT, width=16)
    return Crossover(
        (
            cell(("fused", 0.5, (0.4, 0.6)), ("hadamard", 1.0, (1.0, 1.0))),
            cell(("hadamard", 1.0, (1.0, 1.0)), ("fused", 1.1, (0.9, 1.2)), point=wide),
            cell(("fused", 0.5, (0.4, 0.6)), ("hadamard", 1.0, (1.0, 1.0)), point=replace(POINT, depth=3)),
            cell(("fused", 0.9, (0.8, 1.1)), ("hadamard", 1.0, (1.0, 1.0)), point=replace(POINT, dtype="float32")),
        ),
        too_large=1,
    )


def test_printed():
    lines = str(table()).splitlines()
    assert lines[:5] == [
        "float64: the fastest gradient",
        "examples  width  2 layers                3 layers",
        "────────  ─────  ──────────────────────  ────────────────",
        "      10      4  fused 0.50× 5 µs        fused 0.50× 5 µs",
        "      10     16  ≈ hadamard 1.00× 10 µs  ·",
    ]
    assert lines[-2:] == [
        "fused: alone in 2, tied in 2 of 4 cells.",
        "hadamard: alone in 0, tied in 2 of 4 cells.",
    ]


def test_as_plain_values():
    plain = json.loads(json.dumps(table().to_dict()))
    assert plain["wins"] == [
        {"backends": ["fused"], "cells": 2},
        # Whose median is the smallest does not make two outcomes of one tie.
        {"backends": ["fused", "hadamard"], "cells": 2},
    ]
    assert plain["too_large"] == 1 and plain["baseline"] == "hadamard"
    assert plain["cells"][1]["width"] == 16 and plain["cells"][1]["tied"] == ["hadamard", "fused"]
    assert plain["cells"][0]["timed"][0] == {
        "backend": "fused", "seconds": 5e-6, "ratio": 0.5, "spread": [0.4, 0.6], "rounds": 3,
    }  # fmt: skip
    assert plain["cells"][1]["winner"] is None and plain["cells"][1]["parameters"] == 2 * 16 * 17


def test_the_picture_has_a_line_for_each_backend_and_a_number_in_each_cell():
    pytest.importorskip("matplotlib")
    figure = draw_crossover(table())
    times, grid, *_ = figure.axes
    lines = {line.get_label(): line.get_xydata() for line in times.lines}
    assert np.array_equal(lines["hadamard"], [[40, 1e-5], [544, 1e-5]])
    assert sorted(lines) == ["fused", "hadamard"]
    assert [text.get_text() for text in grid.texts] == ["0.50", "1.00", "0.50"]
    assert [patch.get_alpha() for patch in grid.patches] == [1, 0.3, 1]


def test_the_picture_explains_the_colour_of_whoever_is_the_fastest():
    pytest.importorskip("matplotlib")
    elsewhere = cell(("product", 0.5, (0.4, 0.6)), point=replace(POINT, batch_size=1000))
    times = draw_crossover(Crossover((*table().cells, elsewhere))).axes[0]
    assert [text.get_text() for text in times.get_legend().get_texts()] == ["hadamard", "fused", "product"]


@pytest.mark.parametrize(
    ("options", "exception", "message"),
    [
        ({"widths": ()}, InvalidInput, "widths must not be empty"),
        ({"depths": 2}, WrongType, "depths must be a list"),
        ({"batches": "10"}, WrongType, "batches must be a list"),
        ({"batches": (0,)}, InvalidInput, "batches must be at least 1"),
        ({"widths": (2.5,)}, WrongType, "widths must be a positive integer"),
        ({"dtypes": ()}, InvalidInput, "dtypes must not be empty"),
        ({"dtypes": ("float16",)}, WrongType, "dtype must be"),
        ({"backends": []}, InvalidInput, "backends must not be empty"),
        ({"backends": 3}, WrongType, "backends must be a list"),
        ({"backends": "fuse"}, UnknownName, "unknown backend 'fuse'"),
        ({"backends": ["fuse"]}, UnknownName, "unknown backend"),
        ({"budget": -1}, InvalidInput, "budget must be positive"),
    ],
)
def test_bad_input_is_refused(options, exception, message):
    with pytest.raises(exception, match=message):
        measure_crossover(**{**TINY, **options})
