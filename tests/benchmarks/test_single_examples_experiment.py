"""The measurement of single examples: what it shows. Times are measured, never asserted."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks.experiments import single_examples as module
from benchmarks.experiments.single_examples import draw_single_examples, measure_single_examples
from formulations.comparison.race import Cell
from formulations.display import Ratio, save_figure

CELLS = [Cell("small", (3, 4, 2), 5), Cell("large", (3, 40, 2), 5)]


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LARGEST", 1000)
        return measure_single_examples(CELLS, ["float32"], budget=1e-3)


def test_every_cell_is_measured_and_large_gradients_are_not_formed(found):
    assert [(row.cell, row.dtype) for row in found.rows] == [("small", "float32"), ("large", "float32")]
    small, large = found.rows
    assert small.seconds > 0 and all(ratio.median > 0 for ratio in (small.norms, small.clipped, small.gram))
    assert small.formed is not None and large.formed is None
    document = json.loads(json.dumps(found.to_dict()))
    assert set(document["rows"][0]["norms"]) == {"ratio", "spread"} and document["rows"][1]["formed"] is None


def test_the_target_is_judged(found):
    met = replace(found, rows=tuple(replace(row, norms=Ratio.exactly(1.3)) for row in found.rows))
    missed = replace(met, rows=(replace(met.rows[0], norms=Ratio.exactly(1.31)), met.rows[1]))
    assert met and str(met).endswith("met.") and not missed and str(missed).endswith("missed.")


def test_the_figure(found, tmp_path):
    pytest.importorskip("matplotlib")
    save_figure(draw_single_examples(found), str(tmp_path / "examples.svg"))
